//! Manual order as text that sorts: between any two ranks there is another, so moving one thing changes one field.
//!
//! A rank is a fraction written in base 62 whose digits sort as ASCII does. The first digits leave room: something put at
//! either end takes a stride there instead of halving what is left, so a list that only grows at its ends keeps ranks of
//! six characters for a hundred thousand entries. (The published crates lengthen a rank with every few entries at an end
//! and refuse ranks they did not make; a rank here may come from anybody.)
//!
//! **When room runs out.** Putting hundreds of things into the very same gap lengthens ranks up to `RANK_CHARS_MAX`. At
//! that length neighbours may share a rank and stand in order of their ids. A move that would need a rank longer than
//! `CROWDED_CHARS` gives those around it new ones, `between_many`.

/// The longest rank.
pub const RANK_CHARS_MAX: usize = 64;
/// Above this length those around are due for new ranks.
pub const CROWDED_CHARS: usize = 32;

/// The digits, in the order in which text sorts.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// How many digits leave room at the ends.
const ROOM_DIGITS: usize = 6;
/// How many ranks the first `ROOM_DIGITS` digits tell apart.
const ROOM: u64 = 62u64.pow(ROOM_DIGITS as u32);
/// How far from its neighbour something at an end is put.
const STRIDE: u64 = 62u64.pow(3);

/// Whether this text is a rank: 1 to `RANK_CHARS_MAX` digits.
pub fn is_rank(text: &str) -> bool {
    (1..=RANK_CHARS_MAX).contains(&text.len()) && text.bytes().all(|byte| digit(byte).is_some())
}

/// A rank after `before` and before `after`; `None` is the end of the list on that side. Neighbours in the wrong order,
/// or sharing a rank, have no gap: the answer then goes after `before`. Anything that is no digit is cut off first.
pub fn between(before: Option<&str>, after: Option<&str>) -> String {
    let low = before.map(digits).unwrap_or_default();
    let high = after.map(digits).filter(|high| *high > low);
    let made = match (&low[..], &high) {
        ([], None) => from_number(ROOM / 2),
        ([], Some(high)) => stride_before(high).unwrap_or_else(|| middle(&low, Some(high))),
        (low, None) => stride_after(low).unwrap_or_else(|| middle(low, None)),
        (low, Some(high)) => middle(low, Some(high)),
    };
    made.into_iter().take(RANK_CHARS_MAX).map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

/// As `between`, for this many in a row: the middle one first, so that none is longer than it must be.
pub fn between_many(before: Option<&str>, after: Option<&str>, count: usize) -> Vec<String> {
    let Some(last) = count.checked_sub(1) else { return Vec::new() };
    let middle = between(before, after);
    let mut ranks = between_many(before, Some(&middle), last / 2);
    let rest = between_many(Some(&middle), after, last - last / 2);
    ranks.push(middle);
    ranks.extend(rest);
    ranks
}

/// Ranks for this many siblings, evenly apart.
pub fn spread(count: usize) -> Vec<String> {
    let count = count as u64;
    let gap = ROOM / (count + 1);
    (1..=count)
        .map(|place| from_number(place * gap).into_iter().map(|digit| char::from(DIGITS[usize::from(digit)])).collect())
        .collect()
}

/// The value of a digit.
fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'A'..=b'Z' => Some(byte - b'A' + 10),
        b'a'..=b'z' => Some(byte - b'a' + 36),
        _ => None,
    }
}

/// The digits of a rank, up to the first character that is none; zeros at the end say nothing and go.
fn digits(rank: &str) -> Vec<u8> {
    trimmed(rank.bytes().take(RANK_CHARS_MAX).map_while(digit).collect())
}

/// Without zeros at the end, so that equal fractions are equal text.
fn trimmed(mut digits: Vec<u8>) -> Vec<u8> {
    while digits.last() == Some(&0) {
        digits.pop();
    }
    digits
}

/// The first `ROOM_DIGITS` digits as a number.
fn to_number(digits: &[u8]) -> u64 {
    (0..ROOM_DIGITS).fold(0, |number, place| number * 62 + u64::from(digits.get(place).copied().unwrap_or(0)))
}

/// The digits of a number below `ROOM`.
fn from_number(mut number: u64) -> Vec<u8> {
    let mut digits = vec![0; ROOM_DIGITS];
    for place in digits.iter_mut().rev() {
        *place = u8::try_from(number % 62).unwrap_or(0);
        number /= 62;
    }
    trimmed(digits)
}

