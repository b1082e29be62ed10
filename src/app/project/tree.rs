//! The tree of a project: phases, steps and tasks as a virtual list, of which only the rows in sight and the active one are in
//! the document, whatever the number of tasks. It is a tree grid for the keyboard and for screen readers: arrow keys move and fold,
//! Enter renames, Space ticks off, Insert adds below, Alt with the arrows moves a row, Delete deletes it. With a pointer a row is
//! dragged.

mod drag;

use crate::app::components::absent::NoneHere;
use crate::app::components::editors::{in_words, with_typed};
use crate::app::components::marks::{PriorityMark, Progress, RecordMark, shape};
use crate::app::components::people::Avatars;
use crate::app::dom;
use crate::app::format;
use crate::app::frame::Empty;
use crate::app::order::{self, Move, Way};
use crate::app::project::LookOnly;
use crate::app::records::{Draft, Records, Waiting, title_of, use_records};
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
use leptos_router::hooks::use_location;
use std::collections::BTreeSet;
use std::ops::Range;
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
/// The button that a tree with nothing in it begins with.
const ADD_PHASE_ID: &str = "add-phase";

/// What an empty tree says to whoever may only look, and to whoever may begin.
const EMPTY: &str = "Nothing here yet. A project is phases, their steps, and the tasks that make them up.";
const EMPTY_TO_FILL: &str =
    "Nothing here yet. A project is phases, their steps, and the tasks that make them up; add the first phase above.";
/// The keys of the tree for everybody, and for whoever may change it.
const KEYS: &str = "Arrow keys move and fold, Home, End, Page Up and Page Down jump.";
const KEYS_TO_CHANGE: &str = " Enter renames, Space marks a task done, Insert adds below, Alt+Up and Alt+Down move a row, \
    Delete deletes it, Ctrl+Z or Cmd+Z takes back the last of what can be undone, again and again. With a mouse a row can be \
    dragged, also under another parent; Escape lets it stay.";

/// One line of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    /// A record.
    Row { key: Key, level: u8 },
    /// The input for a new record under its parent.
    Adding { parent: Key, level: u8 },
}

impl Line {
    /// The record of a row.
    fn row(self) -> Option<Key> {
        match self {
            Self::Row { key, .. } => Some(key),
            Self::Adding { .. } => None,
        }
    }

    /// The record of a row, and how far in it stands.
    fn placed(&self) -> Option<(Key, u8)> {
        match *self {
            Self::Row { key, level } => Some((key, level)),
            Self::Adding { .. } => None,
        }
    }
}

/// The records of these lines.
fn rows(lines: &[Line]) -> impl DoubleEndedIterator<Item = Key> {
    lines.iter().copied().filter_map(Line::row)
}

/// Which row follows another as the active one: itself as long as it has a line, then the next of its siblings that still has
/// one, or the last before it, then what they stood under, which is also what it was folded into.
fn heir(before: &[Line], now: &[Line], active: Key) -> Option<Key> {
    if rows(now).any(|key| key == active) {
        return Some(active);
    }
    let there: BTreeSet<Key> = rows(now).collect();
    let place = before.iter().position(|line| line.row() == Some(active))?;
    let (above, below) = before.split_at(place);
    let (_, level) = below.first().and_then(Line::placed)?;
    let inside = |(_, at): &(Key, u8)| *at >= level;
    let sibling = |(key, at): &(Key, u8)| *at == level && there.contains(key);
    let next = below.iter().filter_map(Line::placed).take_while(inside).find(sibling);
    let mut upwards = above.iter().rev().filter_map(Line::placed);
    match next.or_else(|| upwards.clone().take_while(inside).find(sibling)) {
        Some((key, _)) => Some(key),
        None => heir(before, now, upwards.find(|above| !inside(above))?.0),
    }
}

/// What of the tree is in the document.
#[derive(Debug, Clone, PartialEq)]
struct Drawn {
    /// The places in sight, with some to spare.
    flow: Range<usize>,
    /// The lines there and, wherever they are, the active row and the input for a new record, with which the focus would go.
    /// Each with its place, in order.
    lines: Vec<(usize, Line)>,
}

impl Drawn {
    fn place_of(&self, line: Line) -> Option<usize> {
        self.lines.iter().find(|(_, at)| *at == line).map(|(place, _)| *place)
    }

