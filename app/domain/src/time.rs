//! Instants: Unix milliseconds inside, RFC 3339 outside.
//!
//! Invariant: nothing here reads a clock; a [`Timestamp`] comes from a document or from a caller.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const MS_PER_SECOND: i64 = 1_000;
const MS_PER_MINUTE: i64 = 60 * MS_PER_SECOND;
const MS_PER_HOUR: i64 = 60 * MS_PER_MINUTE;
const MS_PER_DAY: i64 = 24 * MS_PER_HOUR;

/// An instant between the years 0 and 9999, to the millisecond. Written in UTC as RFC 3339.
///
/// ```
/// use domain::time::Timestamp;
///
/// let at: Timestamp = "2026-11-23T23:43:25.5+01:00".parse()?;
/// assert_eq!(at.unix_ms(), 1_795_473_805_500);
/// assert_eq!(at.to_string(), "2026-11-23T22:43:25.500Z");
/// # Ok::<(), domain::time::TimestampError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(i64);

/// Why something is not a [`Timestamp`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text is not of the form.
    #[error("`{0}` is not a time; write `2026-01-31T12:00:00Z`")]
    Form(String),
    /// The form is right, but there is no such day or time of day.
    #[error("`{0}` is a time that does not exist")]
    Impossible(String),
    /// The instant has no four-digit year.
    #[error("{0} ms is outside the years 0 to 9999")]
    Range(i64),
}

impl Timestamp {
    /// 0000-01-01T00:00:00.000Z.
    pub const MIN: Self = Self(-62_167_219_200_000);
    /// 9999-12-31T23:59:59.999Z.
    pub const MAX: Self = Self(253_402_300_799_999);

    /// The instant that is this many milliseconds after 1970-01-01T00:00:00Z.
    pub fn from_unix_ms(ms: i64) -> Result<Self, TimestampError> {
        if (Self::MIN.0..=Self::MAX.0).contains(&ms) {
            Ok(Self(ms))
        } else {
            Err(TimestampError::Range(ms))
        }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let written = Written::read(text).ok_or_else(|| TimestampError::Form(text.to_owned()))?;
        let ms = written.unix_ms().ok_or_else(|| TimestampError::Impossible(text.to_owned()))?;
        Self::from_unix_ms(ms)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;

    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(at: Timestamp) -> Self {
        at.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil(self.0.div_euclid(MS_PER_DAY));
        let of_day = self.0.rem_euclid(MS_PER_DAY);
        let (hour, minute) = (of_day / MS_PER_HOUR, of_day % MS_PER_HOUR / MS_PER_MINUTE);
        let (second, ms) = (of_day % MS_PER_MINUTE / MS_PER_SECOND, of_day % MS_PER_SECOND);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if ms != 0 {
            write!(f, ".{ms:03}")?;
        }
        f.write_str("Z")
    }
}

/// Reads from the front of a text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    /// A number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.0.split_at_checked(digits)?;
        let mut number = 0;
        for byte in head {
            if !byte.is_ascii_digit() {
                return None;
            }
            number = number * 10 + i64::from(byte - b'0');
        }
        self.0 = rest;
        Some(number)
    }

    /// One byte of a set.
    fn one_of(&mut self, wanted: &[u8]) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        if !wanted.contains(&first) {
            return None;
        }
        self.0 = rest;
        Some(first)
    }

    /// A fraction of a second, as milliseconds, cut; 0 if there is none.
    fn fraction_ms(&mut self) -> Option<i64> {
        if self.one_of(b".").is_none() {
            return Some(0);
        }
        let (mut ms, mut scale) = (self.number(1)? * 100, 10);
        while let Some(digit) = self.number(1) {
            ms += digit * scale;
            scale /= 10;
        }
        Some(ms)
    }
}

/// A time as it is written; it need not exist.
struct Written {
    year: i64,
    month: i64,
    day: i64,
    hour: i64,
    minute: i64,
    second: i64,
    fraction_ms: i64,
    /// Sign, hours and minutes of the offset from UTC.
    offset: (i64, i64, i64),
}

impl Written {
    fn read(text: &str) -> Option<Self> {
        let mut reader = Reader(text.as_bytes());
        let year = reader.number(4)?;
        reader.one_of(b"-")?;
        let month = reader.number(2)?;
        reader.one_of(b"-")?;
        let day = reader.number(2)?;
        reader.one_of(b"Tt")?;
        let hour = reader.number(2)?;
        reader.one_of(b":")?;
        let minute = reader.number(2)?;
        reader.one_of(b":")?;
        let second = reader.number(2)?;
        let fraction_ms = reader.fraction_ms()?;
        let offset = match reader.one_of(b"Zz+-")? {
            sign @ (b'+' | b'-') => {
                let hours = reader.number(2)?;
                reader.one_of(b":")?;
                (if sign == b'+' { 1 } else { -1 }, hours, reader.number(2)?)
            }
            _ => (1, 0, 0),
        };
        let all = reader.0.is_empty();
        all.then_some(Self { year, month, day, hour, minute, second, fraction_ms, offset })
    }

