//! What a value must pass before it is stored, in words a person can act on. Forms ask while somebody types, the server
//! asks again when the op lands; both get the value back in the one form in which it is stored, so that equal values are
//! equal bytes: sets sorted, ids in lower case, line ends as `\n`, and nothing entered as `Null`.

use crate::model::catalog::{FieldSpec, FieldType, KindSpec, as_set};
use crate::model::day::{Day, INSTANT_MS_MAX};
use crate::model::id::RecordId;
use crate::model::rank;
use crate::model::value::{ENTERED_DEPTH_MAX, Name, Value};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// The years a date may lie in; anything else is a slip of the hand.
const YEARS: std::ops::RangeInclusive<i64> = 1900..=2999;

/// A value that may not be stored, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{says}")]
pub struct FieldError {
    /// The field at fault, as stored.
    pub field: Name,
    /// For people: what is wrong, and what to do next.
    pub says: String,
}

/// Who fills in a field: derived ones are the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filler {
    /// A member, on a device.
    Person,
    /// The server.
    Server,
}

/// Checks a value for a field and returns it as it is stored.
///
/// # Errors
/// The first thing a person has to put right.
pub fn field(spec: &'static FieldSpec, value: &Value) -> Result<Value, FieldError> {
    let stored = stored(spec, value).map_err(|says| FieldError { field: spec.name.into(), says })?;
    if spec.required && stored.is_null() {
        return Err(FieldError {
            field: spec.name.into(),
            says: format!("{} is empty. {}", spec.label, ask_for(&spec.ty)),
        });
    }
    Ok(stored)
}

/// Checks the first fields of a record and returns them as they are stored; those that hold nothing are left out.
///
/// # Errors
/// The first thing a person has to put right.
pub fn first_fields(
    spec: &'static KindSpec,
    fields: &BTreeMap<Name, Value>,
    filler: Filler,
) -> Result<BTreeMap<Name, Value>, FieldError> {
    let mut stored = BTreeMap::new();
    for (name, value) in fields {
        let value = field(known(spec, name, filler)?, value)?;
        if !value.is_null() {
            stored.insert(name.clone(), value);
        }
    }
    if let Some(missing) = spec.fields.iter().find(|field| field.required && !stored.contains_key(field.name)) {
        field(missing, &Value::Null)?;
    }
    in_order(spec, &stored)?;
    Ok(stored)
}

/// The declaration of a field that may be written; refused in words if there is none, or if it is not a person's to write.
///
/// # Errors
/// What is wrong with naming this field.
pub fn known(spec: &'static KindSpec, name: &Name, filler: Filler) -> Result<&'static FieldSpec, FieldError> {
    let refuse = |says: String| Err(FieldError { field: name.clone(), says });
    match spec.field(name.as_str()) {
        None => refuse(format!("A {} has no such field. Update this device and try again.", lower(spec.label))),
        Some(field) if field.derived && filler == Filler::Person => {
            refuse(format!("{} is worked out by Tidemark and cannot be entered.", field.label))
        }
        Some(field) => Ok(field),
    }
}

/// Two dates of one group have to be in order: something cannot be due before it starts.
///
/// # Errors
/// Names the later of the two fields.
pub fn in_order(spec: &'static KindSpec, fields: &BTreeMap<Name, Value>) -> Result<(), FieldError> {
    let dates = || spec.fields.iter().filter(|field| field.ty == FieldType::Date);
    for (first, last) in
        dates().zip(dates().skip(1)).filter(|(first, last)| first.group.is_some() && first.group == last.group)
    {
        let text = |field: &FieldSpec| fields.get(field.name).and_then(Value::as_text);
        if let (Some(from), Some(to)) = (text(first), text(last))
            && from > to
        {
            let says = format!("{} comes before {}. Choose a later day.", last.label, lower(first.label));
            return Err(FieldError { field: last.name.into(), says });
        }
    }
    Ok(())
}

/// What to do about an empty field.
fn ask_for(ty: &FieldType) -> &'static str {
    match ty {
        FieldType::Text { .. } | FieldType::LongText { .. } => "Give it a few words.",
        FieldType::Int { .. } | FieldType::Number => "Enter a number.",
        FieldType::Date | FieldType::Instant => "Choose a day.",
        FieldType::Checklist { .. } => "Add an entry.",
        FieldType::Data { .. } | FieldType::Rank => "It cannot be left out.",
        FieldType::Bool | FieldType::Choice { .. } | FieldType::Reference { .. } | FieldType::References { .. } => {
            "Choose one."
        }
    }
}

