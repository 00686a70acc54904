//! The one place of this crate that reads the clock, and the stamps that changes carry through it.

use std::time::Instant;

/// Unix milliseconds.
pub fn now_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the edge that reads the clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// When something was received and published.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// When it was received, Unix milliseconds.
    pub received_ms: i64,
    /// When it was published, Unix milliseconds.
    pub published_ms: i64,
    received: Instant,
    published: Instant,
}

impl Stamp {
    /// Received now.
    pub fn received_now() -> Self {
        let (now, at) = (now_ms(), Instant::now());
        Self { received_ms: now, published_ms: now, received: at, published: at }
    }

    /// Published now.
    #[must_use]
    pub fn published_now(self) -> Self {
        Self { published_ms: now_ms(), published: Instant::now(), ..self }
    }

    /// From receipt to publication, in microseconds.
    pub fn us_to_publish(self) -> u64 {
        u64::try_from(self.published.duration_since(self.received).as_micros()).unwrap_or(u64::MAX)
    }

    /// From publication until now, in microseconds.
    pub fn us_since_published(self) -> u64 {
        u64::try_from(self.published.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// From receipt until now, in microseconds.
    pub fn us_since_received(self) -> u64 {
        u64::try_from(self.received.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