    /// Unix milliseconds, if there is such a time. A leap second is written as 60; it becomes the
    /// second after it.
    fn unix_ms(&self) -> Option<i64> {
        let (sign, hours, minutes) = self.offset;
        let exists = (1..=12).contains(&self.month)
            && (1..=days_in(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
            && hours < 24
            && minutes < 60;
        exists.then(|| {
            days(self.year, self.month, self.day) * MS_PER_DAY
                + (self.hour - sign * hours) * MS_PER_HOUR
                + (self.minute - sign * minutes) * MS_PER_MINUTE
                + self.second * MS_PER_SECOND
                + self.fraction_ms
        })
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days in four hundred years; the calendar repeats after them.
const DAYS_PER_ERA: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01. Years are counted from March, so that a leap day is last.
const DAYS_TO_EPOCH: i64 = 719_468;

/// Days since 1970-01-01 of a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + day_of_year;
    era * DAYS_PER_ERA + day_of_era - DAYS_TO_EPOCH
}

/// The day of the Gregorian calendar: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + DAYS_TO_EPOCH;
    let (era, day_of_era) = (days.div_euclid(DAYS_PER_ERA), days.rem_euclid(DAYS_PER_ERA));
    let of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let year = era * 400 + of_era;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().unix_ms()
    }

    #[test]
    fn known_times_are_read() {
        assert_eq!(ms("1970-01-01T00:00:00Z"), 0);
        assert_eq!(ms("1969-12-31T23:59:59.999Z"), -1);
        assert_eq!(ms("2000-02-29T12:00:00Z"), 951_825_600_000);
        assert_eq!(ms("2026-11-23T23:43:25Z"), 1_795_477_405_000);
        assert_eq!(ms("2026-11-23t23:43:25z"), 1_795_477_405_000);
        assert_eq!(ms("2026-11-23T23:43:25.123456789Z"), 1_795_477_405_123);
        assert_eq!(ms("2026-11-24T05:13:25+05:30"), 1_795_477_405_000);
        assert_eq!(ms("2026-11-23T15:43:25.0-08:00"), 1_795_477_405_000);
        assert_eq!(ms("2016-12-31T23:59:60Z"), ms("2017-01-01T00:00:00Z"));
        assert_eq!(ms("0000-01-01T00:00:00Z"), Timestamp::MIN.unix_ms());
        assert_eq!(ms("9999-12-31T23:59:59.999Z"), Timestamp::MAX.unix_ms());
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026",
            "2026-11-23",
            "2026-11-23T23:43:25",
            "2026-11-23 23:43:25Z",
            "2026-11-23T23:43:25.Z",
            "2026-11-23T23:43:25Zx",
            "2026-11-23T23:43:25+0100",
            "+026-11-23T23:43:25Z",
            "2026-1-23T23:43:25Z",
            "２026-11-23T23:43:25Z",
        ] {
            assert!(matches!(text.parse::<Timestamp>(), Err(TimestampError::Form(_))), "{text}");
        }
        for text in [
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:61Z",
            "2026-01-01T00:00:00+24:00",
        ] {
            let error = text.parse::<Timestamp>();
            assert!(matches!(error, Err(TimestampError::Impossible(_))), "{text}");
        }
        assert!("9999-12-31T23:59:59-01:00".parse::<Timestamp>().is_err());
    }

    proptest! {
        #[test]
        fn a_time_reads_back_as_it_was_written(ms in Timestamp::MIN.0..=Timestamp::MAX.0) {
            let at = Timestamp::from_unix_ms(ms).unwrap();
            prop_assert_eq!(at.to_string().parse::<Timestamp>().unwrap(), at);
        }

        #[test]
        fn an_offset_shifts_and_no_text_makes_it_panic(
            ms in 0..4_000_000_000_000_i64, minutes in -1439..1440_i64, noise in ".{0,30}",
        ) {
            let local = Timestamp::from_unix_ms(ms + minutes * MS_PER_MINUTE).unwrap().to_string();
            let (sign, ahead) = if minutes < 0 { ('-', -minutes) } else { ('+', minutes) };
            let text = format!("{}{sign}{:02}:{:02}", local.trim_end_matches('Z'), ahead / 60, ahead % 60);
            prop_assert_eq!(text.parse::<Timestamp>().unwrap().unix_ms(), ms);
            let _ = noise.parse::<Timestamp>();
        }

        #[test]
        fn texts_in_utc_sort_as_their_instants(a in 0..4_000_000_000_i64, b in 0..4_000_000_000_i64) {
            let [x, y] = [a, b].map(|s| Timestamp::from_unix_ms(s * 1000).unwrap());
            prop_assert_eq!(x.to_string().cmp(&y.to_string()), x.cmp(&y));
        }
    }
}
