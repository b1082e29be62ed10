//! The tree of a project: phases, steps and tasks as a virtual list, of which only the rows in sight are in the document,
//! whatever the number of tasks. It is a tree grid for the keyboard and for screen readers: arrow keys move and fold,
//! Enter renames, Space ticks off, Insert adds below, Alt with the arrows moves a row, Delete deletes it. With a pointer a row is
//! dragged.

mod drag;

use crate::app::components::editors::in_words;
use crate::app::components::marks::{PriorityMark, Progress, RecordMark, shape};
use crate::app::components::people::Avatars;
use crate::app::dom;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::order::{self, Way};
use crate::app::project::Arriving;
use crate::app::records::{Draft, Records, title_of, use_records};
use crate::model::catalog::{FieldType, Kind};
use crate::model::check;
use crate::model::choice::Status;
use crate::model::id::RecordId;
use crate::model::kinds::Task;
use crate::model::rank;
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::model::value::Value;
use drag::{Drag, DropMark};
use leptos::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

/// The height of a row, pixels; the style sheet has the same as `--row`.
const ROW_PX: i32 = 40;
/// Rows drawn above and below those in sight, so that scrolling does not show a gap.
const SPARE_ROWS: usize = 10;
/// What is taken for the height until the browser has measured it: the server draws this much.
const FIRST_HEIGHT_PX: i32 = 30 * ROW_PX;
/// The element that scrolls.
const TREE_ID: &str = "project-tree";

/// One line of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    /// A record.
    Row { key: Key, level: u8 },
    /// The input for a new record under its parent.
    Adding { parent: Key, level: u8 },
}

/// What stands under a record of this kind in the tree.
fn child_kind(kind: Kind) -> Option<Kind> {
    match kind {
        Kind::Project => Some(Kind::Phase),
        Kind::Phase => Some(Kind::Step),
        Kind::Step => Some(Kind::Task),
        _ => None,
    }
}

/// The tree as its rows work with it.
#[derive(Clone, Copy)]
struct Trunk {
    records: Records,
    project: Key,
    locked: Signal<bool>,
    closed: RwSignal<BTreeSet<Key>>,
    adding: RwSignal<Option<Key>>,
    renaming: RwSignal<Option<Key>>,
    active: RwSignal<Option<Key>>,
    lines: Memo<Arc<Vec<Line>>>,
    top_px: RwSignal<i32>,
    height_px: RwSignal<i32>,
    drag: Drag,
}

impl Trunk {
    fn new(project: Key) -> Self {
        let records = use_records();
        let closed = RwSignal::new(BTreeSet::new());
        let adding = RwSignal::new(None);
        let lines = Memo::new(move |_| {
            let mut lines = Vec::new();
            closed.with(|closed| gather(records, closed, adding.get(), project, 1, &mut lines));
            Arc::new(lines)
        });
        Self {
            records,
            project,
            locked: records.locked(project),
            closed,
            adding,
            renaming: RwSignal::new(None),
            active: RwSignal::new(None),
            lines,
            top_px: RwSignal::new(0),
            height_px: RwSignal::new(FIRST_HEIGHT_PX),
            drag: Drag::new(),
        }
    }

    /// The lines in sight with some to spare, and how many are above them.
    fn in_sight(self) -> (usize, Vec<Line>) {
        let lines = self.lines.get();
        let row = |px: i32| usize::try_from(px / ROW_PX).unwrap_or(0);
        let first = row(self.top_px.get()).saturating_sub(SPARE_ROWS).min(lines.len());
        let last = (row(self.top_px.get() + self.height_px.get()) + 1 + SPARE_ROWS).min(lines.len());
        (first, lines[first..last.max(first)].to_vec())
    }

    fn place_of(self, key: Key) -> Option<usize> {
        self.lines.with_untracked(|lines| {
            lines.iter().position(|line| matches!(line, Line::Row { key: at, .. } if *at == key))
        })
    }

    /// Makes a row the active one, in sight and focused.
    fn go_to(self, key: Key) {
        let Some(place) = self.place_of(key) else { return };
        self.active.set(Some(key));
        let above = pixels(place);
        let top = self.top_px.get_untracked();
        let bottom = top + self.height_px.get_untracked();
        if above < top || above + ROW_PX > bottom {
            let wanted = if above < top { above } else { above + ROW_PX - self.height_px.get_untracked() };
            self.top_px.set(wanted);
            dom::scroll_to(TREE_ID, wanted);
        }
        dom::focus(row_id(key));
    }

