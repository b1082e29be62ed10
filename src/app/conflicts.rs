//! What two people changed apart: everything that waits for a person, what a rule decided and can still be restored, and
//! one conflict side by side. Settling is ordinary edits, so it works offline and can be undone.

pub mod one;
pub mod settling;

use crate::app::components::absent::NoneHere;
use crate::app::components::editors::in_words;
use crate::app::components::long::long_records;
use crate::app::components::people::member_name;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::project::LookOnly;
use crate::app::records::{Draft, Records, title_of, use_records};
use crate::model::catalog::Kind;
use crate::model::choice::{ConflictClass, ConflictState, Resolution};
use crate::model::kinds::Conflict;
use crate::model::record::{Key, Record};
use leptos::prelude::*;
use leptos_meta::Title;
use settling::{Settling, parts_of, target_of};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every conflict, those that wait first.
#[component]
pub fn ConflictsPage() -> impl IntoView {
    let records = use_records();
    let open = records.conflicts();
    let quiet = records.quiet_conflicts();
    let chosen = RwSignal::new(BTreeSet::<Key>::new());
    let none = Memo::new(move |_| open.with(|keys| keys.is_empty()));
    let known = records.all_known(Kind::Conflict);
    // A viewer may see conflicts that others settle.
    let mine_to_settle = Memo::new(move |_| {
        let may_settle = |key: &Key| !records.locked(*key).get();
        open.get().iter().copied().filter(may_settle).collect::<Vec<_>>()
    });
    let none_to_settle = Signal::derive(move || mine_to_settle.with(Vec::is_empty));
    view! {
        <Title text="Conflicts"/>
        <div class="page-head"><h1>"Conflicts"</h1></div>
        <Show
            when=move || !none.get()
            fallback=move || view! {
                <NoneHere known>
                    <Empty says="Nothing waits for you. When two people change the same thing apart and no rule may decide, both versions are kept and shown here side by side."/>
                </NoneHere>
            }
        >
            <LookOnly locked=none_to_settle/>
            <Show when=move || !none_to_settle.get()><Bulk chosen open=mine_to_settle/></Show>
            {long_records(
                ("waiting-conflicts", "rows", "Waiting conflicts"),
                Kind::Conflict,
                move || open.get().to_vec(),
                move |key| view! { <OpenRow key chosen/> }.into_any(),
            )}
        </Show>
        <Show when=move || quiet.with(|keys| !keys.is_empty())>
            <section aria-labelledby="quiet-title">
                <h2 id="quiet-title">"Decided"</h2>
                <p class="quiet-text">"A rule or a person decided these. The other value is kept here and can be restored."</p>
                {long_records(
                    ("decided-conflicts", "rows", "Decided conflicts"),
                    Kind::Conflict,
                    move || quiet.get().to_vec(),
                    |key| view! { <QuietRow key/> }.into_any(),
                )}
            </section>
        </Show>
    }
    .into_any()
}

/// Fields by label, as one line.
fn fields_in_words(record: &Record) -> String {
    let labels: Vec<_> = parts_of(record).into_iter().map(|part| part.label).collect();
    if labels.is_empty() { "everything".to_owned() } else { labels.join(", ") }
}

/// The same of a conflict's record, followed.
fn fields_of(record: Signal<Option<Arc<Record>>>) -> Memo<String> {
    Memo::new(move |_| record.with(|record| record.as_deref().map(fields_in_words).unwrap_or_default()))
}

/// What the record that a conflict speaks of is called now; where it is not here, what it was called then.
fn title_of_target(records: Records, conflict: Key) -> Signal<String> {
    let record = records.get(conflict);
    let then = records.title(conflict);
    let title = Memo::new(move |_| {
        let target = record.with(|record| record.as_deref().and_then(target_of));
        let now = target.and_then(|target| records.get(target).get());
        now.map_or_else(|| then.get(), |now| title_of(&now))
    });
    title.into()
}

