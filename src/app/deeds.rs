//! What people did, in words: a line of the change log, an edit that waits or was refused, and the values in them. A record's
//! history, the dashboard, the sync centre and the review of held edits all read them here.

use crate::app::components::editors::in_minutes;
use crate::app::components::live::live;
use crate::app::components::people::member_name;
use crate::app::format;
use crate::app::records::{Records, title_of};
use crate::model::catalog::{FieldSpec, FieldType, Kind};
use crate::model::id::MemberId;
use crate::model::record::Key;
use crate::model::value::{Name, Value};
use crate::sync::op::{Action, Before, Change, Effect, Entry, Op};
use leptos::prelude::{AnyView, ClassAttribute, ElementChild, Get, IntoAny, Memo, view};

/// Characters of a value or a name inside a sentence: more is no longer read as one.
const IN_A_SENTENCE_CHARS_MAX: usize = 60;

/// What was done to a record, as people tell it.
#[derive(Debug, Clone)]
pub enum Did {
    /// It was made, with these fields.
    Made(Vec<Told>),
    /// These fields were given these values.
    Set(Vec<Told>),
    /// It went to another place, with the name of what it stands under now if that is another.
    Moved(Option<String>),
    /// It was deleted.
    Deleted,
    /// It came back from having been deleted.
    BroughtBack,
    /// A command of the catalog, by its label.
    Command(String),
}

/// A field with its value in words.
#[derive(Debug, Clone)]
pub struct Told {
    /// The field.
    pub spec: &'static FieldSpec,
    /// The value.
    pub value: String,
}

impl Did {
    /// Reads a line of the change log.
    pub fn by_entry(records: Records, entry: &Entry, before: Before) -> Self {
        match (&entry.effect, before) {
            (Effect::Delete, _) => Self::Deleted,
            (Effect::Put(_), Before::Deleted) => Self::BroughtBack,
            (Effect::Put(fields), Before::Nowhere) => Self::Made(told(records, entry.kind, fields.iter())),
            (Effect::Put(fields), Before::There) => Self::put(records, entry.kind, fields.iter()),
        }
    }

    /// Reads an edit as its author made it.
    pub fn by_op(records: Records, op: &Op) -> Self {
        match &op.action {
            Action::Create { fields } => Self::Made(told(records, op.kind, fields.iter())),
            Action::Set { changes } => {
                Self::put(records, op.kind, changes.iter().map(|(name, change)| (name, &change.now)))
            }
            Action::Delete { .. } => Self::Deleted,
            Action::Restore => Self::BroughtBack,
            Action::Command { name, .. } => {
                let label = op.kind.spec().command(name.as_str()).map_or(name.as_str(), |command| command.label);
                Self::Command(label.to_owned())
            }
        }
    }

