//! Where the time of a change went on its way to the screen, and the slowest of the last hour.
//!
//! Invariant: at most one journey per minute is kept, and none for longer than an hour; a time that the
//! clocks cannot have told is not told.

use super::link::Stamps;

/// Longest journey that is believed, in milliseconds: above it the clocks do not agree.
const BELIEVED_MS: i64 = 60_000;
/// How far a measured step may lie below nothing, in milliseconds: what a correction of clocks may be wrong by.
const SLACK_MS: i64 = 250;
/// Minutes that are looked back.
const MINUTES: u64 = 60;
/// One minute, in milliseconds.
const MINUTE_MS: u64 = 60_000;

/// The steps of one batch of changes, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Journey {
    /// From the watch to the hub.
    pub hub: u32,
    /// From the hub to the line: waiting for a slow reader is here.
    pub line: u32,
    /// On the way through the network.
    pub network: u32,
    /// From receipt to paint.
    pub paint: u32,
}

impl Journey {
    /// The journey of what was painted at `painted`, by our clock in Unix milliseconds; `ahead` is by how much the
    /// server's clock is ahead of ours, as far as known. None where the clocks do not agree.
    pub fn of(stamps: Stamps, painted: i64, ahead: Option<i64>) -> Option<Self> {
        let got = stamps.got.checked_add(ahead.unwrap_or_default())?;
        let journey = Self {
            hub: step(stamps.watch, stamps.hub)?,
            line: step(stamps.hub, stamps.write)?,
            network: step(stamps.write, got)?,
            paint: step(stamps.got, painted)?,
        };
        (i64::from(journey.total()) <= BELIEVED_MS).then_some(journey)
    }

    /// From the watch to the screen.
    pub fn total(self) -> u32 {
        self.hub.saturating_add(self.line).saturating_add(self.seen())
    }

    /// From the server's last stamp to the screen: what a pong reports.
    pub fn seen(self) -> u32 {
        self.network.saturating_add(self.paint)
    }
}

fn step(from: i64, to: i64) -> Option<u32> {
    let step = to.checked_sub(from).filter(|ms| (-SLACK_MS..=BELIEVED_MS).contains(ms))?;
    u32::try_from(step.max(0)).ok()
}

/// The slowest journey of each of the last minutes.
#[derive(Debug, Default)]
pub struct Slowest(Vec<(u64, Journey)>);

impl Slowest {
    /// Takes a journey that ended at `now`, Unix milliseconds.
    pub fn add(&mut self, now: u64, journey: Journey) {
        let minute = now / MINUTE_MS;
        self.forget(minute);
        match self.0.last_mut().filter(|(last, _)| *last == minute) {
            Some((_, slowest)) => {
                if slowest.total() < journey.total() {
                    *slowest = journey;
                }
            }
            None => self.0.push((minute, journey)),
        }
    }

    /// The slowest of the last hour before `now`.
    pub fn of_the_hour(&self, now: u64) -> Option<Journey> {
        let minute = now / MINUTE_MS;
        let recent = self.0.iter().filter(|(at, _)| is_recent(*at, minute));
        recent.map(|(_, journey)| *journey).max_by_key(|journey| journey.total())
    }

    /// Forgets what is too old, and what lies ahead since the clock was set back.
    fn forget(&mut self, minute: u64) {
        self.0.retain(|(at, _)| is_recent(*at, minute));
    }
}

fn is_recent(at: u64, minute: u64) -> bool {
    at <= minute && minute - at < MINUTES
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(watch: i64, hub: i64, write: i64, got: i64) -> Stamps {
        Stamps { watch, hub, write, got }
    }

    fn journey(paint: u32) -> Journey {
        Journey { hub: 1, line: 2, network: 3, paint }
    }

    #[test]
    fn each_step_is_told_by_the_clock_of_the_server() {
        let told = Journey::of(stamps(1_000, 1_004, 1_009, 951), 967, Some(70)).unwrap();
        assert_eq!(told, Journey { hub: 4, line: 5, network: 12, paint: 16 });
        assert_eq!((told.total(), told.seen()), (37, 28));
    }

    #[test]
    fn a_correction_that_is_a_little_off_gives_no_negative_time() {
        let told = Journey::of(stamps(1_000, 1_000, 1_000, 990), 1_000, None).unwrap();
        assert_eq!((told.network, told.paint), (0, 10));
    }

    #[test]
    fn clocks_that_do_not_agree_tell_nothing() {
        assert_eq!(Journey::of(stamps(1_000, 1_000, 1_000, 500), 510, None), None);
        assert_eq!(Journey::of(stamps(0, 0, 0, 3_600_000), 3_600_010, None), None);
        assert_eq!(Journey::of(stamps(0, 40_000, 80_000, 80_000), 80_000, None), None);
        assert_eq!(Journey::of(stamps(i64::MIN, 0, i64::MAX, 0), 0, Some(i64::MAX)), None);
    }

    #[test]
    fn the_slowest_of_the_last_hour_is_remembered_and_not_for_longer() {
        let mut slowest = Slowest::default();
        assert_eq!(slowest.of_the_hour(0), None);
        for minute in 0..200 {
            let now = minute * MINUTE_MS;
            slowest.add(now, journey(if minute == 100 { 900 } else { 5 }));
            slowest.add(now + 1, journey(7));
        }
        assert_eq!(slowest.0.len(), 60, "one per minute of an hour");
        assert_eq!(
            slowest.of_the_hour(159 * MINUTE_MS),
            Some(journey(7)),
            "forgotten with its hour"
        );
        slowest.add(199 * MINUTE_MS, journey(800));
        assert_eq!(slowest.of_the_hour(199 * MINUTE_MS), Some(journey(800)));
        assert_eq!(slowest.of_the_hour(258 * MINUTE_MS), Some(journey(800)));
        assert_eq!(slowest.of_the_hour(259 * MINUTE_MS), None);
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_nothing_from_the_future() {
        let mut slowest = Slowest::default();
        slowest.add(100 * MINUTE_MS, journey(900));
        assert_eq!(slowest.of_the_hour(10 * MINUTE_MS), None);
        slowest.add(10 * MINUTE_MS, journey(5));
        assert_eq!(slowest.of_the_hour(10 * MINUTE_MS), Some(journey(5)));
        assert_eq!(slowest.0.len(), 1);
    }
}
