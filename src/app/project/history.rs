//! Who changed what of a record. The log of everything lives on the server, so this asks it; offline it says so.

use crate::api::review;
use crate::app::deeds::{Did, doer};
use crate::app::format;
use crate::app::records::{Records, use_records};
use crate::model::catalog::Kind;
use crate::model::record::Key;
use crate::sync::op::{Before, Effect as Put, Entry};
use leptos::prelude::*;

/// The history of a record, fetched when somebody asks for it.
#[component]
pub fn History(
    /// Of which record.
    key: Key,
) -> impl IntoView {
    let records = use_records();
    // What was shown once stays, whatever becomes of the next question.
    let known = RwSignal::new(None::<Vec<Entry>>);
    let fetch = Action::new(move |(): &()| {
        let member = records.viewer().with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.member));
        async move {
            let entries = match member {
                Some(member) => review::history(member, key).await?,
                None => return Err(crate::api::ApiError::SignedOut),
            };
            known.try_set(Some(entries));
            Ok(())
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
            <button type="button" class="button quiet" aria-disabled=move || fetch.pending().get().to_string() on:click=move |_| {
                // A disabled button would lose the focus.
                if !fetch.pending().get_untracked() {
                    fetch.dispatch(());
                }
            }>
                {move || if known.with(Option::is_some) { "Show what is new" } else { "Show history" }}
            </button>
            <div aria-live="polite">
                {move || answer.get().and_then(Result::err).map(|error| view! { <p class="field-error">{error.to_string()}</p> })}
                {move || known.get().map(|entries| match entries.is_empty() {
                    true => view! { <p class="quiet-text">"The server has not seen this record yet."</p> }.into_any(),
                    false => view! {
                        <ol class="history">
                            {entries.iter().enumerate().map(|(nth, entry)| {
                                view! { <li>{in_words(records, entry, entries.get(nth + 1))}</li> }
                            }).collect_view()}
                        </ol>
                    }.into_any(),
                })}
            </div>
        </section>
    }
    .into_any()
}

/// One line of the history, given the line before it in time.
fn in_words(records: Records, entry: &Entry, previous: Option<&Entry>) -> String {
    let before = match previous.map(|previous| &previous.effect) {
        Some(Put::Delete) => Before::Deleted,
        // The oldest line of the list need not be the record's first.
        _ => Before::There,
    };
    let did = Did::by_entry(records, entry, before);
    format!("{} · {} {}", format::instant(entry.at_ms), doer(records, entry.by), did.in_full())
}
