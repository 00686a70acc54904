//! Time in the browser: its clock, its random numbers, and its animation frames.
//!
//! Invariant: nothing here is called on the server.

/// Longest time from event to pixel that is believed, in milliseconds: above it the clocks do not agree.
const BELIEVED_MS: u64 = 60_000;

/// Unix milliseconds by the browser's clock.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "whole milliseconds since 1970"
)]
pub(super) fn now() -> u64 {
    js_sys::Date::now() as u64
}

/// Any number.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below 2^32")]
pub(super) fn jitter() -> u64 {
    (js_sys::Math::random() * f64::from(u32::MAX)) as u64
}

/// An animation frame (or what stands for it in a hidden tab), at which deliveries are applied.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame {
    /// Painted, at this time in Unix milliseconds.
    Painted(u64),
    /// The tab is hidden: nothing is painted, nothing can be measured.
    Hidden,
}

impl Frame {
    /// Milliseconds from a stamp of the server's clock to this frame, if that can be believed.
    pub(super) fn since(self, stamp: i64) -> Option<u64> {
        match self {
            Self::Painted(now) => {
                now.checked_sub(u64::try_from(stamp).ok()?).filter(|ms| *ms <= BELIEVED_MS)
            }
            Self::Hidden => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_cannot_be_believed_is_not_shown() {
        assert_eq!(Frame::Painted(1_000).since(990), Some(10));
        assert_eq!(Frame::Painted(1_000).since(1_010), None, "the server's clock is ahead");
        assert_eq!(Frame::Painted(1_000_000).since(5), None, "an hour apart");
        assert_eq!(Frame::Painted(1_000).since(-5), None);
        assert_eq!(Frame::Hidden.since(990), None);
    }
}