/// The value in the form in which it is stored, or what is wrong with it.
fn stored(spec: &'static FieldSpec, value: &Value) -> Result<Value, String> {
    let label = spec.label;
    let wrong = || format!("{label} cannot hold this. {}", ask_for(&spec.ty));
    match (&spec.ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (FieldType::Text { chars_max }, Value::Text(text)) => short_enough(label, one_line(text), *chars_max),
        (FieldType::LongText { chars_max }, Value::Text(text)) => {
            short_enough(label, many_lines(text).into(), *chars_max)
        }
        (FieldType::Bool, Value::Bool(_)) => Ok(value.clone()),
        (FieldType::Int { min, max }, Value::Int(number)) if (*min..=*max).contains(number) => Ok(value.clone()),
        (FieldType::Int { min, max }, Value::Int(_)) => Err(format!("{label} must be from {min} to {max}.")),
        (FieldType::Date, Value::Text(text)) => {
            date(text).ok_or_else(|| format!("{label} is not a day of the calendar. Choose one."))
        }
        (FieldType::Instant, Value::Int(ms)) if (0..=INSTANT_MS_MAX).contains(ms) => Ok(value.clone()),
        (FieldType::Choice { of }, Value::Text(name)) if of.iter().any(|choice| *choice.name == **name) => {
            Ok(value.clone())
        }
        (FieldType::Reference { .. }, Value::Text(id)) => id.parse::<RecordId>().map(Value::from).map_err(|_| wrong()),
        (FieldType::References { count_max, .. }, Value::List(ids)) => {
            references(ids, *count_max, label).ok_or_else(wrong)?
        }
        (FieldType::Checklist { count_max, chars_max }, Value::List(entries)) => {
            few_enough(label, entries.len(), *count_max)?;
            checklist(entries, label, *chars_max)
        }
        (FieldType::Rank, Value::Text(text)) if rank::is_rank(text) => Ok(value.clone()),
        (FieldType::Number, Value::Int(1..)) => Ok(value.clone()),
        (FieldType::Data { .. }, _) if value.depth() > ENTERED_DEPTH_MAX => {
            Err(format!("{label} nests deeper than {ENTERED_DEPTH_MAX} levels. Flatten it."))
        }
        (FieldType::Data { bytes_max }, _) => match size_bytes(value) {
            bytes if bytes <= *bytes_max as usize => Ok(value.clone()),
            bytes => Err(format!("{label} takes {bytes} bytes; at most {bytes_max} fit. Remove something.")),
        },
        _ => Err(wrong()),
    }
}

/// Text of one line: what was pasted over several becomes one, and the blanks at its ends go.
fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text.trim());
    }
    let line: String = text
        .chars()
        .map(|c| if matches!(c, '\n' | '\r' | '\t') { ' ' } else { c })
        .filter(|c| !c.is_control())
        .collect();
    Cow::Owned(line.trim().to_owned())
}

/// Text of many lines: line ends become `\n`, control characters nobody can see go.
fn many_lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let seen: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !c.is_control()).collect();
    if seen.trim().is_empty() { String::new() } else { seen }
}

fn short_enough(label: &str, text: Cow<'_, str>, chars_max: u32) -> Result<Value, String> {
    let chars = if text.len() <= chars_max as usize { 0 } else { text.chars().count() };
    if chars > chars_max as usize {
        return Err(format!("{label} has {chars} characters; at most {chars_max} fit. Shorten it."));
    }
    Ok(if text.is_empty() { Value::Null } else { Value::from(&*text) })
}

fn few_enough(label: &str, count: usize, count_max: u32) -> Result<(), String> {
    if count > count_max as usize {
        return Err(format!("{label} has {count} entries; at most {count_max} fit. Remove some."));
    }
    Ok(())
}

/// A calendar date that exists, written `YYYY-MM-DD`.
fn date(text: &str) -> Option<Value> {
    let day = Day::parse(text)?;
    YEARS.contains(&day.year).then(|| text.into())
}

/// Ids as a set; `None` if one of them is no id.
fn references(ids: &[Value], count_max: u32, label: &str) -> Option<Result<Value, String>> {
    let ids: Option<Vec<Value>> = ids.iter().map(|id| Some(id.as_text()?.parse::<RecordId>().ok()?.into())).collect();
    let set = as_set(ids?);
    let count = set.as_list().len();
    Some(few_enough(label, count, count_max).map(|()| if count == 0 { Value::Null } else { set }))
}

