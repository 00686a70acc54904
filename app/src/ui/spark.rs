//! A sparkline: how much happened in each of the last minutes.
//!
//! Invariant: a minute that was not observed is drawn as such, not as nothing happening.

use leptos::prelude::*;

/// Minutes that are drawn.
pub const MINUTES: usize = 30;
const MINUTE_MS: i64 = 60_000;

/// Events per minute, oldest first; `None`: not observed.
pub type Buckets = [Option<u32>; MINUTES];

/// Sorts times into minutes that end at `now`. Minutes that end before `since` were not observed.
pub fn buckets(times: impl IntoIterator<Item = i64>, since: i64, now: i64) -> Buckets {
    let mut buckets: Buckets = [None; MINUTES];
    for (minutes_ago, bucket) in buckets.iter_mut().rev().enumerate() {
        let end = now - i64::try_from(minutes_ago).unwrap_or(i64::MAX) * MINUTE_MS;
        *bucket = (end > since).then_some(0);
    }
    for time in times {
        let ago =
            usize::try_from(now.saturating_sub(time).max(0) / MINUTE_MS).unwrap_or(usize::MAX);
        if let Some(bucket) = MINUTES.checked_sub(ago + 1).and_then(|at| buckets.get_mut(at)) {
            *bucket = Some(bucket.unwrap_or(0) + 1);
        }
    }
    buckets
}

/// The drawing with its legend.
#[component]
pub fn Spark(
    /// What to draw.
    #[prop(into)]
    buckets: Signal<Buckets>,
) -> impl IntoView {
    let most = move || buckets.get().iter().flatten().copied().max().unwrap_or(0).max(1);
    let latest = move || buckets.get().last().copied().flatten().unwrap_or(0);
    let bars = move || {
        let most = most();
        buckets.get().iter().enumerate().map(|(at, count)| column(at, *count, most)).collect_view()
    };
    view! {
        <svg class="spark" viewBox="0 0 300 32" preserveAspectRatio="none" aria-hidden="true">{bars}</svg>
        <div class="spark-legend">
            <span>{move || format!("{} in the last minute", latest())}</span>
            <span>{format!("{MINUTES} min")}</span>
        </div>
    }
}

fn column(at: usize, count: Option<u32>, most: u32) -> impl IntoView {
    let height = count.map_or(1, |count| (count * 30).div_ceil(most).max(1));
    let unseen = count.is_none_or(|count| count == 0).then_some("");
    view! {
        <rect x=(at * 10).to_string() y=(32 - height).to_string() width="8" height=height.to_string() data-unseen=unseen></rect>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_falls_into_its_minute() {
        let now = 100 * MINUTE_MS;
        let drawn = buckets([now, now - 1, now - MINUTE_MS, now - 40 * MINUTE_MS], 0, now);
        assert_eq!(drawn[MINUTES - 1], Some(2));
        assert_eq!(drawn[MINUTES - 2], Some(1));
        assert_eq!(drawn.iter().flatten().sum::<u32>(), 3, "what is too old is not drawn");
    }

    #[test]
    fn minutes_before_the_first_observation_are_not_zero() {
        let now = 100 * MINUTE_MS;
        let drawn = buckets([], now - 3 * MINUTE_MS, now);
        assert_eq!(drawn[MINUTES - 1], Some(0));
        assert_eq!(drawn[MINUTES - 3], Some(0));
        assert_eq!(drawn[MINUTES - 4], None);
    }

    #[test]
    fn an_event_from_a_clock_ahead_counts_as_now() {
        assert_eq!(buckets([1_000_000], 0, 999_000)[MINUTES - 1], Some(1));
    }
}
