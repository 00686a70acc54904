//! Counters and histograms of the live path, printed for Prometheus.
//!
//! Invariant: only numbers that were measured; nothing that names a credential or an object.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

/// Upper bounds of the buckets, in microseconds.
const BOUNDS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000,
    512_000, 1_000_000, 5_000_000,
];

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one duration, in microseconds.
    pub fn observe_us(&self, us: u64) {
        let at = BOUNDS_US.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS_US.len());
        if let Some(bucket) = self.buckets.get(at) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }

    /// Prints it under a name with one label, already quoted, such as `stage="watch_to_hub"`.
    #[expect(clippy::cast_precision_loss, reason = "microseconds of a process's life fit a double")]
    pub fn print(&self, out: &mut String, name: &str, label: &str) {
        let mut count = 0;
        for (at, bucket) in self.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound =
                BOUNDS_US.get(at).map_or("+Inf".to_owned(), |us| (*us as f64 / 1e6).to_string());
            let _ = writeln!(out, "{name}_bucket{{{label},le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(
            out,
            "{name}_sum{{{label}}} {}",
            self.sum_us.load(Ordering::Relaxed) as f64 / 1e6
        );
        let _ = writeln!(out, "{name}_count{{{label}}} {count}");
    }
}

/// What the whole live path counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// From a line of a watch to the hub.
    pub watch_to_hub: Histogram,
    /// From the hub to the socket's buffer.
    pub hub_to_socket: Histogram,
    /// Changes published to topics.
    pub changes: AtomicU64,
    /// Changes written to sockets.
    pub sent: AtomicU64,
    /// Changes folded into newer ones before they were written.
    pub folded: AtomicU64,
    /// Live connections now.
    pub connections: AtomicU64,
    /// Connections ever.
    pub connected: AtomicU64,
    /// Connections closed because the client did not read.
    pub slow: AtomicU64,
    /// Frames that were not understood.
    pub bad_frames: AtomicU64,
}

impl Metrics {
    /// Adds one.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// Prints all of it.
    pub fn print(&self, out: &mut String) {
        let _ = writeln!(
            out,
            "# HELP hnp_event_latency_seconds Time of one change in each stage of the live path."
        );
        let _ = writeln!(out, "# TYPE hnp_event_latency_seconds histogram");
        self.watch_to_hub.print(out, "hnp_event_latency_seconds", "stage=\"watch_to_hub\"");
        self.hub_to_socket.print(out, "hnp_event_latency_seconds", "stage=\"hub_to_socket\"");
        let rows = [
            ("hnp_changes_total", "counter", &self.changes),
            ("hnp_changes_sent_total", "counter", &self.sent),
            ("hnp_changes_folded_total", "counter", &self.folded),
            ("hnp_live_connections", "gauge", &self.connections),
            ("hnp_live_connections_total", "counter", &self.connected),
            ("hnp_slow_clients_total", "counter", &self.slow),
            ("hnp_bad_frames_total", "counter", &self.bad_frames),
        ];
        for (name, kind, counter) in rows {
            let _ =
                writeln!(out, "# TYPE {name} {kind}\n{name} {}", counter.load(Ordering::Relaxed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_counts_cumulatively_up_to_infinity() {
        let histogram = Histogram::default();
        for us in [10, 70, 9_000_000] {
            histogram.observe_us(us);
        }
        let mut out = String::new();
        histogram.print(&mut out, "x", "a=\"b\"");
        assert!(out.contains("x_bucket{a=\"b\",le=\"0.00005\"} 1"), "{out}");
        assert!(out.contains("x_bucket{a=\"b\",le=\"0.0001\"} 2"));
        assert!(out.contains("x_bucket{a=\"b\",le=\"+Inf\"} 3"));
        assert!(out.contains("x_count{a=\"b\"} 3"));
    }
}
