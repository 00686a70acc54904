//! Times and ages: UTC in the markup, ages beside a clock that is handed in.
//!
//! Invariant: no clock is read and no locale is asked, so that server and browser write the same.

use domain::time::Timestamp;
use leptos::prelude::*;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// RFC 3339 in UTC to the second; empty for what is outside the years 0 to 9999.
pub fn rfc3339(ms: i64) -> String {
    Timestamp::from_unix_ms(ms - ms.rem_euclid(SECOND))
        .map_or_else(|_| String::new(), |at| at.to_string())
}

/// `14:02:11 UTC`.
pub fn clock(ms: i64) -> String {
    match rfc3339(ms).split_once('T') {
        Some((_, time)) => format!("{} UTC", time.trim_end_matches('Z')),
        None => "?".to_owned(),
    }
}

/// `2026-11-23 14:02:11 UTC`.
pub fn day_and_clock(ms: i64) -> String {
    match rfc3339(ms).split_once('T') {
        Some((day, time)) => format!("{day} {} UTC", time.trim_end_matches('Z')),
        None => "?".to_owned(),
    }
}

/// An age in one unit: `now`, `12 s`, `3 min`, `5 h`, `2 d`. What lies ahead is `now`.
pub fn age(ms: i64) -> String {
    match ms {
        ..SECOND => "now".to_owned(),
        SECOND..MINUTE => format!("{} s", ms / SECOND),
        MINUTE..HOUR => format!("{} min", ms / MINUTE),
        HOUR..DAY => format!("{} h", ms / HOUR),
        _ => format!("{} d", ms / DAY),
    }
}

/// How long ago something was: `just now`, `12 s ago`.
pub fn ago(ms: i64) -> String {
    if ms < SECOND { "just now".to_owned() } else { format!("{} ago", age(ms)) }
}

/// Whole seconds until a time, at least 0, for "next try in 3 s".
pub fn seconds_until(at: i64, now: i64) -> i64 {
    (at.saturating_sub(now).max(0) + SECOND - 1) / SECOND
}

/// How old something is, with its time in UTC as title.
#[component]
pub fn Age(
    /// When it happened, Unix milliseconds.
    #[prop(into)]
    at: Signal<i64>,
    /// What time it is, Unix milliseconds.
    #[prop(into)]
    now: Signal<i64>,
    /// Whether it stands in a sentence: `12 s ago`.
    #[prop(optional)]
    sentence: bool,
) -> impl IntoView {
    let words = if sentence { ago } else { age };
    view! {
        <time datetime=move || rfc3339(at.get()) title=move || day_and_clock(at.get())>
            {move || words(now.get().saturating_sub(at.get()))}
        </time>
    }
}

/// A time in UTC, whole.
#[component]
pub fn Moment(
    /// Unix milliseconds.
    at: i64,
) -> impl IntoView {
    view! { <time datetime=rfc3339(at)>{day_and_clock(at)}</time> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_use_one_unit() {
        for (ms, expected) in [
            (-5_000, "now"),
            (0, "now"),
            (999, "now"),
            (1_000, "1 s"),
            (59_999, "59 s"),
            (60_000, "1 min"),
            (3_599_999, "59 min"),
            (3_600_000, "1 h"),
            (86_400_000, "1 d"),
            (i64::MAX, "106751991167 d"),
        ] {
            assert_eq!(age(ms), expected, "{ms}");
        }
    }

    #[test]
    fn what_has_just_happened_was_not_now_ago() {
        assert_eq!(ago(0), "just now");
        assert_eq!(ago(2_000), "2 s ago");
    }

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(clock(1_795_477_405_123), "23:43:25 UTC");
        assert_eq!(day_and_clock(1_795_477_405_123), "2026-11-23 23:43:25 UTC");
        assert_eq!(rfc3339(1_795_477_405_123), "2026-11-23T23:43:25Z");
        assert_eq!(clock(i64::MAX), "?");
    }

    #[test]
    fn a_wait_is_never_shown_shorter_than_it_is() {
        assert_eq!(seconds_until(10_000, 7_000), 3);
        assert_eq!(seconds_until(10_001, 7_000), 4);
        assert_eq!(seconds_until(1_000, 7_000), 0);
    }
}