    fn put<'v>(records: Records, kind: Kind, fields: impl Iterator<Item = (&'v Name, &'v Value)> + Clone) -> Self {
        let parent = |name: &str| kind.spec().parents.iter().any(|parent| parent.field == name);
        let mut told = told(records, kind, fields);
        if told.iter().all(|told| parent(told.spec.name)) {
            return Self::Moved(told.pop().map(|told| told.value));
        }
        Self::Set(told)
    }

    /// The words before the record's name and those after it, in a sentence that began with somebody's name. A comment or a time
    /// entry goes by the name of its task.
    pub fn around(&self, kind: Kind) -> (String, String) {
        let label = kind.spec().label.to_ascii_lowercase();
        let of = |verb: &str| match kind {
            Kind::Comment | Kind::TimeLog => format!("{verb} a {label} on"),
            _ => verb.to_owned(),
        };
        let value = |fields: &[Told], name: &str| {
            fields.iter().find(|told| told.spec.name == name).map(|told| shortened(&told.value))
        };
        let plain = |before: String| (before, String::new());
        match self {
            Self::Made(fields) => match (kind, value(fields, "text"), value(fields, "minutes")) {
                (Kind::Comment, Some(text), _) => ("commented on".to_owned(), format!(": “{text}”")),
                (Kind::TimeLog, _, Some(minutes)) => plain(format!("logged {minutes} on")),
                (Kind::Comment | Kind::TimeLog, ..) => plain(of("added")),
                _ => plain(format!("added the {label}")),
            },
            Self::Set(fields) => match fields.as_slice() {
                _ if matches!(kind, Kind::Comment | Kind::TimeLog) => plain(of("changed")),
                [one] if matches!(one.spec.name, "title" | "name") => plain("renamed".to_owned()),
                [one] if matches!(one.spec.ty, FieldType::LongText { .. } | FieldType::Checklist { .. }) => {
                    plain(format!("changed the {} of", label_of(one.spec)))
                }
                [one] => {
                    let value = match one.spec.ty {
                        FieldType::Choice { .. } => one.value.to_ascii_lowercase(),
                        _ => shortened(&one.value),
                    };
                    (format!("set the {} of", label_of(one.spec)), format!(" to {value}"))
                }
                many => {
                    let labels: Vec<_> = many.iter().map(|told| label_of(told.spec)).collect();
                    plain(format!("set the {} of", listed(&labels)))
                }
            },
            Self::Moved(Some(to)) => ("moved".to_owned(), format!(" to {}", shortened(to))),
            Self::Moved(None) => plain("moved".to_owned()),
            Self::Deleted => plain(of("deleted")),
            Self::BroughtBack => plain(of("brought back")),
            Self::Command(label) => plain(label.to_ascii_lowercase()),
        }
    }

    /// The whole of it where the record needs no name, every value in full.
    pub fn in_full(&self) -> String {
        let values = |fields: &[Told]| {
            let values: Vec<_> = fields.iter().map(|told| format!("{}: {}", told.spec.label, told.value)).collect();
            values.join("; ")
        };
        match self {
            Self::Made(fields) => format!("made it with {}", values(fields)),
            Self::Set(fields) => format!("set {}", values(fields)),
            Self::Moved(Some(to)) => format!("moved it to {to}"),
            Self::Moved(None) => "moved it".to_owned(),
            Self::Deleted => "deleted it".to_owned(),
            Self::BroughtBack => "brought it back".to_owned(),
            Self::Command(label) => label.to_ascii_lowercase(),
        }
    }
}

/// The fields people know of, but for the order of things, which is nothing anybody reads.
fn told<'v>(records: Records, kind: Kind, fields: impl Iterator<Item = (&'v Name, &'v Value)>) -> Vec<Told> {
    fields
        .filter_map(|(name, value)| {
            let spec = kind.spec().field(name.as_str()).filter(|spec| !matches!(spec.ty, FieldType::Rank))?;
            Some(Told { spec, value: value_in_words(records, Some(spec), value) })
        })
        .collect()
}

/// What a field is called inside a sentence.
fn label_of(spec: &FieldSpec) -> String {
    let label = spec.label.to_ascii_lowercase();
    if matches!(spec.ty, FieldType::Date) { format!("{label} date") } else { label }
}

fn listed(labels: &[String]) -> String {
    match labels {
        [] => "place".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// The beginning of a text, on one line.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(IN_A_SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", line[..end].trim_end()),
        None if line.len() < text.len() => format!("{line}…"),
        None => line.to_owned(),
    }
}

/// Who did something, the viewer as `You`.
pub fn doer(records: Records, by: Option<MemberId>) -> String {
    let me = records.viewer_id();
    match by {
        None => "Tidemark".to_owned(),
        Some(by) if me == Some(by) => "You".to_owned(),
        Some(by) => member_name(records, Some(by.into())),
    }
}

/// What an edit does, as one line with the name of its record and the values.
pub fn op_in_words(records: Records, op: &Op, name: &str) -> String {
    let kind = op.kind.spec();
    let name = shortened(name);
    match &op.action {
        Action::Create { fields } => {
            let mut told = told(records, op.kind, fields.iter());
            told.retain(|told| matches!(told.spec.ty, FieldType::Int { .. } | FieldType::Date));
            let values: Vec<_> = told.into_iter().map(|told| told.value).collect();
            with_values(format!("New {}: “{name}”", kind.label.to_ascii_lowercase()), &values)
        }
        Action::Set { changes } => {
            // Where something stands in an order is nothing anybody reads; a field of a group may have come along unchanged.
            let read: Vec<_> = changes
                .iter()
                .map(|(name, change)| (name, kind.field(name.as_str()), change))
                .filter(|(_, field, change)| {
                    change.was != change.now && !field.is_some_and(|field| matches!(field.ty, FieldType::Rank))
                })
                .collect();
            let labels: Vec<_> =
                read.iter().map(|(name, field, _)| field.map_or(name.as_str(), |field| field.label)).collect();
            let values: Vec<_> =
                read.iter().map(|(_, field, change)| change_in_words(records, *field, change)).collect();
            let labels = if labels.is_empty() { "Order".to_owned() } else { labels.join(", ") };
            with_values(format!("{labels} of “{name}”"), &values)
        }
        Action::Delete { .. } => format!("Delete “{name}”"),
        Action::Restore => format!("Bring back “{name}”"),
        Action::Command { name: command, .. } => {
            format!("{} “{name}”", kind.command(command.as_str()).map_or(command.as_str(), |command| command.label))
        }
    }
}