    /// Goes to the row so many rows further down, or up, stopping at the ends.
    fn step(self, from: Key, rows: isize) {
        let next = self.lines.with_untracked(|lines| {
            let mut at = lines.iter().position(|line| matches!(line, Line::Row { key, .. } if *key == from))?;
            loop {
                at = at.checked_add_signed(rows)?;
                if let Line::Row { key, .. } = lines.get(at)? {
                    return Some(*key);
                }
            }
        });
        if let Some(next) = next {
            self.go_to(next);
        }
    }

    fn end(self, end: End) {
        let key = self.lines.with_untracked(|lines| {
            let mut rows =
                lines.iter().filter_map(|line| if let Line::Row { key, .. } = line { Some(*key) } else { None });
            match end {
                End::First => rows.next(),
                End::Last => rows.next_back(),
            }
        });
        if let Some(key) = key {
            self.go_to(key);
        }
    }

    fn fold(self, key: Key) {
        self.closed.update(|closed| {
            closed.insert(key);
        });
    }

    fn unfold(self, key: Key) {
        self.closed.update(|closed| {
            closed.remove(&key);
        });
    }

    fn add_under(self, parent: Key) {
        if self.locked.get_untracked() || child_kind(parent.kind).is_none() {
            return;
        }
        self.unfold(parent);
        self.adding.set(Some(parent));
        dom::focus(adding_id(parent));
    }

    fn rename(self, key: Key) {
        if !self.locked.get_untracked() {
            self.renaming.set(Some(key));
            dom::focus(format!("rename-{}", key.id));
        }
    }

    /// Moves a row among its siblings.
    fn shift(self, key: Key, way: Way) {
        if self.locked.get_untracked() {
            return;
        }
        if let Some(moved) = order::shift(self.records, key, way) {
            self.records.act_or_tell(vec![moved.there]);
            self.go_to(key);
        }
    }

    /// Deletes a row with everything under it, and says how to take that back.
    fn delete(self, key: Key) {
        let Some(record) = self.records.peek(key).filter(|_| !self.locked.get_untracked()) else { return };
        let next = self.place_of(key).and_then(|place| {
            self.lines.with_untracked(|lines| {
                lines[..place]
                    .iter()
                    .rev()
                    .find_map(|line| if let Line::Row { key, .. } = line { Some(*key) } else { None })
            })
        });
        let says = match child_kind(key.kind) {
            Some(_) => format!("Deleted “{}” and everything in it.", title_of(&record)),
            None => format!("Deleted “{}”.", title_of(&record)),
        };
        match self.records.act(vec![Draft::Delete { key }]) {
            Ok(()) => {
                self.records.tell(says, Some(vec![Draft::Restore { key }]));
                match next {
                    Some(next) => self.go_to(next),
                    None => self.active.set(None),
                }
            }
            Err(reasons) => self.records.tell(in_words(reasons), None),
        }
    }

    fn set_status(self, key: Key, status: Status) {
        self.records.act_or_tell(vec![Draft::set(key, "status", status)]);
    }
}

#[derive(Clone, Copy)]
enum End {
    First,
    Last,
}

fn pixels(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX / ROW_PX).saturating_mul(ROW_PX)
}

fn row_id(key: Key) -> String {
    format!("row-{}", key.id)
}

fn adding_id(parent: Key) -> String {
    format!("add-{}", parent.id)
}

/// Every line under a parent that is not folded away.
fn gather(
    records: Records,
    closed: &BTreeSet<Key>,
    adding: Option<Key>,
    parent: Key,
    level: u8,
    lines: &mut Vec<Line>,
) {
    let Some(kind) = child_kind(parent.kind) else { return };
    for key in records.children(parent, kind).get().iter() {
        lines.push(Line::Row { key: *key, level });
        if !closed.contains(key) {
            gather(records, closed, adding, *key, level + 1, lines);
        }
    }
    if adding == Some(parent) {
        lines.push(Line::Adding { parent, level });
    }
}

