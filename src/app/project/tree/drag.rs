//! Dragging a row of the tree: where it would land is decided from the lines alone, and letting it go is one op. Whoever does
//! not use a pointer has the same by button and key.

use super::{Line, ROW_PX, TREE_ID, Trunk, child_kind, pixels};
use crate::app::dom::{self, Over};
use crate::app::order::{self, Beside};
use crate::app::records::title_of;
use crate::model::catalog::Kind;
use crate::model::record::Key;
use leptos::prelude::*;

/// How near the upper or lower edge the tree begins to scroll, pixels: a row and a little.
const EDGE_PX: i32 = 48;
/// How far it scrolls each time the browser says that something is held there, pixels: slow enough to follow.
const SCROLL_PX: i32 = 24;

/// Where something dragged would land.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Landing {
    /// Under what.
    parent: Key,
    /// Beside what there.
    beside: Beside,
    mark: Mark,
}

/// How that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// A line above this row, as far in as rows of this level stand.
    Above(usize, u8),
    /// A frame around this row.
    Around(usize),
}

/// Which half of a row the pointer is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Upper,
    Lower,
}

/// What is dragged, and where it would land.
#[derive(Clone, Copy)]
pub(super) struct Drag {
    dragged: RwSignal<Option<Key>>,
    landing: RwSignal<Option<Landing>>,
}

impl Drag {
    pub(super) fn new() -> Self {
        Self { dragged: RwSignal::new(None), landing: RwSignal::new(None) }
    }

    /// Whether this row is the one that is dragged.
    pub(super) fn holds(self, key: Key) -> bool {
        self.dragged.with(|dragged| *dragged == Some(key))
    }

    /// Nothing is dragged any more.
    pub(super) fn end(self) {
        if self.dragged.with_untracked(Option::is_some) {
            self.dragged.set(None);
            self.landing.set(None);
        }
    }

    /// Nothing lands outside the tree.
    pub(super) fn leave(self) {
        self.landing.set(None);
    }
}

impl Trunk {
    /// A row is taken up.
    pub(super) fn take_up(self, key: Key, event: &leptos::ev::DragEvent) {
        let Some(record) = self.records.peek(key).filter(|_| !self.locked.get_untracked()) else { return };
        dom::begin_drag(event, &title_of(&record));
        self.drag.dragged.set(Some(key));
    }

    /// What is dragged is held over the tree: shows where it would land, and scrolls near an edge.
    pub(super) fn hold_over(self, event: &leptos::ev::DragEvent) {
        let (Some(dragged), Some(over)) = (self.drag.dragged.get_untracked(), dom::over(event)) else { return };
        let way = match over {
            Over { y_px, .. } if y_px < EDGE_PX => -1,
            Over { y_px, height_px, .. } if y_px > height_px - EDGE_PX => 1,
            _ => 0,
        };
        if way != 0 {
            dom::scroll_to(TREE_ID, over.scrolled_px + way * SCROLL_PX);
        }
        let y_px = over.y_px + over.scrolled_px;
        let half = if y_px % ROW_PX < ROW_PX / 2 { Half::Upper } else { Half::Lower };
        let row = usize::try_from(y_px / ROW_PX).unwrap_or(0);
        let found = self.lines.with_untracked(|lines| landing(lines, self.project, dragged, row, half));
        if found.is_some() {
            dom::may_drop(event);
        }
        if self.drag.landing.get_untracked() != found {
            self.drag.landing.set(found);
        }
    }

    /// What is dragged is let go.
    pub(super) fn let_go(self, event: &leptos::ev::DragEvent) {
        event.prevent_default();
        let (dragged, landing) = (self.drag.dragged.get_untracked(), self.drag.landing.get_untracked());
        self.drag.end();
        let (Some(key), Some(Landing { parent, beside, .. })) = (dragged, landing) else { return };
        if let Some(moved) = order::put(self.records, key, parent, beside) {
            self.carry_out(key, moved);
        }
    }
}

/// How deep rows of this kind stand.
fn level_of(kind: Kind) -> Option<u8> {
    match kind {
        Kind::Phase => Some(1),
        Kind::Step => Some(2),
        Kind::Task => Some(3),
        _ => None,
    }
}

