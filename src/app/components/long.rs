//! Lists of any length in the flow of a page. Of a long one only the rows in sight, with some to spare, and the row that has the
//! focus are in the document; gaps as high as the others stand for them. Rows may differ in height, and stand side by side.

use crate::app::dom::{self, Lie};
use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::record::Key;
use leptos::prelude::*;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use uuid::Uuid;

/// A list of at most so many rows is in the document as a whole.
const WHOLE_ROWS_MAX: usize = 120;
/// How many rows of a longer one the server draws, which does not know what will be in sight.
const FIRST_ROWS: usize = 60;
/// How far above and below what is in sight rows are drawn, pixels: as far as a turn of a wheel scrolls before they are.
const SPARE_PX: f64 = 900.0;
/// Rows are drawn by so many, so that scrolling by one does not change the document each time.
const STEP_ROWS: usize = 8;
/// Taken for the height of a row while none was measured, pixels.
const GUESS_PX: f64 = 64.0;
/// What stands for gaps among the ids of rows: one before the row with the focus, one before and one after those in sight. No
/// record has such an id.
const GAPS: [u128; 3] = [u128::MAX - 2, u128::MAX - 1, u128::MAX];

/// Which part of a list is drawn.
#[derive(Debug, Clone, PartialEq)]
struct Sight {
    /// The places of the rows in sight, with those to spare.
    flow: Range<usize>,
    /// The row that has the focus, wherever it is: with it the focus would go. The rows beside it are drawn too, for the Tab key.
    held: Option<u128>,
}

/// What stands in the document: ids of rows and gaps in order, and the heights of the gaps in pixels.
#[derive(Debug, Clone, Default, PartialEq)]
struct Drawn {
    entries: Vec<u128>,
    gaps: Vec<f64>,
}

impl Drawn {
    fn of(ids: &[u128], sight: &Sight, heights: &Heights) -> Self {
        if ids.len() <= WHOLE_ROWS_MAX {
            return Self { entries: ids.to_vec(), gaps: Vec::new() };
        }
        let end = sight.flow.end.min(ids.len());
        let flow = sight.flow.start.min(end)..end;
        let held = sight.held.and_then(|held| ids.iter().position(|id| *id == held));
        let (before, after) = match held {
            Some(held) if held < flow.start => (Some(held.saturating_sub(1)..(held + 2).min(flow.start)), None),
            Some(held) if held >= flow.end => {
                (None, Some(held.saturating_sub(1).max(flow.end)..(held + 2).min(ids.len())))
            }
            _ => (None, None),
        };
        let mut drawn = Self::default();
        let mut next = 0;
        for run in [before, Some(flow), after, Some(ids.len()..ids.len())].into_iter().flatten() {
            let skipped = ids.get(next..run.start).unwrap_or_default();
            if !skipped.is_empty() {
                drawn.entries.extend(GAPS.get(drawn.gaps.len()));
                drawn.gaps.push(skipped.iter().map(|id| heights.of(*id)).sum());
            }
            next = run.end;
            drawn.entries.extend_from_slice(ids.get(run).unwrap_or_default());
        }
        drawn
    }
}

/// A row or a gap, for whoever draws them. Not just its id, as in `live::rows`: the dashboard has the code for that in its own file
/// as long as no other page uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Entry(u128);

/// What was measured, pixels by row.
#[derive(Debug, Default)]
struct Heights {
    known: BTreeMap<u128, f64>,
    sum: f64,
    /// How many rows stand side by side; none before anything was measured.
    columns: usize,
}

impl Heights {
    fn of(&self, id: u128) -> f64 {
        let mean = || if self.known.is_empty() { GUESS_PX } else { self.sum / self.known.len() as f64 };
        self.known.get(&id).copied().unwrap_or_else(mean)
    }

