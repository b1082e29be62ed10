//! Dates, durations and counts in words. The one place that decides how they look, with the same text on both faces.

use crate::app::zone;
use crate::model::day::{Day, Moment};

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// An instant to the minute, by the clock that the page goes by: `21 Nov 2026, 12:40`, or `21 Nov 2026, 11:40 UTC`.
pub fn instant(ms: i64) -> String {
    let ahead_ms = zone::ahead_ms(ms);
    let Some(at) = Moment::of(ms.saturating_add(ahead_ms.unwrap_or(0))) else {
        return "at an unknown time".to_owned();
    };
    let (hour, minute, ..) = at.clock();
    let utc = if ahead_ms.is_none() { " UTC" } else { "" };
    format!("{}, {hour:02}:{minute:02}{utc}", in_words(at.day))
}

/// In lower case, for ordering names. The browser's own: Rust's tables for it would be two or three kilobytes of a first visit.
pub fn lower(text: &str) -> String {
    #[cfg(feature = "hydrate")]
    let lower = js_sys::JsString::from(text).to_lower_case().into();
    #[cfg(not(feature = "hydrate"))]
    let lower = text.to_lowercase();
    lower
}

/// How long ago something was: `just now`, `5 min ago`, `3 h ago`, `2 days ago`; after a week the instant itself.
pub fn ago(at_ms: i64, now_ms: i64) -> String {
    match now_ms.saturating_sub(at_ms) / 60_000 {
        ..1 => "just now".to_owned(),
        minutes @ 1..60 => format!("{minutes} min ago"),
        minutes @ 60..1_440 => format!("{} h ago", minutes / 60),
        minutes @ 1_440..10_080 => format!("{} ago", count(minutes / 1_440, "day", "days")),
        _ => instant(at_ms),
    }
}

/// An instant for machines, as a `time` element wants it.
pub fn instant_for_machines(ms: i64) -> String {
    let Some(at) = Moment::of(ms) else { return String::new() };
    let Day { year, month, day } = at.day;
    let (hour, minute, second, ms) = at.clock();
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
}

/// A stored date, `2026-11-21`, as `21 Nov 2026`; other text as it is.
pub fn date(stored: &str) -> String {
    Day::parse(stored).map_or_else(|| stored.to_owned(), in_words)
}

fn in_words(Day { year, month, day }: Day) -> String {
    let month = usize::try_from(month - 1).ok().and_then(|month| MONTHS.get(month)).unwrap_or(&"");
    format!("{day} {month} {year}")
}

/// Minutes of work: `45 min`, `1 h 30 min`, `12 h`.
pub fn minutes(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, rest) => format!("{rest} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, rest) => format!("{hours} h {rest} min"),
    }
}

/// Minutes of work as people write them: `45`, `45 min`, `2h`, `1.5 h`, `1h 30m`; `None` for anything else.
pub fn read_minutes(text: &str) -> Option<i64> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    let figure = |text: &str| text.strip_suffix("min").or(text.strip_suffix('m')).unwrap_or(text).to_owned();
    match text.split_once('h') {
        Some((hours, "")) => minutes_of_hours(hours),
        Some((hours, rest)) => Some(minutes_of_hours(hours)? + i64::from(figure(rest).parse::<u16>().ok()?)),
        None => figure(&text).parse().ok(),
    }
}

/// Hours with up to two decimals, in minutes.
fn minutes_of_hours(text: &str) -> Option<i64> {
    let (whole, part) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let whole = whole.parse::<u32>().ok()?;
    let hundredths = match part.len() {
        1 => part.parse::<u32>().ok()? * 10,
        2 => part.parse().ok()?,
        _ => return None,
    };
    Some(i64::from(whole) * 60 + (i64::from(hundredths) * 60 + 50) / 100)
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

/// A browser and its system, as people call them. Browsers name their ancestors as well, so the youngest name is looked for
/// first.
pub fn browser(agent: &str) -> String {
    const BROWSERS: &[(&str, &str)] = &[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "Samsung Internet"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    const SYSTEMS: &[(&str, &str)] = &[
        ("Android", "Android"),
        ("iPhone", "an iPhone"),
        ("iPad", "an iPad"),
        ("Windows", "Windows"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "a Mac"),
        ("Linux", "Linux"),
    ];
    let first =
        |list: &[(&str, &'static str)]| list.iter().find(|(part, _)| agent.contains(part)).map(|(_, words)| *words);
    match (first(BROWSERS), first(SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, Some(system)) => format!("A browser on {system}"),
        (None, None) => "A browser that does not say what it is".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leptos::prelude::{Owner, provide_context};

    #[test]
    fn words_for_figures() {
        assert_eq!(instant(1_795_261_200_000), "21 Nov 2026, 11:40 UTC");
        assert_eq!(instant(i64::MAX), "at an unknown time");
        assert_eq!(instant_for_machines(1_795_261_200_123), "2026-11-21T11:40:00.123Z");
        let now = 1_795_261_200_000;
        let ago = [-5, 59, 60, 3_599, 3_600, 86_399, 86_400, 604_799].map(|seconds| ago(now - seconds * 1_000, now));
        let words =
            ["just now", "just now", "1 min ago", "59 min ago", "1 h ago", "23 h ago", "1 day ago", "6 days ago"];
        assert_eq!(ago, words);
        assert_eq!(super::ago(now - 604_800_000, now), "14 Nov 2026, 11:40 UTC");
        #[cfg(feature = "ssr")]
        Owner::new().with(|| {
            provide_context(zone::Zone(jiff::tz::TimeZone::get("Europe/Oslo").unwrap()));
            assert_eq!(instant(1_795_261_200_000), "21 Nov 2026, 12:40");
            assert_eq!(instant(1_782_860_340_000), "1 Jul 2026, 00:59", "summer time, and the next day");
            assert_eq!(instant(i64::MAX), "at an unknown time");
        });
        assert_eq!(date("2026-05-01"), "1 May 2026");
        assert_eq!(date("soon"), "soon");
        assert_eq!([minutes(45), minutes(90), minutes(720)], ["45 min", "1 h 30 min", "12 h"]);
        assert_eq!([whole(0), whole(999), whole(-1_000), whole(12_345_678)], ["0", "999", "-1,000", "12,345,678"]);
        assert_eq!(count(1, "task", "tasks"), "1 task");
        assert_eq!([bytes(512), bytes(3_450_000)], ["512 B", "3.4 MB"]);
    }

    #[test]
    fn minutes_are_read_as_people_write_them() {
        for (text, minutes) in [
            ("45", 45),
            ("45 min", 45),
            ("2h", 120),
            ("1.5h", 90),
            ("1,25 h", 75),
            ("0.33 h", 20),
            ("1h 30m", 90),
            ("1 H 30", 90),
            ("1 h 30 min", 90),
            ("-5", -5),
        ] {
            assert_eq!(read_minutes(text), Some(minutes), "{text}");
        }
        for text in [
            "",
            "h",
            "m",
            "1.5",
            "1e",
            "two",
            "1.234h",
            "-1h",
            "1h2h",
            "1h -5",
            "1hm",
            "9999999999h",
            "1h 9223372036854775807",
        ] {
            assert_eq!(read_minutes(text), None, "{text}");
        }
    }

    #[test]
    fn agents_are_called_what_people_call_them() {
        for (agent, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36 Edg/141.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
                "Safari on an iPhone",
            ),
            ("", "A browser that does not say what it is"),
        ] {
            assert_eq!(browser(agent), words);
        }
    }
}