/// Who changed what, as one line.
fn story(records: Records, record: &Record) -> String {
    let conflict = Conflict(record);
    let mine = member_name(records, conflict.mine_by());
    let theirs = member_name(records, conflict.theirs_by());
    let fields = fields_in_words(record);
    match conflict.class() {
        Some(ConflictClass::DeleteWins) => format!("{mine} edited {fields} after {theirs} had deleted it"),
        Some(ConflictClass::Superseded) if conflict.resolution() == Some(Resolution::UseMine) => {
            format!("{fields}: {mine}’s value stands again, {theirs}’s is replaced")
        }
        Some(ConflictClass::Superseded) => format!("{fields}: {theirs}’s value stands, {mine}’s is kept"),
        _ => format!("{mine} and {theirs} both changed {fields}"),
    }
}

/// How a conflict was settled, by the names of those whose edits they were; `None` while it was not, by anybody.
fn outcome(records: Records, record: &Record) -> Option<String> {
    let conflict = Conflict(record);
    if conflict.state() != Some(ConflictState::Settled) {
        return None;
    }
    let name = |member| member_name(records, member);
    Some(match conflict.resolution()? {
        Resolution::KeepTheirs if conflict.class() == Some(ConflictClass::DeleteWins) => "left it deleted".to_owned(),
        Resolution::KeepTheirs => format!("kept {}’s value", name(conflict.theirs_by())),
        Resolution::UseMine => format!("used {}’s value", name(conflict.mine_by())),
        Resolution::Combine => "combined both".to_owned(),
        Resolution::Restore => "restored it".to_owned(),
    })
}

/// Who made the edit that a conflict calls mine, if it was not whoever looks: then it is called by their name.
fn other_author(records: Records, record: &Record) -> Option<String> {
    let author = Conflict(record).mine_by();
    (author != records.viewer_id().map(Into::into)).then(|| member_name(records, author))
}

/// What restoring the value that a conflict keeps is called.
fn restore_in_words(records: Records, record: Signal<Option<Arc<Record>>>) -> String {
    let author = record.with(|record| record.as_deref().and_then(|record| other_author(records, record)));
    author.map_or_else(|| "Restore my value".to_owned(), |author| format!("Restore {author}’s value"))
}

#[component]
fn OpenRow(key: Key, chosen: RwSignal<BTreeSet<Key>>) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = title_of_target(records, key);
    let words = move || record.get().map(|record| story(records, &record));
    let when = move || {
        record.with(|record| record.as_deref().and_then(|record| Conflict(record).mine_at()).map(format::instant))
    };
    let fields = fields_of(record);
    let ticked = move || chosen.with(|chosen| chosen.contains(&key));
    let locked = records.locked(key);
    view! {
        <li class="row">
            <Show when=move || !locked.get()>
                <input
                    class="checkbox"
                    type="checkbox"
                    aria-label=move || format!("Choose {}: {}", title.get(), fields.get())
                    prop:checked=ticked
                    on:change=move |event| {
                        let tick = event_target_checked(&event);
                        chosen.update(|chosen| {
                            if tick { chosen.insert(key); } else { chosen.remove(&key); }
                        });
                    }
                />
            </Show>
            <div class="row-main">
                <a class="row-link" href=format!("/conflict/{}", key.id)>{move || title.get()}</a>
                <p class="quiet-text">{words}</p>
            </div>
            <span class="quiet-text row-when">{when}</span>
        </li>
    }
    .into_any()
}