    /// Takes in where the entries lie. Those side by side share the height of their line.
    fn measure(&mut self, entries: &[u128], tops_px: &[f64]) {
        self.columns = 1;
        let mut line = 0..0;
        while let Some(top) = tops_px.get(line.start) {
            line.end = line.start + tops_px.iter().skip(line.start).take_while(|other| *other == top).count();
            let Some(next) = tops_px.get(line.end) else { return };
            let each = (next - top) / line.len() as f64;
            self.columns = self.columns.max(line.len());
            for id in entries.get(line.clone()).unwrap_or_default().iter().filter(|id| !GAPS.contains(id)) {
                self.sum += each - self.known.insert(*id, each).unwrap_or(0.0);
            }
            line.start = line.end;
        }
    }

    /// The places of the rows between these two heights, counted from the top of the list.
    fn between(&self, ids: &[u128], from_px: f64, to_px: f64) -> Range<usize> {
        let step = STEP_ROWS * self.columns.max(1);
        let (mut top_px, mut start, mut end) = (0.0, 0, 0);
        for (place, id) in ids.iter().enumerate() {
            let bottom_px = top_px + self.of(*id);
            if bottom_px <= from_px {
                start = place + 1;
            }
            if top_px < to_px {
                end = place + 1;
            }
            top_px = bottom_px;
        }
        let start = start.min(ids.len());
        start - start % step..end.max(start).next_multiple_of(step)
    }
}

/// One list as its parts work with it.
#[derive(Clone, Copy)]
struct Long {
    id: &'static str,
    ids: Memo<Vec<u128>>,
    sight: RwSignal<Sight>,
    heights: StoredValue<Heights>,
    drawn: Memo<Drawn>,
}

impl Long {
    fn new(id: &'static str, ids: Memo<Vec<u128>>) -> Self {
        let sight = RwSignal::new(Sight { flow: 0..FIRST_ROWS, held: None });
        let heights = StoredValue::new(Heights::default());
        let drawn = Memo::new(move |_| {
            sight.with(|sight| ids.with(|ids| heights.with_value(|heights| Drawn::of(ids, sight, heights))))
        });
        Self { id, ids, sight, heights, drawn }
    }

    /// After something was drawn: measures it, and looks again.
    fn measure(self) {
        let entries = self.drawn.try_with_untracked(|drawn| drawn.entries.clone());
        let Some((entries, lie)) = entries.zip(dom::lie_of(self.id)) else { return };
        // Something else may have been drawn since.
        if entries.len() + 1 == lie.tops_px.len() {
            self.heights.try_update_value(|heights| heights.measure(&entries, &lie.tops_px));
            self.number(&entries);
        }
        self.look_at(&lie, &entries);
    }

    /// After something moved: draws what is in sight now.
    fn look(self) {
        let entries = self.drawn.try_with_untracked(|drawn| drawn.entries.clone());
        if let Some((entries, lie)) = entries.zip(dom::lie_of(self.id)) {
            self.look_at(&lie, &entries);
        }
    }

    fn look_at(self, lie: &Lie, entries: &[u128]) {
        let held = lie.focused.and_then(|nth| entries.get(nth)).filter(|id| !GAPS.contains(id)).copied();
        let (from_px, to_px) = (-lie.top_px - SPARE_PX, lie.window_px - lie.top_px + SPARE_PX);
        let flow = self
            .ids
            .try_with_untracked(|ids| self.heights.try_with_value(|heights| heights.between(ids, from_px, to_px)));
        let Some(flow) = flow.flatten() else { return };
        let now = Sight { flow, held };
        if self.sight.try_with_untracked(|sight| *sight != now).unwrap_or(false) {
            self.sight.try_set(now);
        }
    }

    /// Says to screen readers which of how many each row is, as they count only what is in the document.
    fn number(self, entries: &[u128]) {
        let numbers = self.ids.try_with_untracked(|ids| {
            let place_of: BTreeMap<u128, usize> = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
            let places: Vec<_> = entries.iter().map(|id| place_of.get(id).copied()).collect();
            (places, ids.len())
        });
        if let Some((places, of)) = numbers {
            dom::number_rows(self.id, &places, of);
        }
    }

