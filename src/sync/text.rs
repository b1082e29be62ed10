//! Three-way merge of text: by line, and within lines both sides changed, by word. What both changed differently in the
//! same place is not guessed at.
//!
//! ```text
//! was:    Dig the trench.      Fill it.
//! mine:   Dig the long trench. Fill it.
//! theirs: Dig the trench.      Fill it again.
//! merged: Dig the long trench. Fill it again.
//! ```

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{DiffOp, DiffTag, DiffableStr};
use std::ops::Range;

/// Stands for a line end while words are laid out as lines. It cannot be entered, see `model::check`.
const LINE_END: char = '\u{1}';

/// Combines both sides' changes; `None` if they overlap and a person has to decide. The diff below works within a limit
/// that depends on size alone, and may settle for a longer way round: then it asks more often, and never guesses.
pub fn merge(was: &str, mine: &str, theirs: &str) -> Option<String> {
    by_line(was, mine, theirs, |was, mine, theirs| {
        let words = by_line(&as_lines(was), &as_lines(mine), &as_lines(theirs), |_, _, _| None)?;
        Some(words.replace('\n', "").replace(LINE_END, "\n"))
    })
}

/// What became of a piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stands in both.
    Kept,
    /// It was taken out.
    Removed,
    /// It is new.
    Added,
}

/// The pieces of both texts by word, in order, with what became of them.
pub fn by_word<'text>(before: &'text str, after: &'text str) -> Vec<(Change, &'text str)> {
    let (before, after) = (before.tokenize_words(), after.tokenize_words());
    let mut pieces = Vec::with_capacity(after.len());
    for op in diff(&before, &after) {
        let of = |change, words: &[&'text str]| words.iter().map(|word| (change, *word)).collect::<Vec<_>>();
        if op.tag() == DiffTag::Equal {
            pieces.extend(of(Change::Kept, &after[op.new_range()]));
        } else {
            pieces.extend(of(Change::Removed, &before[op.old_range()]));
            pieces.extend(of(Change::Added, &after[op.new_range()]));
        }
    }
    pieces
}

/// What turns one list into the other. The algorithm is named here, not chosen from five when it runs: a browser would
/// have to fetch them all.
fn diff(before: &[&str], after: &[&str]) -> Vec<DiffOp> {
    let mut found = Compact::new(Replace::new(Capture::new()), before, after);
    let Ok(()) = myers::diff_deadline(&mut found, before, 0..before.len(), after, 0..after.len(), None);
    found.into_inner().into_inner().into_ops()
}

/// Merges by line; where both sides changed the same lines, or lines beside each other, `inside` is asked.
fn by_line(was: &str, mine: &str, theirs: &str, inside: fn(&str, &str, &str) -> Option<String>) -> Option<String> {
    let was = was.tokenize_lines();
    let mut mine = Side::new(&was, mine.tokenize_lines());
    let mut theirs = Side::new(&was, theirs.tokenize_lines());
    let mut merged = String::new();
    let mut written = 0;
    while let Some(start) = mine.next_start().into_iter().chain(theirs.next_start()).min() {
        let from = (mine.at(start), theirs.at(start));
        // An edit that only touches another has no unchanged line between them, so it belongs to the same place.
        let mut end = start;
        let (mut mine_changed, mut theirs_changed) = (false, false);
        loop {
            let took = (mine.take_touching(&mut end), theirs.take_touching(&mut end));
            mine_changed |= took.0;
            theirs_changed |= took.1;
            if took == (false, false) {
                break;
            }
        }
        let my_lines = &mine.lines[from.0..mine.at(end)];
        let their_lines = &theirs.lines[from.1..theirs.at(end)];
        merged.extend(mine.lines[written..from.0].iter().copied());
        if !theirs_changed || my_lines == their_lines {
            merged.extend(my_lines.iter().copied());
        } else if !mine_changed {
            merged.extend(their_lines.iter().copied());
        } else {
            merged += &inside(&was[start..end].concat(), &my_lines.concat(), &their_lines.concat())?;
        }
        written = mine.at(end);
    }
    merged.extend(mine.lines[written..].iter().copied());
    Some(merged)
}

/// One side of a merge: its lines, and its edits that have not been looked at.
struct Side<'text> {
    lines: Vec<&'text str>,
    edits: std::iter::Peekable<std::vec::IntoIter<Edit>>,
    /// Up to where its edits have been looked at: a line of what was, and the line of this side that it corresponds to.
    seen: (usize, usize),
}