/// What can be done with several at once.
#[component]
fn Bulk(chosen: RwSignal<BTreeSet<Key>>, open: Memo<Vec<Key>>) -> impl IntoView {
    let records = use_records();
    let count = Memo::new(move |_| chosen.with(BTreeSet::len));
    let alike = move || {
        let sort_of = |key: &Key| {
            records.peek(*key).map(|record| {
                let conflict = Conflict(&record);
                (conflict.class(), conflict.of_kind().to_owned(), fields_in_words(&record))
            })
        };
        chosen.update(|chosen| {
            let sorts: Vec<_> = chosen.iter().filter_map(sort_of).collect();
            for key in open.get_untracked().iter() {
                if sort_of(key).is_some_and(|sort| sorts.contains(&sort)) {
                    chosen.insert(*key);
                }
            }
        });
    };
    // All by whoever looks, or by others too.
    let others = Memo::new(move |_| {
        let by_another = |key: &Key| {
            records
                .get(*key)
                .with(|record| record.as_deref().is_some_and(|record| other_author(records, record).is_some()))
        };
        chosen.with(|chosen| chosen.iter().any(by_another))
    });
    let settle = move |with: fn(&Settling) -> Vec<Draft>, words: &str| {
        let mut undo = Vec::new();
        let mut settled = 0_i64;
        let mut refused = Vec::new();
        for key in chosen.get_untracked() {
            let Some(settling) = Settling::of(records, key) else { continue };
            let drafts = with(&settling);
            let back = settling.undo_of(records, &drafts);
            // Each conflict is its own intent: one that cannot be settled keeps none of the others waiting.
            match records.act(drafts) {
                Ok(()) => {
                    settled += 1;
                    undo.extend(back);
                    chosen.update(|chosen| {
                        chosen.remove(&key);
                    });
                }
                Err(reasons) => refused.push(in_words(reasons)),
            }
        }
        let done = match settled {
            0 => "Nothing was settled.".to_owned(),
            _ => format!("{words} for {}.", format::count(settled, "conflict", "conflicts")),
        };
        let says = std::iter::once(done).chain(refused).collect::<Vec<_>>().join(" ");
        records.tell(says, (!undo.is_empty()).then_some(undo));
    };
    view! {
        <div class="toolbar" role="group" aria-label="Settle several">
            <span class="quiet-text">{move || format!("{} chosen", count.get())}</span>
            <button type="button" class="button" on:click=move |_| {
                chosen.set(open.get_untracked().iter().copied().collect());
            }>"Choose all"</button>
            <button type="button" class="button" disabled=move || count.get() == 0 on:click=move |_| alike()>"Choose similar ones"</button>
            <button type="button" class="button" disabled=move || count.get() == 0 on:click=move |_| {
                settle(Settling::keep_theirs, if others.get_untracked() { "Kept what is on the server" } else { "Kept theirs" });
            }>
                {move || if others.get() { "Keep what is on the server for chosen" } else { "Keep theirs for chosen" }}
            </button>
            <button type="button" class="button" disabled=move || count.get() == 0 on:click=move |_| {
                settle(Settling::use_mine, if others.get_untracked() { "Used the authors’ edits" } else { "Used mine" });
            }>
                {move || if others.get() { "Use the authors’ edits for chosen" } else { "Use mine for chosen" }}
            </button>
        </div>
    }
    .into_any()
}

#[component]
fn QuietRow(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = title_of_target(records, key);
    let words = move || record.get().map(|record| story(records, &record));
    let outcome = move || record.with(|record| record.as_deref().and_then(|record| outcome(records, record)));
    let restorable = Memo::new(move |_| outcome().is_none());
    let restore = Memo::new(move |_| restore_in_words(records, record));
    let fields = fields_of(record);
    let locked = records.locked(key);
    view! {
        <li class="row">
            <div class="row-main">
                <a class="row-link" href=format!("/conflict/{}", key.id)>{move || title.get()}</a>
                <p class="quiet-text">{words} {move || outcome().map(|how| format!(" · {how}"))}</p>
            </div>
            <Show when=move || restorable.get() && !locked.get()>
                <button type="button" class="button quiet" aria-label=move || format!("{} of {}: {}", restore.get(), title.get(), fields.get()) on:click=move |_| {
                    one::settle(records, key, Settling::use_mine, "Restored the kept value.");
                }>{move || restore.get()}</button>
            </Show>
        </li>
    }
    .into_any()
}
