//! Dates, durations and counts in words. The one place that decides how they look; no time-zone database, and the same
//! text on both faces: instants are shown in UTC, whose name stands beside them.

use jiff::{Timestamp, tz::TimeZone};

/// An instant to the minute, `21 Nov 2026, 11:40 UTC`.
pub fn instant(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(
        |_| "at an unknown time".to_owned(),
        |at| at.to_zoned(TimeZone::UTC).strftime("%-d %b %Y, %H:%M UTC").to_string(),
    )
}

/// An instant for machines, as a `time` element wants it.
pub fn instant_for_machines(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map(|at| at.to_string()).unwrap_or_default()
}

/// A stored date, `2026-11-21`, as `21 Nov 2026`; other text as it is.
pub fn date(stored: &str) -> String {
    stored.parse::<jiff::civil::Date>().map_or_else(|_| stored.to_owned(), |day| day.strftime("%-d %b %Y").to_string())
}

/// Minutes of work: `45 min`, `1 h 30 min`, `12 h`.
pub fn minutes(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, rest) => format!("{rest} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h {rest} min"),
    }
}

/// A count and its noun: `1 task`, `12,400 tasks`.
pub fn count(number: i64, one: &str, many: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{} {many}", whole(number)) }
}

/// A whole number with its thousands apart.
pub fn whole(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes: `512 B`, `3.4 MB`.
pub fn bytes(bytes: u64) -> String {
    for (unit, size) in [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)] {
        if bytes >= size {
            return format!("{}.{} {unit}", bytes / size, bytes % size * 10 / size);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_figures() {
        assert_eq!(instant(1_795_261_200_000), "21 Nov 2026, 11:40 UTC");
        assert_eq!(date("2026-05-01"), "1 May 2026");
        assert_eq!(date("soon"), "soon");
        assert_eq!([minutes(45), minutes(90), minutes(720)], ["45 min", "1 h 30 min", "12 h"]);
        assert_eq!([whole(0), whole(999), whole(-1_000), whole(12_345_678)], ["0", "999", "-1,000", "12,345,678"]);
        assert_eq!(count(1, "task", "tasks"), "1 task");
        assert_eq!([bytes(512), bytes(3_450_000)], ["512 B", "3.4 MB"]);
    }
}
