//! When to write: at once as long as changes come slowly, and in bundles of 8 ms above 250 a second, so that
//! changes fold meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// Above 250 flushes per second, at most one per this time: changes fold meanwhile.
const PAUSE: Duration = Duration::from_millis(8);
/// What "above" means.
const BUSY: Duration = Duration::from_millis(4);
/// Flushes may come this much too early before "above" begins.
const BURST: Duration = Duration::from_millis(32);

/// See the module.
#[derive(Debug)]
pub(in crate::web) struct Pace {
    at: Instant,
    /// When the flushes so far would have ended, had each taken [`BUSY`]: a debt that time pays off, since
    /// one early flush, or a few, are no reason to pause.
    debt: Instant,
}

impl Pace {
    /// At rest.
    pub(in crate::web) fn new(now: Instant) -> Self {
        Self { at: now, debt: now }
    }

    /// From when on one may write.
    pub(in crate::web) fn at(&self) -> Instant {
        self.at
    }

    /// Something was written.
    pub(in crate::web) fn wrote(&mut self, now: Instant) {
        self.debt = self.debt.max(now) + BUSY;
        let busy = self.debt.duration_since(now) > BURST;
        self.at = if busy { now + PAUSE } else { now };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_written_at_once_and_a_stream_in_bundles() {
        let begin = Instant::now();
        let mut pace = Pace::new(begin);
        let mut now = begin;
        for _ in 0..8 {
            pace.wrote(now);
        }
        assert_eq!(pace.at(), now, "a few early ones are no reason to pause");
        pace.wrote(now);
        assert_eq!(pace.at(), now + PAUSE);
        for _ in 0..1_000 {
            now += Duration::from_millis(5);
            pace.wrote(now);
        }
        assert_eq!(pace.at(), now, "200 a second are written as they come");
    }
}
