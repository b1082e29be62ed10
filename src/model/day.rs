//! Days of the Gregorian calendar and the time of day in UTC. Not from a crate, because a browser would fetch the crate's time
//! zones, formats and errors with it, which weigh as much as a page of the application.

/// The last instant a field may hold, Unix milliseconds: the end of the year 9999.
pub const INSTANT_MS_MAX: i64 = 253_402_300_799_999;
/// The first instant that has a day here, Unix milliseconds: the start of the year 1.
const INSTANT_MS_MIN: i64 = -62_135_596_800_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day {
    /// From 1 to 9999.
    pub year: i64,
    /// From 1 to 12.
    pub month: i64,
    /// From 1 to 31.
    pub day: i64,
}

/// A day and the time of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Which day.
    pub day: Day,
    /// Since it began, milliseconds.
    pub ms: i64,
}

impl Day {
    /// The day that is written exactly like `2026-11-21`; `None` if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let mut number = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
            part.parse::<i64>().ok()
        };
        let (year, month, day) = (number(4)?, number(2)?, number(2)?);
        let exists = year > 0 && (1..=12).contains(&month) && (1..=days_in(year, month)).contains(&day);
        (exists && parts.next().is_none()).then_some(Self { year, month, day })
    }

    /// The day so many days after the first of January 1970, by Howard Hinnant's `civil_from_days`: a year that starts in
    /// March has its leap day at its end, and months whose lengths repeat every five.
    fn after_epoch(days: i64) -> Self {
        const DAYS_IN_400_YEARS: i64 = 146_097;
        const FIRST_OF_MARCH_0_TO_EPOCH: i64 = 719_468;
        let days = days + FIRST_OF_MARCH_0_TO_EPOCH;
        let (era, day_of_era) = (days.div_euclid(DAYS_IN_400_YEARS), days.rem_euclid(DAYS_IN_400_YEARS));
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_from_march = (5 * day_of_year + 2) / 153;
        let month = if months_from_march < 10 { months_from_march + 3 } else { months_from_march - 9 };
        Self {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * months_from_march + 2) / 5 + 1,
        }
    }
}

impl Moment {
    /// The moment of an instant, Unix milliseconds; `None` outside the years 1 to 9999.
    pub fn of(instant_ms: i64) -> Option<Self> {
        (INSTANT_MS_MIN..=INSTANT_MS_MAX)
            .contains(&instant_ms)
            .then(|| Self { day: Day::after_epoch(instant_ms.div_euclid(DAY_MS)), ms: instant_ms.rem_euclid(DAY_MS) })
    }

    /// Hours, minutes, seconds and milliseconds.
    pub fn clock(self) -> (i64, i64, i64, i64) {
        (self.ms / 3_600_000, self.ms / 60_000 % 60, self.ms / 1_000 % 60, self.ms % 1_000)
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;
    use jiff::civil;

    #[test]
    fn every_day_is_the_one_that_jiff_knows() {
        let mut known = civil::date(1, 1, 1);
        for days in INSTANT_MS_MIN.div_euclid(DAY_MS)..=INSTANT_MS_MAX.div_euclid(DAY_MS) {
            let day = Day::after_epoch(days);
            assert_eq!((day.year, day.month, day.day), (known.year().into(), known.month().into(), known.day().into()));
            assert_eq!(Day::parse(&known.to_string()), Some(day));
            known = known.tomorrow().unwrap_or(known);
        }
    }

    #[test]
    fn what_is_no_day_is_none() {
        for text in [
            "",
            "2026-11",
            "2026-11-21-1",
            "2026-1-21",
            "26-11-21",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2025-02-29",
            "1900-02-29",
            "2026-11-00",
            "+026-11-21",
            "2026-11-2x",
            "0000-01-01",
            "20261121",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn instants_have_a_day_and_a_time() {
        let at = Moment::of(1_795_261_200_123);
        assert_eq!(at.map(|at| (at.day, at.clock())), Day::parse("2026-11-21").map(|day| (day, (11, 40, 0, 123))));
        assert_eq!(Moment::of(-1).map(|at| at.clock()), Some((23, 59, 59, 999)));
        assert_eq!(Moment::of(INSTANT_MS_MAX).map(|at| at.day.year), Some(9999));
        assert_eq!([Moment::of(INSTANT_MS_MAX + 1), Moment::of(INSTANT_MS_MIN - 1), Moment::of(i64::MIN)], [None; 3]);
    }
}