/// Where a dragged row would land when the pointer is over this half of this row. Over a row of its own kind it goes before or
/// after that; over what may hold it, into that, at the end; over something further in, after what of its own kind that is in.
fn landing(lines: &[Line], project: Key, dragged: Key, row: usize, half: Half) -> Option<Landing> {
    let level = level_of(dragged.kind)?;
    let (row, half) = match lines.len().checked_sub(1)? {
        last if row > last => (last, Half::Lower),
        _ => (row, half),
    };
    let at = |place: usize| match *lines.get(place)? {
        Line::Row { key, level } => Some((key, level)),
        Line::Adding { .. } => None,
    };
    // The nearest row above that stands this far in.
    let above =
        |place: usize, wanted: u8| (0..=place).rev().find_map(|place| at(place).filter(|(_, at)| *at == wanted));
    let end_of = |place: usize| {
        (place + 1..lines.len()).find(|place| at(*place).is_some_and(|(_, at)| at <= level)).unwrap_or(lines.len())
    };
    let parent_at = |place: usize| match level {
        1 => Some(project),
        _ => above(place, level - 1).map(|(key, _)| key),
    };
    let (hovered, depth) = at(row)?;
    if child_kind(hovered.kind) == Some(dragged.kind) {
        return Some(Landing { parent: hovered, beside: Beside::Last, mark: Mark::Around(row) });
    }
    if depth < level {
        return None;
    }
    let (sibling, _) = above(row, level)?;
    if sibling == dragged {
        return None;
    }
    let parent = parent_at(row)?;
    let (beside, mark) = match half {
        Half::Upper if sibling == hovered => (Beside::Before(sibling), Mark::Above(row, level)),
        _ => (Beside::After(sibling), Mark::Above(end_of(row), level)),
    };
    Some(Landing { parent, beside, mark })
}

/// Where what is dragged would land, drawn over the rows.
#[component]
pub(super) fn DropMark(trunk: Trunk) -> impl IntoView {
    let landing = trunk.drag.landing;
    move || {
        let Landing { mark, .. } = landing.get()?;
        let (how, row, level) = match mark {
            Mark::Above(row, level) => ("above", row, level),
            Mark::Around(row) => ("around", row, 1),
        };
        let top = format!("top:{}px", pixels(row));
        Some(view! {
            <div class="drop-mark" aria-hidden="true" data-how=how data-level=level.to_string() style=top></div>
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::RecordId;
    use uuid::Uuid;

    fn key(kind: Kind, number: u128) -> Key {
        Key::new(kind, RecordId(Uuid::from_u128(number)))
    }

    /// Two phases; the first has a step with two tasks and one that is folded.
    fn lines() -> Vec<Line> {
        let row = |kind, number, level| Line::Row { key: key(kind, number), level };
        vec![
            row(Kind::Phase, 1, 1),
            row(Kind::Step, 11, 2),
            row(Kind::Task, 111, 3),
            row(Kind::Task, 112, 3),
            row(Kind::Step, 12, 2),
            row(Kind::Phase, 2, 1),
        ]
    }

    #[test]
    fn a_row_lands_beside_its_kind_into_its_parents_kind_and_nowhere_else() {
        use Beside::{After, Before, Last};
        use Half::{Lower, Upper};
        let project = key(Kind::Project, 9);
        let (phase, other_phase) = (key(Kind::Phase, 1), key(Kind::Phase, 2));
        let (step, other_step) = (key(Kind::Step, 11), key(Kind::Step, 12));
        let (task, other_task) = (key(Kind::Task, 111), key(Kind::Task, 112));
        for (dragged, row, half, lands) in [
            (other_task, 2, Upper, Some((step, Before(task), Mark::Above(2, 3)))),
            (other_task, 2, Lower, Some((step, After(task), Mark::Above(3, 3)))),
            (task, 4, Upper, Some((other_step, Last, Mark::Around(4)))),
            (task, 2, Upper, None),
            // A phase holds steps, not tasks.
            (task, 0, Lower, None),
            (task, 5, Upper, None),
            (step, 5, Upper, Some((other_phase, Last, Mark::Around(5)))),
            // Over a task of another step, a step goes after that step.
            (other_step, 3, Upper, Some((phase, After(step), Mark::Above(4, 2)))),
            (step, 3, Upper, None),
            (other_phase, 0, Upper, Some((project, Before(phase), Mark::Above(0, 1)))),
            (other_phase, 2, Upper, Some((project, After(phase), Mark::Above(5, 1)))),
            (phase, 99, Upper, Some((project, After(other_phase), Mark::Above(6, 1)))),
        ] {
            let found = landing(&lines(), project, dragged, row, half);
            let wanted = lands.map(|(parent, beside, mark)| Landing { parent, beside, mark });
            assert_eq!(found, wanted, "{dragged:?} over row {row}");
        }
        assert_eq!(landing(&[], project, task, 0, Upper), None);
    }
}