/// The tree of one project.
#[component]
pub fn Tree(
    /// Of which project.
    project: Key,
) -> impl IntoView {
    let trunk = Trunk::new(project);
    let in_sight = Memo::new(move |_| trunk.in_sight());
    let empty = Memo::new(move |_| trunk.lines.with(|lines| lines.is_empty()));
    let complete = trunk.records.complete(Scope::Project(project.id));
    let measure = move || {
        if let Some(height) = dom::height(TREE_ID) {
            trunk.height_px.set(height);
        }
    };
    // While there is nothing to show the tree has no height.
    Effect::new(move || {
        empty.track();
        measure();
    });
    dom::when_resized(measure);
    let above = move || format!("height:{}px", pixels(in_sight.with(|(first, _)| *first)));
    let below = move || {
        let all = trunk.lines.with(|lines| lines.len());
        let drawn = in_sight.with(|(first, lines)| first + lines.len());
        format!("height:{}px", pixels(all.saturating_sub(drawn)))
    };
    view! {
        <Toolbar trunk/>
        <Show when=move || empty.get()>
            <Show when=move || complete.get() fallback=|| view! { <Arriving/> }>
                <Empty says="Nothing here yet. A project is phases, their steps, and the tasks that make them up; add the first phase above."/>
            </Show>
        </Show>
        <div
            class="tree"
            id=TREE_ID
            role="treegrid"
            aria-label="Phases, steps and tasks"
            aria-rowcount=move || trunk.lines.with(|lines| lines.len()).to_string()
            data-empty=move || empty.get().to_string()
            on:scroll=move |event| {
                if let Some((top, height)) = dom::scrolled(&event) {
                    trunk.top_px.set(top);
                    trunk.height_px.set(height);
                }
            }
            on:dragover=move |event| trunk.hold_over(&event)
            on:dragleave=move |event| if dom::left(&event) { trunk.drag.leave() }
            on:drop=move |event| trunk.let_go(&event)
            on:dragend=move |_| trunk.drag.end()
            // A row that was scrolled out of the document while it was dragged does not say that this has ended; while something
            // is dragged there are no pointer events.
            on:pointermove=move |_| trunk.drag.end()
        >
            <div role="presentation" style=above></div>
            <For each=move || in_sight.with(|(_, lines)| lines.clone()) key=|line| *line let(line)>
                {match line {
                    Line::Row { key, level } => view! { <Row trunk key level in_sight/> }.into_any(),
                    Line::Adding { parent, level } => view! { <Adding trunk parent level/> }.into_any(),
                }}
            </For>
            <div role="presentation" style=below></div>
            <DropMark trunk/>
        </div>
        <details class="quiet-text keys">
            <summary>"Keys in this list"</summary>
            <p>
                "Arrow keys move and fold, Home and End jump, Enter renames, Space marks a task done, Insert adds below, Alt+Up and Alt+Down move a row, Delete deletes it. With a mouse a row can be dragged, also under another parent; Escape lets it stay."
            </p>
        </details>
    }
    .into_any()
}

/// What can be done to the project and to the active row.
#[component]
fn Toolbar(trunk: Trunk) -> impl IntoView {
    let title = Memo::new(move |_| {
        trunk.active.get().and_then(|key| trunk.records.get(key).get()).map(|record| title_of(&record))
    });
    let act = move |what: fn(Trunk, Key)| {
        if let Some(key) = trunk.active.get_untracked() {
            what(trunk, key);
        }
    };
    let named = move |verb: &str| title.get().map_or_else(|| verb.to_owned(), |title| format!("{verb} {title}"));
    let none = move || title.with(Option::is_none);
    let groups = move || {
        trunk.lines.with_untracked(|lines| {
            lines
                .iter()
                .filter_map(|line| match line {
                    Line::Row { key, .. } if child_kind(key.kind).is_some() => Some(*key),
                    _ => None,
                })
                .collect::<BTreeSet<_>>()
        })
    };
    view! {
        <div class="toolbar" role="group" aria-label="Tree">
            <Show when=move || !trunk.locked.get()>
                <button type="button" class="button primary" on:click=move |_| trunk.add_under(trunk.project)>"Add phase"</button>
                <button type="button" class="button" disabled=none aria-label=move || named("Rename")
                    on:click=move |_| act(Trunk::rename)>"Rename"</button>
                <button type="button" class="button" disabled=none aria-label=move || named("Move up")
                    on:click=move |_| act(|trunk, key| trunk.shift(key, Way::Back))>"Move up"</button>
                <button type="button" class="button" disabled=none aria-label=move || named("Move down")
                    on:click=move |_| act(|trunk, key| trunk.shift(key, Way::On))>"Move down"</button>
            </Show>
            <button type="button" class="button quiet" on:click=move |_| trunk.closed.set(BTreeSet::new())>"Unfold all"</button>
            <button type="button" class="button quiet" on:click=move |_| trunk.closed.set(groups())>"Fold all"</button>
        </div>
    }
    .into_any()
}

