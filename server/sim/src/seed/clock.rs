//! Milliseconds since the epoch as the text that the API writes, and back.
//!
//! Invariant: nothing here asks what time it is; the caller says.

use jiff::Timestamp;

/// `2026-11-24T06:21:40Z` for milliseconds since the Unix epoch; whole seconds, as `metav1.Time` has them.
///
/// A time that no calendar holds is written as the epoch.
pub(crate) fn rfc3339(ms: i64) -> String {
    Timestamp::from_second(ms.div_euclid(1000)).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_as_kubernetes_writes_them() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_400_999), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59Z");
        assert_eq!(rfc3339(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
