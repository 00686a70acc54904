//! Time in the browser: its clock, its random numbers, and its animation frames.
//!
//! Invariant: nothing here is called on the server.

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
    /// When it was painted, Unix milliseconds.
    pub(super) fn painted(self) -> Option<u64> {
        match self {
            Self::Painted(at) => Some(at),
            Self::Hidden => None,
        }
    }
}
