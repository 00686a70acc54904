//! A token bucket: `rate` messages per second, twice that in a burst.

use tokio::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    left: f64,
    at: Instant,
}

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: f64::from(rate), left: 2.0 * f64::from(rate), at: Instant::now() }
    }

    /// Takes one message out; false if there is none left.
    pub(super) fn take(&mut self) -> bool {
        self.refill();
        if self.left < 1.0 {
            return false;
        }
        self.left -= 1.0;
        true
    }

    /// Whether it is as full as a new one.
    pub(super) fn is_full(&mut self) -> bool {
        self.refill();
        self.left >= 2.0 * self.rate
    }

    fn refill(&mut self) {
        let now = Instant::now();
        self.left = (self.left + now.duration_since(self.at).as_secs_f64() * self.rate)
            .min(2.0 * self.rate);
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_of_twice_the_rate_passes_and_no_more() {
        let mut bucket = Bucket::new(20);
        bucket.at = Instant::now() + Duration::from_mins(1);
        assert_eq!((0..100).filter(|_| bucket.take()).count(), 40);
    }
}