fn with_values(says: String, values: &[String]) -> String {
    if values.is_empty() { says } else { format!("{says}: {}", values.join(", ")) }
}

/// What a field changes to, from what its author saw; of what has many parts, those that differ.
fn change_in_words(records: Records, spec: Option<&FieldSpec>, Change { was, now, .. }: &Change) -> String {
    let (was, now) = (value_in_words(records, spec, was), value_in_words(records, spec, now));
    let between = match spec.map(|spec| &spec.ty) {
        Some(FieldType::References { .. }) => ", ",
        Some(FieldType::LongText { .. } | FieldType::Checklist { .. }) => "\n",
        _ => return format!("{} → {}", shortened(&was), shortened(&now)),
    };
    let only = |these: &str, others: &str| {
        let others: Vec<_> = others.split(between).collect();
        these.split(between).filter(|part| !part.is_empty() && !others.contains(part)).collect::<Vec<_>>().join(", ")
    };
    match (only(&was, &now), only(&now, &was)) {
        (was, now) if was.is_empty() => format!("with {}", shortened(&now)),
        (was, now) if now.is_empty() => format!("without {}", shortened(&was)),
        (was, now) => {
            let alike = alike(&was, &now);
            let rest = |text: &str| match text.get(alike..) {
                Some(rest) if alike > 0 => format!("…{}", shortened(rest)),
                _ => shortened(text),
            };
            format!("{} → {}", rest(&was), rest(&now))
        }
    }
}

/// How many bytes of two long texts are alike from the beginning, up to a word.
fn alike(was: &str, now: &str) -> usize {
    let differ = was.char_indices().zip(now.chars()).find(|((_, was), now)| was != now);
    let end = differ.map_or(was.len().min(now.len()), |((at, _), _)| at);
    if end < IN_A_SENTENCE_CHARS_MAX / 2 {
        return 0;
    }
    was.get(..end).and_then(|alike| alike.rfind(' ')).map_or(0, |at| at + 1)
}

/// An edit in words, which lead to its record where that has a page.
pub fn linked(records: Records, key: Option<Key>, words: Memo<String>) -> AnyView {
    live(move || match key.and_then(|key| records.link(key)) {
        Some(href) => view! { <a class="row-link" href=href>{move || words.get()}</a> }.into_any(),
        None => view! { <p>{move || words.get()}</p> }.into_any(),
    })
}

/// What the record of an edit is called: as it reads here, followed; where it is not here, as the edit itself or another of these
/// names it.
pub fn name_of<'o>(records: Records, op: &Op, others: impl IntoIterator<Item = &'o Op>) -> String {
    let here = match &op.action {
        // What was refused may be there under another name, or made by somebody else.
        Action::Create { .. } => None,
        _ => records.get(op.key()).get().map(|record| title_of(&record)),
    };
    // A comment or a time entry goes by what it is under.
    let above = || match &op.action {
        Action::Create { fields } => {
            let parent = op.kind.spec().parents.first()?;
            let id = fields.get(parent.field)?.as_text()?.parse().ok()?;
            records.get(Key::new(parent.kind, id)).get().map(|record| title_of(&record))
        }
        _ => None,
    };
    let in_others = || others.into_iter().filter(|other| other.key() == op.key()).find_map(named_in);
    here.or_else(|| named_in(op))
        .or_else(in_others)
        .or_else(above)
        .unwrap_or_else(|| format!("{} that is not on this device", op.kind.spec().label.to_ascii_lowercase()))
}

/// The name an edit gives its record, or saw it have.
fn named_in(op: &Op) -> Option<String> {
    const NAMES: [&str; 4] = ["title", "name", "text", "note"];
    let text =
        |value: Option<&Value>| value.and_then(Value::as_text).filter(|text| !text.is_empty()).map(str::to_owned);
    match &op.action {
        Action::Create { fields } => NAMES.into_iter().find_map(|name| text(fields.get(name))),
        Action::Set { changes } => NAMES.into_iter().find_map(|name| text(changes.get(name).map(|change| &change.was))),
        Action::Delete { .. } | Action::Restore | Action::Command { .. } => None,
    }
}