/// Lines of what was, and the lines that stand there now.
struct Edit {
    was: Range<usize>,
    is: Range<usize>,
}

impl<'text> Side<'text> {
    fn new(was: &[&str], lines: Vec<&'text str>) -> Self {
        let mut edits: Vec<Edit> = Vec::new();
        for op in diff(was, &lines).into_iter().filter(|op| op.tag() != DiffTag::Equal) {
            match edits.last_mut() {
                Some(last) if last.was.end == op.old_range().start && last.is.end == op.new_range().start => {
                    last.was.end = op.old_range().end;
                    last.is.end = op.new_range().end;
                }
                _ => edits.push(Edit { was: op.old_range(), is: op.new_range() }),
            }
        }
        Self { lines, edits: edits.into_iter().peekable(), seen: (0, 0) }
    }

    /// Where the next edit starts, as a line of what was.
    fn next_start(&mut self) -> Option<usize> {
        self.edits.peek().map(|edit| edit.was.start)
    }

    /// The line of this side for a line of what was, at or after the last edit looked at and not after the next.
    fn at(&self, line: usize) -> usize {
        self.seen.1 + (line - self.seen.0)
    }

    /// Looks at the next edit if it starts at or before this end, which moves behind it; whether there was one.
    fn take_touching(&mut self, end: &mut usize) -> bool {
        let Some(edit) = self.edits.next_if(|edit| edit.was.start <= *end) else { return false };
        *end = (*end).max(edit.was.end);
        self.seen = (edit.was.end, edit.is.end);
        true
    }
}

/// Every word, blank and mark on a line of its own.
fn as_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len() * 2);
    let mut last = Sort::Mark;
    for c in text.chars() {
        let sort = Sort::of(c);
        if !lines.is_empty() && (sort != last || sort == Sort::Mark) {
            lines.push('\n');
        }
        last = sort;
        lines.push(if c == '\n' { LINE_END } else { c });
    }
    if !lines.is_empty() {
        lines.push('\n');
    }
    lines
}

/// What a character is part of.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Sort {
    Word,
    Blank,
    /// Stands alone: a line end, a full stop.
    Mark,
}

