//! Time people spent on a task. Entries are added, never overwritten; an unfinished one is kept in this browser.

use crate::app::components::editors::in_words;
use crate::app::components::long::long_records;
use crate::app::components::marks::RecordMark;
use crate::app::components::people::member_name;
use crate::app::components::unsent::Unsent;
use crate::app::dom;
use crate::app::format;
use crate::app::records::{Draft, use_records};
use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::kinds;
use crate::model::record::Key;
use leptos::prelude::*;
use uuid::Uuid;

/// The time entries of a task with their sum, and a place to add one.
#[component]
pub fn TimeLog(
    /// Of which task.
    task: Key,
) -> impl IntoView {
    let records = use_records();
    let entries = records.children(task, Kind::TimeLog);
    let sum = Memo::new(move |_| {
        entries
            .get()
            .iter()
            .filter_map(|key| records.get(*key).get())
            .filter_map(|record| kinds::TimeLog(&record).minutes())
            .fold(0_i64, i64::saturating_add)
    });
    view! {
        <section class="panel-section" aria-labelledby="time-title">
            <h3 id="time-title">"Time log" <span class="quiet-text">{move || format!(" {}", format::minutes(sum.get()))}</span></h3>
            {long_records(
                ("time-log", "entries", "Time log"),
                Kind::TimeLog,
                move || entries.get().to_vec(),
                |key| view! { <OneEntry key/> }.into_any(),
            )}
            <NewEntry task/>
        </section>
    }
    .into_any()
}

#[component]
fn OneEntry(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let locked = records.locked(key);
    let says = move || {
        let Some(record) = record.get() else { return String::new() };
        let entry = kinds::TimeLog(&record);
        let author = entry.author().map_or_else(|| "You".to_owned(), |id| member_name(records, Some(id)));
        let note = if entry.note().is_empty() { String::new() } else { format!(" · {}", entry.note()) };
        format!("{} · {} · {author}{note}", format::date(entry.day()), format::minutes(entry.minutes().unwrap_or(0)))
    };
    view! {
        <li class="entry">
            <span>{says}</span>
            <RecordMark key/>
            <Show when=move || !locked.get()>
                <button type="button" class="icon-button" aria-label=move || format!("Delete time entry {}", says()) on:click=move |_| {
                    match records.act(vec![Draft::Delete { key }]) {
                        Ok(()) => records.tell("Deleted a time entry.", Some(vec![Draft::Restore { key }])),
                        Err(reasons) => records.tell(in_words(reasons), None),
                    }
                }>"×"</button>
            </Show>
        </li>
    }
    .into_any()
}

#[component]
fn NewEntry(task: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(task);
    let actor = records.actor();
    let may = move || {
        let scope = record.with(|task| task.as_deref().map(|task| task.scope));
        actor
            .get()
            .zip(scope)
            .is_some_and(|(actor, scope)| crate::model::permission::may_create(&actor, Kind::TimeLog.spec(), scope))
    };
    let unsent = |part: &str| Unsent::new(&format!("time-{part}-{}", task.id));
    let (day, minutes, note) = (unsent("day"), unsent("minutes"), unsent("note"));
    Effect::new(move || day.suggest(dom::today()));
    let fault = RwSignal::new(None::<String>);
    let add = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(spent) = format::read_minutes(&minutes.peek()) else {
            fault.set(Some("Enter whole minutes, such as 45, or hours, such as 1h 30m.".to_owned()));
            return;
        };
        let on = day.peek();
        let mut draft = Draft::create(Kind::TimeLog, RecordId(Uuid::now_v7()))
            .with("task", task.id)
            .with("day", on.clone())
            .with("minutes", spent);
        let words = note.peek().trim().to_owned();
        if !words.is_empty() {
            draft = draft.with("note", words);
        }
        match records.act(vec![draft]) {
            Ok(()) => {
                for part in [day, minutes, note] {
                    part.sent();
                }
                day.suggest(on);
                fault.set(None);
            }
            Err(reasons) => fault.set(Some(in_words(reasons))),
        }
    };
    view! {
        <Show when=may>
            <form class="time-form" method="dialog" on:submit=add>
                <label>"Day" <input class="input" type="date" required prop:value=move || day.get() on:input=move |event| day.write(event_target_value(&event))/></label>
                <label>"Minutes" <input class="input" required placeholder="45 or 1h 30m" data-kept=move || minutes.is_kept() prop:value=move || minutes.get() on:input=move |event| minutes.write(event_target_value(&event))/></label>
                <label>"Note" <input class="input" data-kept=move || note.is_kept() prop:value=move || note.get() on:input=move |event| note.write(event_target_value(&event))/></label>
                <button type="submit" class="button">"Log time"</button>
                <p class="field-error" role="alert">{move || note.says().or(minutes.says())}</p>
                <p class="field-error" role="alert">{move || fault.get()}</p>
            </form>
        </Show>
    }
    .into_any()
}
