//! Three-way merge of text: by line, and within lines both sides changed, by word. What both changed differently in the
//! same place is not guessed at.
//!
//! ```text
//! was:    Dig the trench.      Fill it.
//! mine:   Dig the long trench. Fill it.
//! theirs: Dig the trench.      Fill it again.
//! merged: Dig the long trench. Fill it again.
//! ```

use similar::{MergeResolution, TextMerge};

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

/// Merges by line; where both sides changed the same lines, `inside` is asked.
fn by_line(was: &str, mine: &str, theirs: &str, inside: fn(&str, &str, &str) -> Option<String>) -> Option<String> {
    let merge = TextMerge::from_lines(was, mine, theirs);
    let base = |range: std::ops::Range<usize>| -> String { range.filter_map(|line| merge.base_line(line)).collect() };
    let ours = |range: std::ops::Range<usize>| -> String { range.filter_map(|line| merge.ours_line(line)).collect() };
    let others =
        |range: std::ops::Range<usize>| -> String { range.filter_map(|line| merge.theirs_line(line)).collect() };
    let mut merged = String::with_capacity(mine.len().max(theirs.len()));
    for region in merge.regions() {
        match region.resolution() {
            MergeResolution::Unchanged | MergeResolution::Ours | MergeResolution::Both => {
                merged += &ours(region.ours_range())
            }
            MergeResolution::Theirs => merged += &others(region.theirs_range()),
            _ => {
                merged +=
                    &inside(&base(region.base_range()), &ours(region.ours_range()), &others(region.theirs_range()))?
            }
        }
    }
    Some(merged)
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

    proptest! {
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