    fn is_long(self) -> bool {
        self.ids.try_with_untracked(|ids| ids.len() > WHOLE_ROWS_MAX).unwrap_or(false)
    }
}

/// A list of rows by their ids, each a list item. The ids of records, ops and places in the tray all fit. The element has this id,
/// which no other on the page has, this class, and this name for screen readers.
pub fn long_list(
    names: (&'static str, &'static str, &'static str),
    ids: impl Fn() -> Vec<u128> + Send + Sync + 'static,
    row: impl Fn(u128) -> AnyView + Send + Sync + 'static,
) -> AnyView {
    list(names, Memo::new(move |_| ids()), Arc::new(row))
}

/// The same of records of one kind.
pub fn long_records(
    names: (&'static str, &'static str, &'static str),
    kind: Kind,
    keys: impl Fn() -> Vec<Key> + Send + Sync + 'static,
    row: impl Fn(Key) -> AnyView + Send + Sync + 'static,
) -> AnyView {
    let ids = move || keys().into_iter().map(|key| key.id.0.as_u128()).collect();
    long_list(names, ids, move |id| row(Key::new(kind, RecordId(Uuid::from_u128(id)))))
}

fn list(
    (id, class, label): (&'static str, &'static str, &'static str),
    ids: Memo<Vec<u128>>,
    row: Arc<dyn Fn(u128) -> AnyView + Send + Sync>,
) -> AnyView {
    let long = Long::new(id, ids);
    let drawn = long.drawn;
    Effect::new(move |was_long: Option<bool>| {
        drawn.track();
        let is_long = long.is_long();
        if is_long || was_long == Some(true) {
            dom::next_frame(move || long.measure());
        }
        is_long
    });
    dom::when_scrolled(move || {
        if long.is_long() {
            long.look();
        }
    });
    dom::when_resized(move || {
        if long.is_long() {
            // In a narrower window every row may be higher.
            long.heights.try_update_value(|heights| *heights = Heights::default());
            long.measure();
        }
    });
    let gap = move |nth: usize| {
        let style = move || format!("height:{}px", drawn.with(|drawn| drawn.gaps.get(nth).copied().unwrap_or(0.0)));
        view! { <li class="gap" aria-hidden="true" style=style></li> }.into_any()
    };
    let entry = move |Entry(id)| match GAPS.iter().position(|gap| *gap == id) {
        Some(nth) => gap(nth),
        None => row(id),
    };
    let entries = move || drawn.with(|drawn| drawn.entries.iter().copied().map(Entry).collect::<Vec<_>>());
    view! {
        <ul class=class id=id aria-label=label>
            <For each=entries key=|entry| *entry children=entry/>
        </ul>
    }
    .into_any()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIGH_PX: f64 = 50.0;

    fn ids(count: u128) -> Vec<u128> {
        (1..=count).collect()
    }

    fn sight(flow: Range<usize>, held: Option<u128>) -> Sight {
        Sight { flow, held }
    }

    /// Where entries lie of which every row is as high as `high_px` says, so many side by side.
    fn tops(drawn: &Drawn, columns: usize, high_px: impl Fn(u128) -> f64) -> Vec<f64> {
        let (mut tops, mut top, mut gaps, mut in_line) = (Vec::new(), 0.0, drawn.gaps.iter(), 0);
        for (nth, id) in drawn.entries.iter().enumerate() {
            tops.push(top);
            let gap = GAPS.contains(id);
            in_line = if gap { columns } else { in_line + 1 };
            let ends = in_line >= columns || drawn.entries.get(nth + 1).is_none_or(|next| GAPS.contains(next));
            if ends {
                top += if gap { gaps.next().copied().unwrap_or(0.0) } else { high_px(*id) };
                in_line = 0;
            }
        }
        tops.push(top);
        tops
    }

    #[test]
    fn a_short_list_is_whole() {
        let all = ids(WHOLE_ROWS_MAX as u128);
        let drawn = Drawn::of(&all, &sight(0..10, None), &Heights::default());
        assert_eq!(drawn, Drawn { entries: all, gaps: Vec::new() });
    }

    #[test]
    fn gaps_stand_for_what_is_not_drawn_and_the_row_with_the_focus_stays() {
        let all = ids(1_000);
        let drawn = Drawn::of(&all, &sight(400..403, Some(7)), &Heights::default());
        assert_eq!(drawn.entries, [GAPS[0], 6, 7, 8, GAPS[1], 401, 402, 403, GAPS[2]]);
        assert_eq!(drawn.gaps, [5.0 * GUESS_PX, 392.0 * GUESS_PX, 597.0 * GUESS_PX]);
        let drawn = Drawn::of(&all, &sight(0..2, Some(1_000)), &Heights::default());
        assert_eq!(drawn.entries, [1, 2, GAPS[0], 999, 1_000]);
        let drawn = Drawn::of(&all, &sight(2..4, Some(1)), &Heights::default());
        assert_eq!(drawn.entries, [1, 2, 3, 4, GAPS[0]]);
        let drawn = Drawn::of(&all, &sight(996..998, Some(999)), &Heights::default());
        assert_eq!(drawn.entries, [GAPS[0], 997, 998, 999, 1_000]);
        // It is gone, or it is in sight.
        for held in [2_000, 2] {
            let drawn = Drawn::of(&all, &sight(0..2, Some(held)), &Heights::default());
            assert_eq!(drawn.entries, [1, 2, GAPS[0]]);
        }
    }

    #[test]
    fn a_sight_beyond_the_end_draws_the_end() {
        let drawn = Drawn::of(&ids(130), &sight(500..600, None), &Heights::default());
        assert_eq!((drawn.entries, drawn.gaps.len()), (vec![GAPS[0]], 1));
        assert_eq!(Heights::default().between(&ids(130), 1e6, 2e6), 128..136);
    }

    /// Whatever the heights, columns and the window: what is in sight is drawn once it was looked at, and the gaps are as high
    /// as what they stand for.
    #[test]
    fn what_is_in_sight_is_drawn_after_a_few_looks() {
        for columns in 1..=4_usize {
            let all = ids(2_000);
            // Rows of a line are as high as the highest of them.
            let high_px =
                |id: u128| HIGH_PX + f64::from(u32::try_from((id - 1) / columns as u128 % 7).unwrap_or(0)) * 10.0;
            for scrolled_px in [0.0, 900.0, 12_345.0, 35_000.0] {
                let mut heights = Heights::default();
                let mut now = sight(0..FIRST_ROWS, None);
                let mut looks = 0;
                loop {
                    let drawn = Drawn::of(&all, &now, &heights);
                    let tops_px = tops(&drawn, columns, high_px);
                    heights.measure(&drawn.entries, &tops_px);
                    let seen: Vec<_> = drawn
                        .entries
                        .iter()
                        .zip(tops_px.iter().zip(tops_px.iter().skip(1)))
                        .filter(|(_, (top, bottom))| **bottom > scrolled_px && **top < scrolled_px + 800.0)
                        .map(|(id, _)| *id)
                        .collect();
                    let next =
                        sight(heights.between(&all, scrolled_px - SPARE_PX, scrolled_px + 800.0 + SPARE_PX), None);
                    if next == now {
                        assert_eq!(heights.columns, columns);
                        assert!(
                            !seen.is_empty() && seen.iter().all(|id| !GAPS.contains(id)),
                            "{columns}, {scrolled_px}: {seen:?}"
                        );
                        assert!(drawn.entries.len() < 400);
                        break;
                    }
                    now = next;
                    looks += 1;
                    assert!(looks < 10, "{columns} columns at {scrolled_px} do not come to rest");
                }
            }
        }
    }

    #[test]
    fn a_row_measured_again_counts_once() {
        let mut heights = Heights::default();
        heights.measure(&[1, 2], &[0.0, 50.0, 100.0]);
        heights.measure(&[1, 2], &[0.0, 30.0, 60.0]);
        assert_eq!((heights.of(1), heights.of(3), heights.columns), (30.0, 30.0, 1));
    }
}