/// One phase, step or task.
#[component]
fn Row(trunk: Trunk, key: Key, level: u8, in_sight: Memo<(usize, Vec<Line>)>) -> impl IntoView {
    let records = trunk.records;
    let record = records.get(key);
    let title = records.title(key);
    let children = child_kind(key.kind);
    let open = Memo::new(move |_| trunk.closed.with(|closed| !closed.contains(&key)));
    let active = Memo::new(move |_| trunk.active.get() == Some(key));
    let renaming = Memo::new(move |_| trunk.renaming.get() == Some(key));
    // Without an active row the first in sight takes part in the tab order.
    let in_tab_order = Memo::new(move |_| {
        active.get()
            || (trunk.active.with(Option::is_none)
                && in_sight
                    .with(|(_, lines)| matches!(lines.first(), Some(Line::Row { key: first, .. }) if *first == key)))
    });
    let tab = move || if in_tab_order.get() { "0" } else { "-1" };
    let nth = move || {
        in_sight.with(|(first, lines)| {
            let within =
                lines.iter().position(|line| matches!(line, Line::Row { key: at, .. } if *at == key)).unwrap_or(0);
            (first + within + 1).to_string()
        })
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        if !dom::is_own(&event) {
            return;
        }
        match event.key().as_str() {
            "ArrowDown" if event.alt_key() => trunk.shift(key, Way::On),
            "ArrowUp" if event.alt_key() => trunk.shift(key, Way::Back),
            "ArrowDown" => trunk.step(key, 1),
            "ArrowUp" => trunk.step(key, -1),
            "Home" => trunk.end(End::First),
            "End" => trunk.end(End::Last),
            "ArrowRight" if children.is_some() && !open.get_untracked() => trunk.unfold(key),
            "ArrowRight" => trunk.step(key, 1),
            "ArrowLeft" if children.is_some() && open.get_untracked() => trunk.fold(key),
            "ArrowLeft" => {
                if let Some(parent) = records.peek(key).and_then(|record| record.parent()) {
                    trunk.go_to(parent);
                }
            }
            "Enter" | "F2" => trunk.rename(key),
            " " if key.kind == Kind::Task => {
                let now = records.peek(key).and_then(|record| Task(&record).status());
                trunk.set_status(key, if now == Some(Status::Done) { Status::InProgress } else { Status::Done });
            }
            "Insert" => trunk.add_under(key),
            "Delete" => trunk.delete(key),
            _ => return,
        }
        event.prevent_default();
    };
    let href = format!("/project/{}/{}/{}", trunk.project.id, key.kind.spec().name, key.id);
    let href = StoredValue::new(href);
    view! {
        <div
            class="tree-row"
            role="row"
            id=row_id(key)
            data-kind=key.kind.spec().name
            data-active=move || active.get().to_string()
            attr:aria-level=level.to_string()
            aria-rowindex=nth
            aria-expanded=move || children.map(|_| open.get().to_string())
            tabindex=tab
            draggable=move || (!trunk.locked.get() && !renaming.get()).to_string()
            data-dragged=move || trunk.drag.holds(key).to_string()
            on:dragstart=move |event| trunk.take_up(key, &event)
            on:focusin=move |_| trunk.active.set(Some(key))
            on:click=move |_| trunk.active.set(Some(key))
            on:keydown=on_key
        >
            <div class="cell-title" role="gridcell" data-level=level.to_string()>
                {children.map(|_| view! {
                    <button
                        type="button"
                        class="fold"
                        tabindex="-1"
                        aria-label=move || if open.get() { format!("Fold {}", title.get()) } else { format!("Unfold {}", title.get()) }
                        on:click=move |_| if open.get_untracked() { trunk.fold(key) } else { trunk.unfold(key) }
                    >
                        <span aria-hidden="true">{move || if open.get() { "▾" } else { "▸" }}</span>
                    </button>
                })}
                {(key.kind == Kind::Task).then(|| view! { <StatusPicker trunk key tab=Signal::derive(tab)/> })}
                <Show
                    when=move || renaming.get()
                    fallback=move || view! {
                        <a class="row-title" href=href.get_value() tabindex=tab draggable="false" on:dblclick=move |event| {
                            event.prevent_default();
                            trunk.rename(key);
                        }>{move || title.get()}</a>
                    }
                >
                    <Rename trunk key/>
                </Show>
                <RecordMark key/>
            </div>
            <div class="cell-facts" role="gridcell">
                {match key.kind {
                    Kind::Task => view! { <TaskFacts record/> }.into_any(),
                    _ => view! { <GroupFacts record title/> }.into_any(),
                }}
            </div>
            <div class="cell-actions" role="gridcell">
                <Show when=move || !trunk.locked.get()>
                    {children.map(|kind| view! {
                        <button
                            type="button"
                            class="icon-button"
                            tabindex=tab
                            title=format!("Add {}", kind.spec().label.to_lowercase())
                            aria-label=move || format!("Add {} to {}", kind.spec().label.to_lowercase(), title.get())
                            on:click=move |_| trunk.add_under(key)
                        >"+"</button>
                    })}
                    <button
                        type="button"
                        class="icon-button"
                        tabindex=tab
                        title="Delete"
                        aria-label=move || format!("Delete {}", title.get())
                        on:click=move |_| trunk.delete(key)
                    >"×"</button>
                </Show>
            </div>
        </div>
    }
    .into_any()
}