    /// How a line is put in its place that does not stand there between its neighbours.
    fn apart(&self, line: Line) -> Option<String> {
        let place = self.place_of(line).filter(|place| !self.flow.contains(place))?;
        Some(format!("position:absolute;inset-inline:0;top:{}px", pixels(place)))
    }

    /// The row that takes part in the tab order: the active one, or else the first.
    fn tab_stop(&self, active: Option<Key>) -> Option<Key> {
        let mut rows = self.lines.iter().filter_map(|(_, line)| line.row());
        let first = rows.next();
        if first == active { first } else { rows.find(|key| Some(*key) == active).or(first) }
    }
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
    fn new(project: Key, opened: Option<Key>) -> Self {
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
            active: RwSignal::new(opened),
            lines,
            top_px: RwSignal::new(0),
            height_px: RwSignal::new(FIRST_HEIGHT_PX),
            drag: Drag::new(),
        }
    }

    fn drawn(self) -> Drawn {
        let (top, bottom) = (self.top_px.get(), self.top_px.get() + self.height_px.get());
        let active = self.active.get();
        let row = |px: i32| usize::try_from(px / ROW_PX).unwrap_or(0);
        let stays = |line: Line| line.row().is_none_or(|key| Some(key) == active);
        self.lines.with(|lines| {
            let first = row(top).saturating_sub(SPARE_ROWS).min(lines.len());
            let last = (row(bottom) + 1 + SPARE_ROWS).min(lines.len());
            let flow = first..last.max(first);
            let all = lines.iter().copied().enumerate();
            let lines = all.filter(|(place, line)| flow.contains(place) || stays(*line)).collect();
            Drawn { flow, lines }
        })
    }

    fn place_of(self, key: Key) -> Option<usize> {
        self.lines.with_untracked(|lines| lines.iter().position(|line| line.row() == Some(key)))
    }

    /// Scrolls so that the line at this place is in sight.
    fn scroll_to(self, place: usize) {
        let above = pixels(place);
        // A tree that was empty until now has not been measured yet.
        let (top, height) = (self.top_px.get_untracked(), self.height_px.get_untracked().max(ROW_PX));
        if above < top || above + ROW_PX > top + height {
            let wanted = if above < top { above } else { above + ROW_PX - height };
            self.top_px.set(wanted);
            dom::scroll_to(TREE_ID, wanted);
        }
    }

    /// Makes a row the active one, in sight and focused.
    fn go_to(self, key: Key) {
        let Some(place) = self.place_of(key) else { return };
        self.active.set(Some(key));
        self.scroll_to(place);
        dom::focus(row_id(key));
    }

    /// Goes to the row so many rows further down, or up, stopping at the ends.
    fn step(self, from: Key, by: isize) {
        let next = self.lines.with_untracked(|lines| {
            let at = rows(lines).position(|key| key == from)?;
            let last = rows(lines).count().saturating_sub(1);
            rows(lines).nth(at.saturating_add_signed(by).min(last))
        });
        if let Some(next) = next {
            self.go_to(next);
        }
    }

    /// How many rows further a page is: one of those in sight stays there.
    fn page_rows(self) -> isize {
        isize::try_from(self.height_px.get_untracked() / ROW_PX - 1).unwrap_or(1).max(1)
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
        self.show_adding();
        dom::focus(adding_id(parent));
    }

    /// Scrolls to the input for a new record: it stands below everything that its parent holds.
    fn show_adding(self) {
        let place = self.lines.try_with_untracked(|lines| lines.iter().position(|line| line.row().is_none()));
        if let Some(place) = place.flatten() {
            self.scroll_to(place);
        }
    }

    fn rename(self, key: Key) {
        if let Some(place) = self.place_of(key).filter(|_| !self.locked.get_untracked()) {
            self.scroll_to(place);
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
            self.carry_out(key, moved);
        }
    }

    /// Moves a row and goes with it, and says where it is now and how to take that back.
    fn carry_out(self, key: Key, moved: Move) {
        let parent = |key: Key| self.records.peek(key).and_then(|record| record.parent());
        let title = |key: Key| self.records.peek(key).map(|record| title_of(&record)).unwrap_or_default();
        let from = parent(key);
        if let Err(reasons) = self.records.act(moved.there) {
            self.records.tell(in_words(reasons), None);
            return;
        }
        let Some(to) = parent(key) else { return };
        let place = if Some(to) == from {
            let siblings = self.records.peek_children(to, key.kind);
            let above = siblings.iter().take_while(|sibling| **sibling != key).count();
            format!("place {} of {}", above + 1, siblings.len())
        } else {
            format!("“{}”", title(to))
        };
        self.records.tell(format!("Moved “{}” to {place}.", title(key)), Some(moved.back));
        self.unfold(to);
        self.go_to(key);
    }

    /// Deletes a row with everything under it, and says how to take that back.
    fn delete(self, key: Key) {
        let Some(record) = self.records.peek(key).filter(|_| !self.locked.get_untracked()) else { return };
        let before = self.lines.get_untracked();
        let says = match child_kind(key.kind) {
            Some(_) => format!("Deleted “{}” and everything in it.", title_of(&record)),
            None => format!("Deleted “{}”.", title_of(&record)),
        };
        match self.records.act(vec![Draft::Delete { key }]) {
            Ok(()) => {
                self.records.tell(says, Some(vec![Draft::Restore { key }]));
                match self.lines.with_untracked(|now| heir(&before, now, key)) {
                    Some(next) => self.go_to(next),
                    None => dom::focus(ADD_PHASE_ID.to_owned()),
                }
            }
            Err(reasons) => self.records.tell(in_words(reasons), None),
        }
    }

    fn set_status(self, key: Key, status: Status) {
        if self.locked.get_untracked() {
            return;
        }
        self.records.act_or_tell(vec![Draft::set(key, "status", status)]);
    }
}