/// Entries `{id, text, done}`, in their order.
fn checklist(entries: &[Value], label: &str, chars_max: u32) -> Result<Value, String> {
    let mut seen = BTreeSet::new();
    let mut stored = Vec::with_capacity(entries.len());
    for entry in entries {
        let part = |name: &str| entry.as_map().and_then(|parts| parts.get(name));
        let id = part("id").and_then(Value::as_text).and_then(|id| id.parse::<RecordId>().ok());
        let text = part("text").and_then(Value::as_text).map(one_line).unwrap_or_default();
        let Some(id) = id.filter(|id| seen.insert(*id)) else {
            return Err(format!("{label} holds an entry twice or without an id. Remove it and add it again."));
        };
        let text = short_enough(label, text, chars_max)?;
        if text.is_null() {
            return Err(format!("{label} has an empty entry. Give it a few words or remove it."));
        }
        let done = part("done").and_then(Value::as_bool).unwrap_or(false);
        stored.push(checklist_entry(id, text, done.into()));
    }
    Ok(if stored.is_empty() { Value::Null } else { Value::List(stored) })
}

/// One entry of a checklist as it is stored.
pub fn checklist_entry(id: RecordId, text: Value, done: Value) -> Value {
    Value::Map([("id".to_owned(), id.into()), ("text".to_owned(), text), ("done".to_owned(), done)].into())
}

/// About how many bytes a value takes on the wire.
pub fn size_bytes(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 1,
        Value::Int(_) => 9,
        Value::Text(text) => text.len() + 5,
        Value::List(entries) => 5 + entries.iter().map(size_bytes).sum::<usize>(),
        Value::Map(parts) => 5 + parts.iter().map(|(name, part)| name.len() + 5 + size_bytes(part)).sum::<usize>(),
    }
}

