//! Who changed what of a record. The log of everything lives on the server, so this asks it; offline it says so.

use crate::api::review;
use crate::app::components::editors::in_minutes;
use crate::app::components::people::member_name;
use crate::app::format;
use crate::app::records::{Records, use_records};
use crate::model::catalog::{FieldSpec, FieldType, Kind};
use crate::model::record::Key;
use crate::model::value::Value;
use crate::sync::op::{Effect as Put, Entry};
use leptos::prelude::*;

/// The history of a record, fetched when somebody asks for it.
#[component]
pub fn History(
    /// Of which record.
    key: Key,
) -> impl IntoView {
    let records = use_records();
    let fetch = Action::new(move |(): &()| {
        let member = records.viewer().with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.member));
        async move {
            match member {
                Some(member) => review::history(member, key).await,
                None => Err(crate::api::ApiError::SignedOut),
            }
        }
    });
    let answer = fetch.value();
    // One level below the title of what it belongs to: a note is a page, everything else a panel beside one.
    let heading = if key.kind == Kind::Note {
        view! { <h2 id="history-title">"History"</h2> }.into_any()
    } else {
        view! { <h3 id="history-title">"History"</h3> }.into_any()
    };
    view! {
        <section class="panel-section" aria-labelledby="history-title">
            {heading}
            <button type="button" class="button quiet" disabled=move || fetch.pending().get() on:click=move |_| {
                fetch.dispatch(());
            }>
                {move || if answer.with(Option::is_some) { "Show what is new" } else { "Show history" }}
            </button>
            <div aria-live="polite">
                {move || answer.get().map(|answer| match answer {
                    Ok(entries) if entries.is_empty() => {
                        view! { <p class="quiet-text">"The server has not seen this record yet."</p> }.into_any()
                    }
                    Ok(entries) => view! {
                        <ol class="history">
                            {entries.iter().map(|entry| view! { <li>{in_words(records, key, entry)}</li> }).collect_view()}
                        </ol>
                    }.into_any(),
                    Err(error) => view! { <p class="field-error">{error.to_string()}</p> }.into_any(),
                })}
            </div>
        </section>
    }
    .into_any()
}

fn in_words(records: Records, key: Key, entry: &Entry) -> String {
    let who = entry.by.map_or_else(|| "Tidemark".to_owned(), |member| member_name(records, Some(member.into())));
    let when = format::instant(entry.at_ms);
    match &entry.effect {
        Put::Delete => format!("{when} · {who} deleted it"),
        Put::Put(fields) => {
            let changes: Vec<_> = fields
                .iter()
                .filter_map(|(name, value)| {
                    let spec = key.kind.spec().field(name.as_str())?;
                    (!matches!(spec.ty, FieldType::Rank))
                        .then(|| format!("{}: {}", spec.label, value_in_words(records, Some(spec), value)))
                })
                .collect();
            if changes.is_empty() {
                format!("{when} · {who} moved it")
            } else {
                format!("{when} · {who} set {}", changes.join("; "))
            }
        }
    }
}

/// A value as a person reads it, by its field's declaration; as it stands where this build knows none.
pub fn value_in_words(records: Records, spec: Option<&FieldSpec>, value: &Value) -> String {
    let ty = spec.map_or(FieldType::Text { chars_max: 0 }, |spec| spec.ty);
    match (&ty, value) {
        (_, Value::Null) => "nothing".to_owned(),
        (FieldType::Choice { of }, Value::Text(name)) => {
            of.iter().find(|choice| choice.name == name).map_or_else(|| name.clone(), |choice| choice.label.to_owned())
        }
        (FieldType::Date, Value::Text(day)) => format::date(day),
        (FieldType::Instant, Value::Int(ms)) => format::instant(*ms),
        (FieldType::Reference { to }, Value::Text(id)) => name_of(records, *to, id),
        (FieldType::References { to, .. }, Value::List(ids)) => {
            let names: Vec<_> = ids.iter().filter_map(Value::as_text).map(|id| name_of(records, *to, id)).collect();
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
        (_, Value::Text(text)) => text.clone(),
        (_, Value::Int(number)) if spec.is_some_and(in_minutes) => format::minutes(*number),
        (_, Value::Int(number)) => format::whole(*number),
        (_, Value::Bool(yes)) => if *yes { "yes" } else { "no" }.to_owned(),
        (_, Value::List(entries)) => {
            format::count(i64::try_from(entries.len()).unwrap_or(i64::MAX), "entry", "entries")
        }
        (_, Value::Map(_)) => "details".to_owned(),
    }
}

fn name_of(records: Records, kind: Kind, id: &str) -> String {
    let Ok(id) = id.parse() else { return id.to_owned() };
    match kind {
        Kind::Member => member_name(records, Some(id)),
        _ => records.title(Key::new(kind, id)).get(),
    }
}
