//! What each widget shows. All of them read the same records as the pages, so they move while somebody else works.

use crate::app::components::absent::NoneHere;
use crate::app::components::live::{live, rows, words};
use crate::app::components::marks::{PriorityMark, Progress, RecordMark};
use crate::app::dashboard::activity::RecentActivity;
use crate::app::dashboard::sync_state::SyncState;
use crate::app::dom;
use crate::app::format;
use crate::app::projects::project_title;
use crate::app::records::use_records;
use crate::model::catalog::Kind;
use crate::model::choice::{Priority, ProjectState, Status, WidgetSort};
use crate::model::id::RecordId;
use crate::model::kinds::{Project, Task};
use crate::model::record::Key;
use crate::model::scope::Scope;
use leptos::prelude::*;
use std::sync::Arc;
use uuid::Uuid;

/// Rows a widget shows before it says how many more there are.
pub const ROWS_MAX: usize = 8;

/// How many more of my tasks are shown at a time, once somebody asks.
const MORE_ROWS: usize = 24;

/// Between one task marked as done and the next, milliseconds: by a double click nobody means two, and the next one has moved
/// under the pointer.
const DONE_APART_MS: f64 = 500.0;

/// The inside of one widget.
#[component]
pub fn WidgetBody(
    /// What it shows.
    sort: WidgetSort,
) -> impl IntoView {
    match sort {
        WidgetSort::MyTasks => view! { <MyTasks/> }.into_any(),
        WidgetSort::ProjectProgress => view! { <ProjectProgress/> }.into_any(),
        WidgetSort::RecentActivity => view! { <RecentActivity/> }.into_any(),
        WidgetSort::SyncState => view! { <SyncState/> }.into_any(),
        WidgetSort::Conflicts => view! { <NeedsYou/> }.into_any(),
    }
}

fn key(kind: Kind, id: u128) -> Key {
    Key::new(kind, RecordId(Uuid::from_u128(id)))
}

#[component]
fn More(count: Signal<usize>, href: &'static str) -> impl IntoView {
    move || {
        let more = count.get().saturating_sub(ROWS_MAX);
        (more > 0).then(|| {
            let more = format::whole(i64::try_from(more).unwrap_or(i64::MAX));
            view! { <p class="quiet-text"><a href=href>{format!("{more} more")}</a></p> }
        })
    }
}

#[component]
fn MyTasks() -> impl IntoView {
    let records = use_records();
    let (tasks, known) = (records.my_tasks(), records.all_known(Kind::Task));
    let may = records.may_make(Kind::Project, Scope::Workspace);
    let done_at_ms = StoredValue::new(f64::NEG_INFINITY);
    // How often somebody has asked for more.
    let asked = RwSignal::new(0_u64);
    let shown =
        move || MORE_ROWS.saturating_mul(usize::try_from(asked.get()).unwrap_or(usize::MAX)).saturating_add(ROWS_MAX);
    let count = move || tasks.with(|tasks| tasks.len());
    let any_more = Memo::new(move |_| count() > shown());
    let more = move || {
        let more = count().saturating_sub(shown()).min(MORE_ROWS);
        format!("Show {} more", format::whole(i64::try_from(more).unwrap_or(i64::MAX)))
    };
    let show_more = move |_| {
        let first_new = untrack(shown).saturating_add(1);
        asked.update(|asked| *asked += 1);
        dom::focus_first(vec![format!(".my-tasks li:nth-child({first_new}) a")]);
    };
    view! {
        <div class="my-tasks">
            <Show
                when=move || { count() > 0 }
                fallback=move || view! {
                    <NoneHere known>
                        <p class="quiet-text">
                            "No open task is yours."
                            {move || may.get().then(|| view! { " Open a " <a href="/projects">"project"</a> " and assign yourself one." })}
                        </p>
                    </NoneHere>
                }
            >
                <ul>
                    {rows(
                        move || tasks.get().iter().take(shown()).map(|key| key.id.0.as_u128()).collect(),
                        move |id| view! { <TaskLine key=key(Kind::Task, id) among=tasks done_at_ms/> }.into_any(),
                    )}
                </ul>
                // No other page has all of them.
                {live(move || match any_more.get() {
                    true => view! { <button type="button" class="button quiet" on:click=show_more>{words(more)}</button> }.into_any(),
                    false => ().into_any(),
                })}
            </Show>
        </div>
    }
    .into_any()
}

