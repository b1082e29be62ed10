//! Notes: the list, and one note.

use crate::app::components::absent::{Arriving, NoneHere};
use crate::app::components::editors::{FieldEditor, in_words};
use crate::app::components::long::long_records;
use crate::app::components::marks::RecordMark;
use crate::app::components::unsent::Unsent;
use crate::app::frame::{Empty, lasting};
use crate::app::project::NotHere;
use crate::app::project::history::History;
use crate::app::records::{Draft, title_of, use_records};
use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::record::Key;
use crate::model::scope::Scope;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::{use_navigate, use_params_map};
use uuid::Uuid;

/// Every note, newest first.
#[component]
pub fn NotesPage() -> impl IntoView {
    let records = use_records();
    let notes = records.of_kind(Kind::Note);
    let known = records.all_known(Kind::Note);
    let none = Memo::new(move |_| notes.with(|notes| notes.is_empty()));
    let may = records.may_make(Kind::Note, Scope::Workspace);
    view! {
        <Title text="Notes"/>
        <div class="page-head"><h1>"Notes"</h1></div>
        <Show when=move || may.get()><NewNote/></Show>
        <Show
            when=move || !none.get()
            fallback=move || {
                let says = match may.get() {
                    true => "No notes yet. Give the first one a title above; everybody in the workspace can read and write it.",
                    false => "No notes yet.",
                };
                view! { <NoneHere known><Empty says/></NoneHere> }
            }
        >
            <section aria-label="All notes">
                // Ids sort by time, so the last is the newest.
                {long_records(
                    ("notes", "rows", "Notes, newest first"),
                    Kind::Note,
                    move || notes.get().iter().rev().copied().collect(),
                    |key| view! { <NoteRow key/> }.into_any(),
                )}
            </section>
        </Show>
    }
    .into_any()
}

/// Characters of a note's text its row shows.
const TASTE_CHARS: usize = 120;

#[component]
fn NoteRow(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = records.title(key);
    let taste = move || {
        record.with(|record| {
            let line = record.as_deref()?.text("body").lines().find(|line| !line.trim().is_empty())?.to_owned();
            Some(line.chars().take(TASTE_CHARS).collect::<String>())
        })
    };
    view! {
        <li class="row">
            <div class="row-main">
                <a class="row-link" href=format!("/note/{}", key.id)>{move || title.get()}</a>
                <p class="quiet-text">{taste}</p>
            </div>
            <RecordMark key/>
        </li>
    }
    .into_any()
}

#[component]
fn NewNote() -> impl IntoView {
    let records = use_records();
    let title = Unsent::new("new-note");
    let fault = RwSignal::new(None::<String>);
    let navigate = use_navigate();
    let make = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let words = title.peek().trim().to_owned();
        if words.is_empty() {
            fault.set(Some("A note needs a title.".to_owned()));
            return;
        }
        let id = RecordId(Uuid::now_v7());
        match records.act(vec![Draft::create(Kind::Note, id).with("title", words)]) {
            Ok(()) => {
                title.sent();
                navigate(&format!("/note/{id}"), Default::default());
            }
            Err(reasons) => fault.set(Some(in_words(reasons))),
        }
    };
    view! {
        <form class="inline-form" method="dialog" on:submit=make>
            <input
                class="input"
                aria-label="Title of the new note"
                placeholder="Title of the new note"
                autocomplete="off"
                data-kept=move || title.is_kept()
                prop:value=move || title.get()
                on:input=move |event| title.write(event_target_value(&event))
            />
            <button type="submit" class="button primary">"New note"</button>
            <p class="field-error" role="alert">{move || title.says().map(str::to_owned).or_else(|| fault.get())}</p>
        </form>
    }
    .into_any()
}

/// The note in the address.
#[component]
pub fn NotePage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| params.with(|params| params.get_str("note").and_then(|id| id.parse().ok())));
    move || match id.get() {
        Some(id) => view! { <OneNote key=Key::new(Kind::Note, id)/> }.into_any(),
        None => view! { <NotHere what="note"/> }.into_any(),
    }
}

#[component]
fn OneNote(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let known = Memo::new(move |_| record.with(Option::is_some));
    let complete = records.complete(Scope::Workspace);
    let locked = records.locked(key);
    let title = records.title(key);
    let navigate = use_navigate();
    let delete = StoredValue::new(move || {
        let says = records.peek(key).map(|record| format!("Deleted “{}”.", title_of(&record))).unwrap_or_default();
        match records.act(vec![Draft::Delete { key }]) {
            Ok(()) => {
                records.tell(says, Some(vec![Draft::Restore { key }]));
                navigate("/notes", Default::default());
            }
            Err(reasons) => records.tell(in_words(reasons), None),
        }
    });
    view! {
        <Title text=lasting(title)/>
        <Show
            when=move || known.get()
            fallback=move || view! {
                <Show when=move || complete.get() fallback=|| view! { <Arriving/> }>
                    <NotHere what="note" record=(key, Scope::Workspace)/>
                </Show>
            }
        >
            <div class="page-head">
                <div>
                    <p class="quiet-text"><a href="/notes">"Notes"</a></p>
                    <h1>{move || title.get()}</h1>
                </div>
                <div class="actions">
                    <RecordMark key/>
                    <Show when=move || !locked.get()>
                        <button type="button" class="button quiet" on:click=move |_| delete.with_value(|delete| delete())>"Delete note"</button>
                    </Show>
                </div>
            </div>
            <article class="panel">
                {["body", "title", "tags"].iter().filter_map(|name| Kind::Note.spec().field(name)).map(|spec| view! { <FieldEditor key spec/> }).collect_view()}
                <History key/>
            </article>
        </Show>
    }
    .into_any()
}
