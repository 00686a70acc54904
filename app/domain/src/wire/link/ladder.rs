//! Which way to the server to take: down a step after two failures in a row while HTTP works, up again as
//! soon as a better way is seen to work.
//!
//! Invariant: no step down without two failures, none below plain polls; on every rung but the best there
//! is a time at which a better one is tried.

use super::io::Transport;

/// A line must say its first word within this time, in milliseconds.
const WELCOME_MS: u64 = 2_500;
/// As [`WELCOME_MS`], for a line that follows one which never spoke: both together must leave time for the next
/// way within 6 s of page load.
const AGAIN_MS: u64 = 1_500;
/// Failures in a row that count as blocked.
const BLOCKED: u8 = 2;
/// Time until a better way is tried for the first time, in milliseconds. It doubles.
const BETTER_FIRST_MS: u64 = 10_000;
/// Longest time between two such tries, in milliseconds: with the try itself it stays below a minute.
const BETTER_MOST_MS: u64 = 50_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Ladder {
    rung: Transport,
    failures: u8,
    tries: u32,
    better_at: Option<u64>,
}

impl Ladder {
    /// The best way, not tried yet.
    pub(super) fn new() -> Self {
        Self { rung: Transport::WebSocket, failures: 0, tries: 0, better_at: None }
    }

    /// The way to take now.
    pub(super) fn rung(&self) -> Transport {
        self.rung
    }

    /// How long a line may take for its first word, in milliseconds.
    pub(super) fn patience_ms(&self) -> u64 {
        if self.failures == 0 { WELCOME_MS } else { AGAIN_MS }
    }

    /// The line failed while HTTP works. Whether another way is taken from now on.
    pub(super) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        let worse = match self.rung {
            Transport::WebSocket => Transport::Sse,
            Transport::Sse => Transport::LongPoll,
            Transport::LongPoll => Transport::Poll,
            Transport::Poll => return false,
        };
        let blocked = self.failures >= BLOCKED;
        if blocked {
            self.rung = worse;
            self.failures = 0;
        }
        blocked
    }

    /// The way was seen to work.
    pub(super) fn worked(&mut self) {
        self.failures = 0;
    }

    /// Lines are live by this way.
    pub(super) fn reached(&mut self, now: u64, rung: Transport) {
        self.rung = rung;
        if rung == Transport::WebSocket {
            self.tries = 0;
            self.better_at = None;
        } else if self.better_at.is_none() {
            self.try_later(now);
        }
    }

    /// Takes this way until it is seen to work or not.
    pub(super) fn borrow(&mut self, rung: Transport) {
        self.rung = rung;
    }

    /// When a better way is to be tried, Unix milliseconds.
    pub(super) fn better_at(&self) -> Option<u64> {
        self.better_at
    }

    /// A better way is being tried; the next try comes later.
    pub(super) fn try_later(&mut self, now: u64) {
        let wait = BETTER_FIRST_MS.saturating_mul(1 << self.tries.min(8)).min(BETTER_MOST_MS);
        self.tries = self.tries.saturating_add(1);
        self.better_at = Some(now + wait);
    }

    /// The clock may have moved: no time lies further ahead than it could.
    pub(super) fn clamp(&mut self, now: u64) {
        self.better_at = self.better_at.map(|at| at.min(now + BETTER_MOST_MS));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_failures_in_a_row_are_a_step_down_and_a_word_between_them_is_none() {
        let mut ladder = Ladder::new();
        assert!(!ladder.failed());
        ladder.worked();
        assert!(!ladder.failed());
        assert!(ladder.failed());
        assert_eq!(ladder.rung(), Transport::Sse);
        for expected in [Transport::LongPoll, Transport::Poll] {
            assert!(!ladder.failed());
            assert!(ladder.failed());
            assert_eq!(ladder.rung(), expected);
        }
        assert!(!ladder.failed() && !ladder.failed() && !ladder.failed());
        assert_eq!(ladder.rung(), Transport::Poll, "there is nothing below");
    }

    #[test]
    fn two_lines_that_never_speak_leave_two_seconds_of_the_six() {
        let mut ladder = Ladder::new();
        let first = ladder.patience_ms();
        ladder.failed();
        assert!(first + ladder.patience_ms() <= 4_000);
    }

    #[test]
    fn a_better_way_is_tried_soon_and_then_at_least_once_a_minute() {
        let mut ladder = Ladder::new();
        ladder.reached(0, Transport::Sse);
        let mut last = 0;
        for _ in 0..12 {
            let at = ladder.better_at().unwrap();
            assert!(at > last && at - last + WELCOME_MS < 60_000, "{last} {at}");
            ladder.try_later(at);
            last = at;
        }
        ladder.reached(last, Transport::WebSocket);
        assert_eq!(ladder.better_at(), None);
        ladder.reached(last, Transport::Sse);
        assert_eq!(ladder.better_at(), Some(last + BETTER_FIRST_MS));
    }
}