#[component]
fn TaskLine(key: Key, among: Signal<Arc<Vec<Key>>>, done_at_ms: StoredValue<f64>) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = records.title(key);
    let place = move || record.get().and_then(|record| project_title(records, record.scope));
    let href = move || records.link(key);
    let due = move || {
        record.with(|record| {
            let due = Task(record.as_deref()?).due().to_owned();
            (!due.is_empty()).then(|| format!("due {}", format::date(&due)))
        })
    };
    let priority = move || record.with(|record| record.as_deref().and_then(|record| Task(record).priority()));
    let facts = move || {
        let project = place().map(|(_, title)| title);
        [project, due()].into_iter().flatten().collect::<Vec<_>>().join(" · ")
    };
    view! {
        <li class="widget-row">
            <div>
                <a class="row-link" href=href>{words(move || title.get())}</a>
                <p class="quiet-text">{words(facts)}</p>
            </div>
            <span class="actions">
                <PriorityMark priority=Signal::derive(move || priority().filter(|priority| *priority >= Priority::High))/>
                <RecordMark key/>
                <button type="button" class="button" aria-label=move || format!("Mark {} as done", title.get()) on:click=move |event| {
                    if event.time_stamp() - done_at_ms.get_value() < DONE_APART_MS {
                        return;
                    }
                    let place = among.with_untracked(|tasks| tasks.iter().position(|task| *task == key)).unwrap_or(0) + 1;
                    let before = records.peek(key).and_then(|record| Task(&record).status()).unwrap_or(Status::NotStarted);
                    let done = vec![crate::app::records::Draft::set(key, "status", Status::Done)];
                    match records.act(done) {
                        Ok(()) => {
                            done_at_ms.set_value(event.time_stamp());
                            // To the task that moves up into its place.
                            dom::focus_first(vec![
                                format!(".my-tasks li:nth-child({place}) button"),
                                ".my-tasks li:last-child button".to_owned(),
                                ".my-tasks".to_owned(),
                            ]);
                            let says = format!("“{}” is done.", title.get_untracked());
                            records.tell(says, Some(vec![crate::app::records::Draft::set(key, "status", before)]));
                        }
                        Err(reasons) => records.tell(crate::app::components::editors::in_words(reasons), None),
                    }
                }>"Done"</button>
            </span>
        </li>
    }
    .into_any()
}

#[component]
fn ProjectProgress() -> impl IntoView {
    let records = use_records();
    let projects = records.of_kind(Kind::Project);
    let known = records.all_known(Kind::Project);
    let may = records.may_make(Kind::Project, Scope::Workspace);
    let active = Memo::new(move |_| {
        projects
            .get()
            .iter()
            .copied()
            .filter(|key| {
                records.get(*key).with(|record| {
                    record.as_deref().is_some_and(|record| Project(record).state() != Some(ProjectState::Closed))
                })
            })
            .collect::<Vec<_>>()
    });
    let count = Signal::derive(move || active.with(Vec::len));
    view! {
        <Show
            when=move || { count.get() > 0 }
            fallback=move || view! {
                <NoneHere known>
                    <p class="quiet-text">
                        "No project is running."
                        {move || may.get().then(|| view! { " " <a href="/projects">"Begin one"</a> "." })}
                    </p>
                </NoneHere>
            }
        >
            <ul>
                {rows(
                    move || active.get().iter().take(ROWS_MAX).map(|key| key.id.0.as_u128()).collect(),
                    |id| view! { <ProjectLine key=key(Kind::Project, id)/> }.into_any(),
                )}
            </ul>
            <More count href="/projects"/>
        </Show>
    }
    .into_any()
}

#[component]
fn ProjectLine(key: Key) -> impl IntoView {
    let records = use_records();
    let record = records.get(key);
    let title = records.title(key);
    let figure = move |name: &'static str| {
        record.with(|record| record.as_deref().and_then(|record| record.int(name)).unwrap_or(0))
    };
    view! {
        <li class="widget-row">
            <a class="row-link" href=format!("/project/{}", key.id)>{words(move || title.get())}</a>
            <span class="quiet-text">
                {words(move || format!("{}/{}", format::whole(figure("tasks_done")), format::whole(figure("tasks_total"))))}
                <span class="sr-only">" tasks done"</span>
            </span>
            <Progress of=title percent=Signal::derive(move || figure("progress"))/>
        </li>
    }
    .into_any()
}

#[component]
fn NeedsYou() -> impl IntoView {
    let records = use_records();
    let conflicts = records.conflicts();
    let known = records.all_known(Kind::Conflict);
    let tray = records.tray();
    let count = Signal::derive(move || conflicts.with(|keys| keys.len()));
    view! {
        <Show
            when=move || { count.get() > 0 || tray.with(|tray| !tray.is_empty()) }
            fallback=move || view! { <NoneHere known><p class="quiet-text">"Nothing waits for you."</p></NoneHere> }
        >
            <ul>
                {rows(
                    move || conflicts.get().iter().take(ROWS_MAX).map(|key| key.id.0.as_u128()).collect(),
                    move |id| {
                        let key = key(Kind::Conflict, id);
                        let title = words(move || records.title(key).get());
                        let href = format!("/conflict/{}", key.id);
                        view! { <li class="widget-row"><a class="row-link" href=href>{title}</a></li> }.into_any()
                    },
                )}
            </ul>
            <More count href="/conflicts"/>
            <Show when=move || tray.with(|tray| !tray.is_empty())>
                <p><a href="/sync">{move || format::count(i64::try_from(tray.with(|tray| tray.len())).unwrap_or(i64::MAX), "rejected edit", "rejected edits")}</a></p>
            </Show>
        </Show>
    }
    .into_any()
}