/// A value as a person reads it, by its field's declaration; as it stands where this build knows none.
pub fn value_in_words(records: Records, spec: Option<&FieldSpec>, value: &Value) -> String {
    let ty = spec.map_or(FieldType::Text { chars_max: 0 }, |spec| spec.ty);
    match (&ty, value) {
        (_, Value::Null) => "nothing".to_owned(),
        (FieldType::Choice { of }, Value::Text(name)) => of
            .iter()
            .find(|choice| *choice.name == **name)
            .map_or_else(|| name.to_string(), |choice| choice.label.to_owned()),
        (FieldType::Date, Value::Text(day)) => format::date(day),
        (FieldType::Instant, Value::Int(ms)) => format::instant(*ms),
        (FieldType::Reference { to }, Value::Text(id)) => name_of_reference(records, *to, id),
        (FieldType::References { to, .. }, Value::List(ids)) => {
            let names: Vec<_> =
                ids.iter().filter_map(Value::as_text).map(|id| name_of_reference(records, *to, id)).collect();
            if names.is_empty() { "nobody and nothing".to_owned() } else { names.join(", ") }
        }
        (FieldType::Checklist { .. }, Value::List(items)) => {
            let lines: Vec<_> = items
                .iter()
                .filter_map(Value::as_map)
                .map(|item| {
                    let done = item.get("done").and_then(Value::as_bool) == Some(true);
                    let text = item.get("text").and_then(Value::as_text).unwrap_or_default();
                    format!("{} {text}", if done { "☑" } else { "☐" })
                })
                .collect();
            if lines.is_empty() { "no entries".to_owned() } else { lines.join("\n") }
        }
        (_, Value::Text(text)) => text.to_string(),
        (_, Value::Int(number)) if spec.is_some_and(in_minutes) => format::minutes(*number),
        (_, Value::Int(number)) => format::whole(*number),
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (_, Value::List(entries)) => {
            format::count(i64::try_from(entries.len()).unwrap_or(i64::MAX), "entry", "entries")
        }
        (_, Value::Map(_)) => "details".to_owned(),
    }
}