/// How far a task is, changed in place.
#[component]
fn StatusPicker(trunk: Trunk, key: Key, tab: Signal<&'static str>) -> impl IntoView {
    let title = trunk.records.title(key);
    let record = trunk.records.get(key);
    let status = Memo::new(move |_| {
        record.with(|record| record.as_deref().and_then(|record| Task(record).status()).unwrap_or(Status::NotStarted))
    });
    view! {
        <span class="status-cell" data-status=move || status.get().name()>
            <span aria-hidden="true">{move || shape(status.get())}</span>
            <select
                class="status-picker"
                tabindex=move || tab.get()
                aria-label=move || format!("Status of {}", title.get())
                prop:value=move || status.get().name()
                disabled=move || trunk.locked.get()
                on:change=move |event| {
                    if let Some(chosen) = Status::from_name(&event_target_value(&event)) {
                        trunk.set_status(key, chosen);
                    }
                }
            >
                {Status::ALL.iter().map(|choice| view! {
                    <option value=choice.name() selected=move || status.get() == *choice>{choice.label()}</option>
                }).collect_view()}
            </select>
        </span>
    }
    .into_any()
}

#[component]
fn TaskFacts(record: Signal<Option<Arc<Record>>>) -> impl IntoView {
    let priority = move || record.with(|record| record.as_deref().and_then(|record| Task(record).priority()));
    let due = move || {
        record.with(|record| {
            let due = record.as_deref().map(|record| Task(record).due().to_owned()).unwrap_or_default();
            (!due.is_empty()).then(|| format::date(&due))
        })
    };
    let assignees =
        move || record.with(|record| record.as_deref().map(|record| Task(record).assignees()).unwrap_or_default());
    view! {
        <PriorityMark priority=Signal::derive(priority)/>
        <span class="row-due">{due}</span>
        <Avatars members=Signal::derive(assignees)/>
    }
    .into_any()
}

#[component]
fn GroupFacts(record: Signal<Option<Arc<Record>>>, title: Signal<String>) -> impl IntoView {
    // Phases and steps carry the same roll-up fields.
    let figure = move |name: &'static str| {
        record.with(|record| record.as_deref().and_then(|record| record.int(name)).unwrap_or(0))
    };
    view! {
        <span class="quiet-text row-count">
            {move || format!("{}/{}", format::whole(figure("tasks_done")), format::whole(figure("tasks_total")))}
            <span class="sr-only">" tasks done"</span>
        </span>
        <Progress of=title percent=Signal::derive(move || figure("progress"))/>
    }
    .into_any()
}

/// The longest title of a kind, characters.
fn title_chars_max(kind: Kind) -> String {
    match kind.spec().field("title").map(|field| field.ty) {
        Some(FieldType::Text { chars_max }) => chars_max.to_string(),
        _ => "200".to_owned(),
    }
}