/// A label inside a sentence.
fn lower(label: &str) -> String {
    label.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::kinds::Kind;
    use proptest::prelude::*;

    fn list(entries: &[&str]) -> Value {
        entries.to_vec().into()
    }

    /// Checks one field of one kind; the error's text stands for the error.
    fn check(kind: Kind, name: &str, value: impl Into<Value>) -> Result<Value, String> {
        field(kind.spec().field(name).expect("a field of the catalog"), &value.into()).map_err(|error| error.says)
    }

    #[test]
    fn refusals_say_what_to_do() {
        let long = "x".repeat(201);
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        let data: Value = "x".repeat(5_000).into();
        let twice = checklist_entry(id.parse().expect("an id"), "a".into(), false.into());
        let blank = checklist_entry(id.parse().expect("an id"), " ".into(), false.into());
        for (kind, name, value, says) in [
            (Kind::Task, "title", Value::Null, "Title is empty. Give it a few words."),
            (Kind::Task, "title", " \t\n".into(), "Title is empty. Give it a few words."),
            (Kind::Task, "title", long.into(), "Title has 201 characters; at most 200 fit. Shorten it."),
            (Kind::Task, "title", 5.into(), "Title cannot hold this. Give it a few words."),
            (Kind::Task, "due", "2026-02-29".into(), "Due is not a day of the calendar. Choose one."),
            (Kind::Task, "due", "2026-2-9".into(), "Due is not a day of the calendar. Choose one."),
            (Kind::Task, "due", "20260209".into(), "Due is not a day of the calendar. Choose one."),
            (Kind::Task, "due", "1026-02-09".into(), "Due is not a day of the calendar. Choose one."),
            (Kind::Task, "progress", 101.into(), "Progress must be from 0 to 100."),
            (Kind::Task, "status", "finished".into(), "Status cannot hold this. Choose one."),
            (Kind::Task, "step", "step".into(), "Step cannot hold this. Choose one."),
            (Kind::Task, "tags", list(&["x"]), "Tags cannot hold this. Choose one."),
            (Kind::Task, "rank", "a b".into(), "Order cannot hold this. It cannot be left out."),
            (Kind::Task, "rank", "".into(), "Order cannot hold this. It cannot be left out."),
            (
                Kind::Task,
                "checklist",
                vec![twice.clone(), twice].into(),
                "Checklist holds an entry twice or without an id. Remove it and add it again.",
            ),
            (
                Kind::Task,
                "checklist",
                vec![blank].into(),
                "Checklist has an empty entry. Give it a few words or remove it.",
            ),
            (Kind::TimeLog, "minutes", Value::Null, "Minutes is empty. Enter a number."),
            (Kind::TimeLog, "minutes", 0.into(), "Minutes must be from 1 to 1440."),
            (Kind::Comment, "text", "\n \n".into(), "Comment is empty. Give it a few words."),
            (Kind::Widget, "settings", data, "Settings takes 5005 bytes; at most 4096 fit. Remove something."),
        ] {
            assert_eq!(check(kind, name, value.clone()), Err(says.to_owned()), "{name} of {value:?}");
        }
    }

    #[test]
    fn values_take_the_form_in_which_they_are_stored() {
        let (a, b) = ("0192f0c1-2345-7abc-8def-0123456789ab", "0192f0c1-2345-7abc-8def-0123456789ac");
        for (name, value, stored) in [
            ("title", "  Dig\r\nthe\ttrench\u{7} ".into(), "Dig  the trench".into()),
            ("description", "a\r\nb\rc\u{0}\td \n".into(), "a\nb\nc\td \n".into()),
            ("description", " \n".into(), Value::Null),
            ("description", " \u{7}".into(), Value::Null),
            ("title", "\u{7} \u{7}Dig".into(), "Dig".into()),
            ("tags", list(&[b, &a.to_uppercase(), b]), list(&[a, b])),
            ("tags", list(&[]), Value::Null),
            ("checklist", list(&[]), Value::Null),
            ("due", "2028-02-29".into(), "2028-02-29".into()),
            ("step", a.to_uppercase().into(), a.into()),
        ] {
            assert_eq!(check(Kind::Task, name, value), Ok(stored), "{name}");
        }
    }

    #[test]
    fn labels_are_plain_english() {
        for spec in Kind::ALL.iter().map(|kind| kind.spec()) {
            let fields = spec.fields.iter().map(|field| field.label);
            assert!([spec.label, spec.plural].into_iter().chain(fields).all(str::is_ascii), "{}", spec.name);
        }
    }

    #[test]
    fn structured_detail_is_kept_as_it_came() {
        for value in [false.into(), 0.into(), "".into(), Value::List(Vec::new()), Value::Map(BTreeMap::new())] {
            assert_eq!(check(Kind::Preference, "value", value.clone()), Ok(value));
        }
    }

    #[test]
    fn a_record_needs_its_required_fields_and_dates_in_order() {
        let id = "0192f0c1-2345-7abc-8def-0123456789ab";
        let first = |fields: &[(&'static str, &str)], filler| {
            let fields = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            first_fields(Kind::Task.spec(), &fields, filler).map(|_| ()).map_err(|error| error.says)
        };
        for (fields, filler, says) in [
            (vec![("title", "Dig")], Filler::Person, "Step is empty. Choose one."),
            (vec![("title", ""), ("step", id)], Filler::Person, "Title is empty. Give it a few words."),
            (
                vec![("title", "Dig"), ("step", id), ("colour", "red")],
                Filler::Person,
                "A task has no such field. Update this device and try again.",
            ),
            (
                vec![("title", "Dig"), ("step", id), ("number", "7")],
                Filler::Person,
                "Number is worked out by Tidemark and cannot be entered.",
            ),
            (
                vec![("title", "Dig"), ("step", id), ("number", "7")],
                Filler::Server,
                "Number cannot hold this. Enter a number.",
            ),
            (
                vec![("title", "Dig"), ("step", id), ("start", "2026-05-02"), ("due", "2026-05-01")],
                Filler::Person,
                "Due comes before start. Choose a later day.",
            ),
        ] {
            assert_eq!(first(&fields, filler), Err(says.to_owned()));
        }
        assert_eq!(
            first(&[("title", "Dig"), ("step", id), ("start", "2026-05-01"), ("due", "2026-05-01")], Filler::Person),
            Ok(())
        );
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".{0,40}".prop_map(Value::from),
            Just(Value::from("2026-05-31")),
            Just(Value::from("0192f0c1-2345-7abc-8def-0123456789ab")),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
                prop::collection::btree_map("id|text|done|x", inner, 0..4).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_passes_once_passes_again_unchanged(value in any_value()) {
            for spec in Kind::ALL.iter().flat_map(|kind| kind.spec().fields) {
                if let Ok(stored) = field(spec, &value) {
                    prop_assert_eq!(field(spec, &stored), Ok(stored.clone()));
                }
            }
        }
    }
}