fn pixels(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX / ROW_PX).saturating_mul(ROW_PX)
}

fn row_id(key: Key) -> String {
    format!("row-{}", key.id)
}

/// The record of the panel that is open at an address.
fn opened_at(path: &str) -> Option<Key> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).skip(2);
    Some(Key::new(Kind::from_name(parts.next()?)?, parts.next()?.parse().ok()?))
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
    let path = use_location().pathname;
    let opened = Memo::new(move |_| path.with(|path| opened_at(path)));
    let trunk = Trunk::new(project, opened.get_untracked());
    let drawn = Memo::new(move |_| trunk.drawn());
    let tab_stop = Memo::new(move |_| drawn.with(|drawn| drawn.tab_stop(trunk.active.get())));
    let empty = Memo::new(move |_| trunk.lines.with(|lines| lines.is_empty()));
    let arrived = trunk.records.complete(Scope::Project(project.id));
    let waiting = trunk.records.waiting(project);
    // Of a project that was made here nothing is on its way, and nothing else will be once the server has it.
    let complete = Memo::new(move |before: Option<&bool>| {
        before.copied().unwrap_or_default() || arrived.get() || waiting.with(|waiting| *waiting == Waiting::Whole)
    });
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
    // The row of a panel that opens becomes the active one as soon as it is here, whichever way somebody came to it.
    Effect::new(move |marked: Option<Option<Key>>| {
        let now = opened.get();
        if marked.flatten() == now {
            return now;
        }
        trunk.lines.track();
        let place = now.and_then(|key| trunk.place_of(key))?;
        trunk.active.set(now);
        // Where the panel takes the tree's place there is nothing to scroll.
        if trunk.height_px.get_untracked() > 0 {
            trunk.scroll_to(place);
        }
        now
    });
    // The active row may be folded away, or somebody else may delete it.
    Effect::new(move |before: Option<Arc<Vec<Line>>>| {
        let now = trunk.lines.get();
        if let (Some(before), Some(active)) = (before, trunk.active.get_untracked()) {
            let next = heir(&before, &now, active);
            if next != Some(active) {
                trunk.active.set(next);
            }
        }
        now
    });
    let above = move || format!("height:{}px", pixels(drawn.with(|drawn| drawn.flow.start)));
    let below = move || {
        let all = trunk.lines.with(|lines| lines.len());
        format!("height:{}px", pixels(all.saturating_sub(drawn.with(|drawn| drawn.flow.end))))
    };
    let lines = move || {
        // Drawing them may take away or move the row that has the focus.
        dom::hold_focus(TREE_ID, "[role=row][tabindex='0']");
        drawn.with(|drawn| drawn.lines.iter().map(|(_, line)| *line).collect::<Vec<_>>())
    };
    view! {
        <Toolbar trunk/>
        <LookOnly locked=trunk.locked/>
        <Show when=move || empty.get()>
            <NoneHere known=complete>
                {move || {
                    let says = if trunk.locked.get() { EMPTY } else { EMPTY_TO_FILL };
                    view! { <Empty says/> }
                }}
            </NoneHere>
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
            <For each=lines key=|line| *line let(line)>
                {match line {
                    Line::Row { key, level } => view! { <Row trunk key level drawn tab_stop/> }.into_any(),
                    Line::Adding { parent, level } => view! { <Adding trunk parent level drawn/> }.into_any(),
                }}
            </For>
            <div role="presentation" style=below></div>
            <DropMark trunk/>
        </div>
        <details class="quiet-text keys">
            <summary>"Keys in this list"</summary>
            <p>{KEYS} {move || (!trunk.locked.get()).then_some(KEYS_TO_CHANGE)}</p>
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
        trunk
            .lines
            .with_untracked(|lines| rows(lines).filter(|key| child_kind(key.kind).is_some()).collect::<BTreeSet<_>>())
    };
    view! {
        <div class="toolbar" role="group" aria-label="Tree">
            <Show when=move || !trunk.locked.get()>
                <button type="button" class="button primary" id=ADD_PHASE_ID on:click=move |_| trunk.add_under(trunk.project)>"Add phase"</button>
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
fn Row(trunk: Trunk, key: Key, level: u8, drawn: Memo<Drawn>, tab_stop: Memo<Option<Key>>) -> impl IntoView {
    let line = Line::Row { key, level };
    let records = trunk.records;
    let record = records.get(key);
    let title = records.title(key);
    let children = child_kind(key.kind);
    let open = Memo::new(move |_| trunk.closed.with(|closed| !closed.contains(&key)));
    let active = Memo::new(move |_| trunk.active.get() == Some(key));
    let renaming = Memo::new(move |_| trunk.renaming.get() == Some(key));
    let in_tab_order = Memo::new(move |_| tab_stop.get() == Some(key));
    let tab = move || if in_tab_order.get() { "0" } else { "-1" };
    let nth = move || drawn.with(|drawn| drawn.place_of(line).map(|place| (place + 1).to_string()));
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        if !dom::is_own(&event) {
            return;
        }
        match event.key().as_str() {
            "ArrowDown" if event.alt_key() => trunk.shift(key, Way::On),
            "ArrowUp" if event.alt_key() => trunk.shift(key, Way::Back),
            "ArrowDown" => trunk.step(key, 1),
            "ArrowUp" => trunk.step(key, -1),
            "PageDown" => trunk.step(key, trunk.page_rows()),
            "PageUp" => trunk.step(key, -trunk.page_rows()),
            "Home" => trunk.step(key, isize::MIN),
            "End" => trunk.step(key, isize::MAX),
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
            style=move || drawn.with(|drawn| drawn.apart(line))
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
                            title=format!("Add {}", kind.spec().label.to_ascii_lowercase())
                            aria-label=move || format!("Add {} to {}", kind.spec().label.to_ascii_lowercase(), title.get())
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
        if trunk.renaming.try_get_untracked() != Some(Some(key)) {
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
        match trunk.records.act(vec![Draft::set_seen(key, "title", title.as_str(), seen.as_deref())]) {
            Ok(()) => {
                trunk.renaming.set(None);
                true
            }
            // Somebody else deleted the row, and the input goes with it.
            Err(reasons) if trunk.records.peek(key).is_none() => {
                trunk.renaming.set(None);
                trunk.records.tell(with_typed(&in_words(reasons), &title), None);
                true
            }
            Err(reasons) => {
                fault.set(Some(in_words(reasons)));
                false
            }
        }
    });
    // What was typed is kept when the whole tree goes, too.
    on_cleanup(move || {
        finish.try_with_value(|finish| finish());
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
fn Adding(trunk: Trunk, parent: Key, level: u8, drawn: Memo<Drawn>) -> impl IntoView {
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
    // What was typed is added rather than dropped, also when the whole tree goes.
    on_cleanup(add);
    view! {
        <div
            class="tree-row"
            role="row"
            style=move || drawn.with(|drawn| drawn.apart(Line::Adding { parent, level }))
            attr:aria-level=level.to_string()
            data-kind="adding"
        >
            <div class="cell-title" role="gridcell" data-level=level.to_string()>
                <input
                    class="input row-input"
                    id=adding_id(parent)
                    aria-label=move || format!("New {} in {}", spec.label.to_ascii_lowercase(), under.get())
                    placeholder=format!("New {}, Enter to add", spec.label.to_ascii_lowercase())
                    maxlength=title_chars_max(kind)
                    autocomplete="off"
                    prop:value=move || title.get()
                    on:input=move |event| title.set(event_target_value(&event))
                    on:keydown=move |event| match event.key().as_str() {
                        "Enter" => {
                            event.prevent_default();
                            add();
                            // It stands one line further down as soon as that is drawn.
                            dom::later(0, move || trunk.show_adding());
                        }
                        "Escape" => {
                            // Or it would be added when the input is taken away.
                            title.set(String::new());
                            trunk.adding.set(None);
                            trunk.go_to(parent);
                        }
                        _ => {}
                    }
                    on:blur=move |_| {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kind: Kind, number: u128) -> Key {
        Key::new(kind, RecordId(Uuid::from_u128(number)))
    }

    fn row(kind: Kind, number: u128, level: u8) -> Line {
        Line::Row { key: key(kind, number), level }
    }

    /// Two phases; the first has a step with two tasks.
    fn lines() -> Vec<Line> {
        vec![
            row(Kind::Phase, 1, 1),
            row(Kind::Step, 11, 2),
            row(Kind::Task, 111, 3),
            row(Kind::Task, 112, 3),
            row(Kind::Phase, 2, 1),
        ]
    }

    #[test]
    fn an_active_row_that_goes_hands_over_to_a_sibling_or_to_what_it_stood_under() {
        let all = lines();
        let without = |gone: &[usize]| {
            let kept = all.iter().enumerate().filter(|(place, _)| !gone.contains(place));
            kept.map(|(_, line)| *line).collect::<Vec<_>>()
        };
        let (phase, step, task) = (key(Kind::Phase, 1), key(Kind::Step, 11), key(Kind::Task, 111));
        let (other_task, other_phase) = (key(Kind::Task, 112), key(Kind::Phase, 2));
        for (active, gone, next) in [
            (task, &[3][..], Some(task)),
            (task, &[2][..], Some(other_task)),
            (other_task, &[3][..], Some(task)),
            (other_task, &[2, 3][..], Some(step)),
            (other_task, &[1, 2, 3][..], Some(phase)),
            (step, &[1, 2, 3][..], Some(phase)),
            (other_task, &[0, 1, 2, 3][..], Some(other_phase)),
            (other_phase, &[4][..], Some(phase)),
            (phase, &[0, 1, 2, 3][..], Some(other_phase)),
            (phase, &[0, 1, 2, 3, 4][..], None),
        ] {
            assert_eq!(heir(&all, &without(gone), active), next, "{active:?} without {gone:?}");
        }
        assert_eq!(heir(&[], &all, key(Kind::Task, 9)), None);
    }

    #[test]
    fn exactly_one_drawn_row_takes_part_in_the_tab_order_wherever_it_stands() {
        let all = lines();
        let adding = Line::Adding { parent: key(Kind::Phase, 2), level: 2 };
        let active = key(Kind::Phase, 1);
        let drawn = Drawn { flow: 2..4, lines: vec![(0, all[0]), (2, all[2]), (3, all[3]), (7, adding)] };
        assert_eq!(drawn.tab_stop(Some(active)), Some(active));
        assert_eq!(drawn.tab_stop(Some(key(Kind::Task, 112))), Some(key(Kind::Task, 112)));
        assert_eq!(drawn.tab_stop(Some(key(Kind::Task, 9))), Some(active));
        assert_eq!(drawn.tab_stop(None), Some(active));
        assert_eq!(drawn.apart(all[2]), None);
        assert_eq!(drawn.apart(all[0]).as_deref(), Some("position:absolute;inset-inline:0;top:0px"));
        assert_eq!(drawn.apart(adding).as_deref(), Some("position:absolute;inset-inline:0;top:280px"));
        let only_adding = Drawn { flow: 0..1, lines: vec![(0, adding)] };
        assert_eq!(only_adding.tab_stop(None), None);
    }
}