fn name_of_reference(records: Records, kind: Kind, id: &str) -> String {
    let Ok(id) = id.parse() else { return id.to_owned() };
    match kind {
        Kind::Member => member_name(records, Some(id)),
        _ => records.title(Key::new(kind, id)).get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::seed::Seed;
    use crate::model::id::{DeviceId, IntentId, OpId, RecordId};
    use crate::model::scope::Scope;
    use crate::sync::op::{Change, SCHEMA};
    use leptos::prelude::Owner;
    use std::collections::BTreeMap;
    use uuid::Uuid;

    fn with_records(check: impl FnOnce(Records)) {
        Owner::new().with(|| check(Records::new(Seed::default())));
    }

    fn put(kind: Kind, fields: &[(&'static str, Value)]) -> Entry {
        let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
        Entry {
            seq: 1,
            scope: Scope::Workspace,
            kind,
            record: RecordId(Uuid::nil()),
            effect: Effect::Put(fields),
            by: None,
            device: None,
            op: None,
            at_ms: 0,
        }
    }

    fn op(number: u128, action: Action) -> Op {
        Op {
            id: OpId(Uuid::from_u128(number)),
            device: DeviceId(Uuid::nil()),
            incarnation: 1,
            counter: 1,
            intent: IntentId(Uuid::nil()),
            after: Vec::new(),
            schema: SCHEMA,
            kind: Kind::Task,
            record: RecordId(Uuid::from_u128(7)),
            action,
            claimed_ms: 0,
            offset_ms: 0,
        }
    }

    #[test]
    fn a_line_of_the_log_is_told_as_people_tell_it() {
        with_records(|records| {
            let long = "It rained all day and the trench filled up to the brim, so that nothing could be laid.";
            let step: Value = RecordId(Uuid::nil()).into();
            for (kind, before, fields, words) in [
                (
                    Kind::Task,
                    Before::There,
                    vec![("status", "in_progress".into())],
                    "set the status of # to in progress",
                ),
                (Kind::Task, Before::There, vec![("title", "New".into())], "renamed #"),
                (Kind::Task, Before::There, vec![("description", long.into())], "changed the description of #"),
                (Kind::Task, Before::There, vec![("due", "2026-05-01".into())], "set the due date of # to 1 May 2026"),
                (
                    Kind::Task,
                    Before::There,
                    vec![("start", Value::Null), ("due", Value::Null)],
                    "set the due date and start date of #",
                ),
                (Kind::Task, Before::There, vec![("rank", "V".into())], "moved #"),
                (Kind::Task, Before::There, vec![("rank", "V".into()), ("step", step)], "moved # to Step"),
                (Kind::Task, Before::Nowhere, vec![("title", "New".into())], "added the task #"),
                (Kind::Task, Before::Deleted, vec![("title", "New".into())], "brought back #"),
                (Kind::TimeLog, Before::Nowhere, vec![("minutes", 90.into())], "logged 1 h 30 min on #"),
                (Kind::Comment, Before::There, vec![("text", "Dry".into())], "changed a comment on #"),
                (Kind::Comment, Before::Nowhere, vec![("text", "Dry\nnow".into())], "commented on #: “Dry…”"),
            ] {
                let (left, right) = Did::by_entry(records, &put(kind, &fields), before).around(kind);
                assert_eq!(format!("{left} #{right}"), words);
            }
            let comment = put(Kind::Comment, &[("text", long.into())]);
            let (_, right) = Did::by_entry(records, &comment, Before::Nowhere).around(Kind::Comment);
            assert!(right.chars().count() < 70 && right.ends_with("…”"), "{right}");
        });
    }

    #[test]
    fn an_edit_of_something_that_is_not_here_has_the_name_it_or_another_gives_it() {
        with_records(|records| {
            let fields = BTreeMap::from([(Name::new("title"), Value::from("Cable route"))]);
            let made = op(1, Action::Create { fields });
            let set = |field: &'static str| {
                let change = Change { base: 1, was: "Old route".into(), now: "done".into() };
                op(2, Action::Set { changes: BTreeMap::from([(Name::new(field), change)]) })
            };
            let words = |op: &Op, others: &[Op]| op_in_words(records, op, &name_of(records, op, others));
            assert_eq!(words(&made, &[]), "New task: “Cable route”");
            assert_eq!(words(&set("status"), &[made]), "Status of “Cable route”: Old route → Done");
            assert_eq!(words(&set("title"), &[]), "Title of “Old route”: Old route → done");
            assert_eq!(words(&op(3, Action::Restore), &[]), "Bring back “task that is not on this device”");
        });
    }

    #[test]
    fn edits_of_the_same_fields_are_told_apart_by_their_values() {
        with_records(|records| {
            let item = |text: &'static str, done: bool| {
                Value::Map(BTreeMap::from([
                    ("id".to_owned(), Value::from(text)),
                    ("text".to_owned(), Value::from(text)),
                    ("done".to_owned(), Value::Bool(done)),
                ]))
            };
            let line = "The gate at the pier is locked on Sundays, so come by the mill";
            for (changes, words) in [
                (vec![("estimate", 120.into(), 90.into())], "Estimate of “Dig”: 2 h → 1 h 30 min"),
                (vec![("estimate", Value::Null, 60.into())], "Estimate of “Dig”: nothing → 1 h"),
                (
                    vec![("due", Value::Null, "2026-05-01".into()), ("start", Value::Null, Value::Null)],
                    "Due of “Dig”: nothing → 1 May 2026",
                ),
                (vec![("rank", "V".into(), "W".into())], "Order of “Dig”"),
                (
                    vec![("checklist", vec![item("Boots", false)].into(), vec![item("Boots", true)].into())],
                    "Checklist of “Dig”: ☐ Boots → ☑ Boots",
                ),
                (
                    vec![(
                        "checklist",
                        vec![item("Boots", false), item("Map", true)].into(),
                        vec![item("Map", true)].into(),
                    )],
                    "Checklist of “Dig”: without ☐ Boots",
                ),
                (vec![("description", "Dry.".into(), "Dry.\nCold.".into())], "Description of “Dig”: with Cold."),
                (
                    vec![("description", format!("{line} early.").into(), format!("{line} late.").into())],
                    "Description of “Dig”: …early. → …late.",
                ),
            ] {
                let change = |(name, was, now)| (Name::new(name), Change { base: 1, was, now });
                let edit = op(1, Action::Set { changes: changes.into_iter().map(change).collect() });
                assert_eq!(op_in_words(records, &edit, "Dig"), words);
            }
        });
    }
}