/// A stride after the last rank; `None` once the room at the end is used up.
fn stride_after(low: &[u8]) -> Option<Vec<u8>> {
    Some(to_number(low) + STRIDE).filter(|number| *number < ROOM).map(from_number)
}

/// A stride before the first rank; `None` once the room at the start is used up.
fn stride_before(high: &[u8]) -> Option<Vec<u8>> {
    to_number(high).checked_sub(STRIDE).filter(|number| *number > 0).map(from_number)
}

/// The shortest fraction near the middle of `(low, high)`; `high` of `None` is 1. Needs `low < high`.
fn middle(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
    let mut made = Vec::new();
    let mut high = high;
    for place in 0.. {
        let below = low.get(place).copied().unwrap_or(0);
        let above = high.map_or(62, |high| high.get(place).copied().unwrap_or(0));
        if above > below + 1 {
            made.push((below + above) / 2);
            break;
        }
        made.push(below);
        if above > below {
            high = None;
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hostile_neighbours_still_give_a_rank() {
        for (before, after) in [
            (Some("V"), Some("V")),
            (Some("z"), Some("A")),
            (Some("V"), Some("V000")),
            (Some(""), Some("")),
            (None, Some("0")),
            (None, Some("000000")),
            (Some("\u{0}…"), Some("!")),
            (Some(&*"z".repeat(1_000)), None),
            (None, Some(&*"0".repeat(1_000))),
        ] {
            assert!(is_rank(&between(before, after)), "{before:?} {after:?} -> {:?}", between(before, after));
        }
    }

    #[test]
    fn growing_at_either_end_stays_short() {
        let (mut last, mut first) = (between(None, None), between(None, None));
        for _ in 0..100_000 {
            let (next, before) = (between(Some(&last), None), between(None, Some(&first)));
            assert!(next > last && before < first);
            (last, first) = (next, before);
        }
        assert!(last.len() <= ROOM_DIGITS && first.len() <= ROOM_DIGITS, "{last} {first}");
    }

    #[test]
    fn one_gap_takes_hundreds_before_ranks_are_shared() {
        let (low, mut high) = (between(None, None), between(Some(&between(None, None)), None));
        for _ in 0..300 {
            let made = between(Some(&low), Some(&high));
            assert!(low < made && made < high, "{low} {made} {high}");
            high = made;
        }
        assert!(high.len() > CROWDED_CHARS && high.len() <= RANK_CHARS_MAX);
    }

    #[test]
    fn many_in_a_row_are_in_order_and_short() {
        for (before, after) in
            [(None, None), (Some("V"), None), (None, Some("V")), (Some("V"), Some("W")), (Some("V"), Some("V1"))]
        {
            for count in [0, 1, 2, 3, 240] {
                let ranks = between_many(before, after, count);
                assert_eq!(ranks.len(), count);
                assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{before:?} {after:?}: {ranks:?}");
                assert!(
                    ranks.iter().all(|rank| before.is_none_or(|before| before < &**rank)
                        && after.is_none_or(|after| &**rank < after))
                );
                assert!(ranks.iter().all(|rank| is_rank(rank) && rank.len() < 10), "{ranks:?}");
            }
        }
    }

    #[test]
    fn spread_is_in_order_and_leaves_gaps() {
        let ranks = spread(5_000);
        assert!(ranks.windows(2).all(|pair| pair[0] < between(Some(&pair[0]), Some(&pair[1])) && pair[0] < pair[1]));
        assert!(ranks.iter().all(|rank| is_rank(rank) && rank.len() <= ROOM_DIGITS));
    }

    proptest! {
        #[test]
        fn a_list_built_anyhow_keeps_its_order(places in prop::collection::vec(0usize..1_000, 1..200)) {
            let mut ranks: Vec<String> = Vec::new();
            for place in places {
                let place = place % (ranks.len() + 1);
                let before = place.checked_sub(1).map(|place| ranks[place].as_str());
                let made = between(before, ranks.get(place).map(String::as_str));
                ranks.insert(place, made);
            }
            prop_assert!(ranks.windows(2).all(|pair| pair[0] < pair[1]), "{ranks:?}");
            prop_assert!(ranks.iter().all(|rank| is_rank(rank)));
        }
    }
}
