//! What people said about a task. An unfinished comment is kept in this browser until it is sent or cleared.

use crate::app::components::editors::in_words;
use crate::app::components::long::long_records;
use crate::app::components::marks::RecordMark;
use crate::app::components::people::member_name;
use crate::app::components::unsent::Unsent;
use crate::app::format;
use crate::app::records::{Draft, use_records};
use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::kinds::Comment;
use crate::model::record::Key;
use leptos::prelude::*;
use uuid::Uuid;

/// The comments of a task, oldest first, and a place to write one.
#[component]
pub fn Comments(
    /// Of which task.
    task: Key,
) -> impl IntoView {
    let records = use_records();
    let comments = records.children(task, Kind::Comment);
    let none = Memo::new(move |_| comments.with(|comments| comments.is_empty()));
    view! {
        <section class="panel-section" aria-labelledby="comments-title">
            <h3 id="comments-title">"Comments"</h3>
            <Show when=move || none.get()>
                <p class="quiet-text">"Nobody has commented yet."</p>
            </Show>
            {long_records(
                ("comments", "comments", "Comments"),
                Kind::Comment,
                move || comments.get().to_vec(),
                |key| view! { <OneComment key/> }.into_any(),
            )}
            <NewComment task/>
        </section>
    }
    .into_any()
}

#[component]
fn OneComment(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let locked = records.locked(key);
    // Author and time are the server's to say; until it has, the comment is this person's own.
    let author = move || {
        record
            .get()
            .and_then(|record| Comment(&record).author())
            .map_or_else(|| "You".to_owned(), |id| member_name(records, Some(id)))
    };
    let written = move || {
        record.with(|record| record.as_deref().and_then(|record| Comment(record).written())).map_or_else(
            || view! { <span>"not on the server yet"</span> }.into_any(),
            |ms| view! { <time datetime=format::instant_for_machines(ms)>{format::instant(ms)}</time> }.into_any(),
        )
    };
    view! {
        <li class="comment">
            <p class="comment-head">
                <strong>{author}</strong> " · " {written} " " <RecordMark key/>
                <Show when=move || !locked.get()>
                    <button type="button" class="icon-button" aria-label="Delete this comment" on:click=move |_| {
                        match records.act(vec![Draft::Delete { key }]) {
                            Ok(()) => records.tell("Deleted a comment.", Some(vec![Draft::Restore { key }])),
                            Err(reasons) => records.tell(in_words(reasons), None),
                        }
                    }>"×"</button>
                </Show>
            </p>
            <div class="prose">{move || record.with(|record| record.as_deref().map(|record| Comment(record).text().to_owned()))}</div>
        </li>
    }
    .into_any()
}

#[component]
fn NewComment(task: Key) -> impl IntoView {
    let records = use_records();
    let id = format!("comment-{}", task.id);
    let text = Unsent::new(&id);
    let fault = RwSignal::new(None::<String>);
    let may = {
        let task = records.get(task);
        let actor = records.actor();
        move || {
            let scope = task.with(|task| task.as_deref().map(|task| task.scope));
            actor
                .get()
                .zip(scope)
                .is_some_and(|(actor, scope)| crate::model::permission::may_create(&actor, Kind::Comment.spec(), scope))
        }
    };
    let send = move || {
        let words = text.peek().trim().to_owned();
        if words.is_empty() {
            fault.set(Some("Write something first.".to_owned()));
            return;
        }
        let draft = Draft::create(Kind::Comment, RecordId(Uuid::now_v7())).with("task", task.id).with("text", words);
        match records.act(vec![draft]) {
            Ok(()) => {
                text.sent();
                fault.set(None);
            }
            Err(reasons) => fault.set(Some(in_words(reasons))),
        }
    };
    let label_for = id.clone();
    view! {
        <Show when=may>
            <form class="stack" method="dialog" on:submit=move |event| {
                event.prevent_default();
                send();
            }>
                <label class="sr-only" for=label_for.clone()>"New comment"</label>
                <textarea
                    class="input textarea"
                    id=id.clone()
                    rows="3"
                    placeholder="Write a comment"
                    data-kept=move || text.is_kept()
                    prop:value=move || text.get()
                    on:input=move |event| text.write(event_target_value(&event))
                    on:keydown=move |event| {
                        if event.key() == "Enter" && (event.ctrl_key() || event.meta_key()) {
                            event.prevent_default();
                            send();
                        }
                    }
                ></textarea>
                <p class="field-error" role="alert">{move || text.says()}</p>
                <p class="field-error" role="alert">{move || fault.get()}</p>
                <div class="actions"><button type="submit" class="button primary">"Comment"</button></div>
            </form>
        </Show>
    }
    .into_any()
}