impl Sort {
    fn of(c: char) -> Self {
        match c {
            '\n' => Self::Mark,
            c if c.is_alphanumeric() => Self::Word,
            c if c.is_whitespace() => Self::Blank,
            _ => Self::Mark,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlapping_edits_are_not_guessed_at() {
        for (was, mine, theirs) in [
            ("Dig the trench.", "Dig the long trench.", "Dig the deep trench."),
            ("Dig.", "Dig deep.", ""),
            ("", "Mine.", "Theirs."),
            ("a\n", "a\nmine\n", "a\ntheirs\n"),
            ("one two three", "one 2 three", "one zwei three"),
        ] {
            assert_eq!(merge(was, mine, theirs), None, "{was:?} {mine:?} {theirs:?}");
        }
    }

    #[test]
    fn edits_in_different_places_combine() {
        for (was, mine, theirs, merged) in [
            ("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n", "A\nb\nC\n"),
            ("a\nb\nc", "A\nb\nc", "a\nb\nC", "A\nb\nC"),
            ("a\nb\nc\n", "b\nc\n", "a\nb\n", "b\n"),
            ("one two three", "1 two three", "one two 3", "1 two 3"),
            (
                "Dig the trench. Fill it.",
                "Dig the long trench. Fill it.",
                "Dig the trench. Fill it again.",
                "Dig the long trench. Fill it again.",
            ),
            ("first\nlast", "first\nlast\nmine", "First\nlast", "First\nlast\nmine"),
            ("Größe 5 m", "Größe 6 m", "Größe 5 cm", "Größe 6 cm"),
        ] {
            assert_eq!(merge(was, mine, theirs).as_deref(), Some(merged), "{was:?} {mine:?} {theirs:?}");
        }
    }

    #[test]
    fn the_largest_texts_are_merged_too() {
        let was: String = (0..20_000).map(|line| format!("{}\n", line % 7)).collect();
        let mine = format!("mine\n{was}");
        let theirs: String = (0..20_000).map(|line| format!("{}\n", line % 5)).collect();
        assert!(merge(&was, &mine, &format!("{was}theirs\n")).is_some_and(|merged| merged.ends_with("theirs\n")));
        if let Some(merged) = merge(&was, &mine, &theirs) {
            assert!(merged.starts_with("mine\n"));
        }
    }

    #[test]
    fn words_are_kept_removed_and_added() {
        use Change::{Added, Kept, Removed};
        let pieces = by_word("Dig the trench.", "Dig a trench.");
        let expected = [(Kept, "Dig"), (Kept, " "), (Removed, "the"), (Added, "a"), (Kept, " "), (Kept, "trench.")];
        assert_eq!(pieces, expected);
    }

    /// The merge that the library has, which a browser would pay for with five algorithms it never uses.
    fn by_library(was: &str, mine: &str, theirs: &str) -> Option<String> {
        let merge = similar::TextMerge::from_lines(was, mine, theirs);
        (!merge.is_conflicted()).then(|| merge.to_string())
    }

    proptest! {
        #[test]
        fn lines_merge_as_the_library_merges_them(
            was in "([abcd]{0,2}\n){0,12}",
            mine in "([abcd]{0,2}\n){0,12}",
            theirs in "([abcd]{0,2}\r?\n){0,12}[ab]{0,1}",
        ) {
            prop_assert_eq!(by_line(&was, &mine, &theirs, |_, _, _| None), by_library(&was, &mine, &theirs));
        }

        #[test]
        fn few_edits_merge_as_the_library_merges_them(
            was in prop::collection::vec("[ab]", 1..30),
            mine in prop::collection::vec((0usize..30, prop::option::of("[abx]")), 0..4),
            theirs in prop::collection::vec((0usize..30, prop::option::of("[aby]")), 0..4),
        ) {
            let edited = |edits: &[(usize, Option<String>)]| {
                let mut lines = was.clone();
                for (place, line) in edits {
                    let place = place % (lines.len() + 1);
                    match line {
                        Some(line) => lines.insert(place, line.clone()),
                        None if place < lines.len() => drop(lines.remove(place)),
                        None => {}
                    }
                }
                lines.iter().map(|line| format!("{line}\n")).collect::<String>()
            };
            let (was, mine, theirs) = (edited(&[]), edited(&mine), edited(&theirs));
            prop_assert_eq!(by_line(&was, &mine, &theirs, |_, _, _| None), by_library(&was, &mine, &theirs));
        }

        #[test]
        fn a_side_that_changed_nothing_gives_way(was in "[ab \n]{0,30}", other in "[abc \n]{0,30}") {
            prop_assert_eq!(merge(&was, &other, &was), Some(other.clone()));
            prop_assert_eq!(merge(&was, &was, &other), Some(other.clone()));
            prop_assert_eq!(merge(&was, &other, &other), Some(other));
        }

        #[test]
        fn the_sides_may_be_exchanged(was in "[ab \n]{0,30}", mine in "[abc \n]{0,30}", theirs in "[abd \n]{0,30}") {
            prop_assert_eq!(merge(&was, &mine, &theirs), merge(&was, &theirs, &mine));
        }
    }
}