/// The title as an input. Enter keeps it, Escape does not.
#[component]
fn Rename(trunk: Trunk, key: Key) -> impl IntoView {
    let seen = trunk.records.peek(key);
    let typed = RwSignal::new(seen.as_ref().map(|record| record.text("title").to_owned()).unwrap_or_default());
    let before = typed.get_untracked();
    let fault = RwSignal::new(None::<String>);
    let finish = StoredValue::new(move || {
        if trunk.renaming.get_untracked() != Some(key) {
            return true;
        }
        let title = typed.get_untracked().trim().to_owned();
        if title == before {
            trunk.renaming.set(None);
            return true;
        }
        let checked = key.kind.spec().field("title").map(|spec| check::field(spec, &Value::from(title.as_str())));
        if let Some(Err(error)) = checked {
            fault.set(Some(error.says));
            return false;
        }
        match trunk.records.act(vec![Draft::set_seen(key, "title", title, seen.as_deref())]) {
            Ok(()) => {
                trunk.renaming.set(None);
                true
            }
            Err(reasons) => {
                fault.set(Some(in_words(reasons)));
                false
            }
        }
    });
    view! {
        <input
            class="input row-input"
            id=format!("rename-{}", key.id)
            aria-label="Title"
            aria-invalid=move || fault.with(Option::is_some).to_string()
            maxlength=title_chars_max(key.kind)
            prop:value=move || typed.get()
            on:input=move |event| typed.set(event_target_value(&event))
            on:keydown=move |event| match event.key().as_str() {
                "Enter" => {
                    event.prevent_default();
                    if finish.with_value(|finish| finish()) {
                        trunk.go_to(key);
                    }
                }
                "Escape" => {
                    trunk.renaming.set(None);
                    trunk.go_to(key);
                }
                _ => {}
            }
            // Taking the input away takes the focus from it too, when nothing is left to finish.
            on:blur=move |_| { finish.try_with_value(|finish| finish()); }
        />
        <span class="field-error" role="alert">{move || fault.get()}</span>
    }
    .into_any()
}

/// The input for a new record. Enter adds it and offers the next one; Escape ends it.
#[component]
fn Adding(trunk: Trunk, parent: Key, level: u8) -> impl IntoView {
    let Some(kind) = child_kind(parent.kind) else { return ().into_any() };
    let spec = kind.spec();
    let title = RwSignal::new(String::new());
    let fault = RwSignal::new(None::<String>);
    let under = trunk.records.title(parent);
    let add = move || {
        // Nothing is left to add once the input is gone, which takes the focus from it too.
        let words = title.try_get_untracked().unwrap_or_default().trim().to_owned();
        if words.is_empty() {
            return;
        }
        let id = RecordId(Uuid::now_v7());
        let last = trunk.records.peek_children(parent, kind).last().and_then(|key| trunk.records.peek(*key));
        let mut draft = Draft::create(kind, id)
            .with("title", words)
            .with("status", Status::NotStarted)
            .with("rank", rank::between(last.as_ref().map(|record| record.text("rank")), None));
        if let Some(field) = spec.parents.first() {
            draft = draft.with(field.field, parent.id);
        }
        match trunk.records.act(vec![draft]) {
            Ok(()) => {
                title.set(String::new());
                fault.set(None);
            }
            Err(reasons) => fault.set(Some(in_words(reasons))),
        }
    };
    view! {
        <div class="tree-row" role="row" attr:aria-level=level.to_string() data-kind="adding">
            <div class="cell-title" role="gridcell" data-level=level.to_string()>
                <input
                    class="input row-input"
                    id=adding_id(parent)
                    aria-label=move || format!("New {} in {}", spec.label.to_lowercase(), under.get())
                    placeholder=format!("New {}, Enter to add", spec.label.to_lowercase())
                    maxlength=title_chars_max(kind)
                    autocomplete="off"
                    prop:value=move || title.get()
                    on:input=move |event| title.set(event_target_value(&event))
                    on:keydown=move |event| match event.key().as_str() {
                        "Enter" => {
                            event.prevent_default();
                            add();
                        }
                        "Escape" => {
                            trunk.adding.set(None);
                            trunk.go_to(parent);
                        }
                        _ => {}
                    }
                    on:blur=move |_| {
                        // What was typed is added rather than dropped.
                        add();
                        if fault.try_with_untracked(Option::is_none) == Some(true) && trunk.adding.get_untracked() == Some(parent) {
                            trunk.adding.set(None);
                        }
                    }
                />
                <span class="field-error" role="alert">{move || fault.get()}</span>
            </div>
        </div>
    }
    .into_any()
}
