//! Counters and histograms of the live path, printed for Prometheus.
//!
//! Invariant: only numbers that were measured; nothing that names a credential or an object.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

use domain::wire::Recovered;

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

/// How a live connection is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// A WebSocket.
    WebSocket,
    /// Server-sent events.
    Sse,
    /// A request that waits for news.
    Poll,
}

impl Transport {
    const ALL: [Self; 3] = [Self::WebSocket, Self::Sse, Self::Poll];

    /// As a label's value.
    pub const fn word(self) -> &'static str {
        match self {
            Self::WebSocket => "ws",
            Self::Sse => "sse",
            Self::Poll => "poll",
        }
    }
}

/// A number for each transport.
#[derive(Debug, Default)]
pub struct ByTransport {
    ws: AtomicU64,
    sse: AtomicU64,
    poll: AtomicU64,
}

impl ByTransport {
    fn of(&self, transport: Transport) -> &AtomicU64 {
        match transport {
            Transport::WebSocket => &self.ws,
            Transport::Sse => &self.sse,
            Transport::Poll => &self.poll,
        }
    }

    fn print(&self, out: &mut String, name: &str, kind: &str) {
        let count = |transport| self.of(transport).load(Ordering::Relaxed);
        let all: u64 = Transport::ALL.into_iter().map(count).sum();
        let _ = writeln!(out, "# TYPE {name} {kind}\n{name} {all}");
        for transport in Transport::ALL {
            let (word, count) = (transport.word(), count(transport));
            let _ = writeln!(out, "{name}{{transport=\"{word}\"}} {count}");
        }
    }
}

/// Most times of one `pong` that are counted.
const MOST_SEEN: usize = 64;
/// Longest time from a write to its paint that is believed, in milliseconds: a tab that slept is no latency.
const LONGEST_SEEN_MS: u32 = 60_000;

/// What the whole live path counts.
#[derive(Debug, Default)]
pub struct Metrics {
    /// From a line of a watch to the hub.
    pub watch_to_hub: Histogram,
    /// From the hub to the socket's buffer.
    pub hub_to_socket: Histogram,
    /// From the socket's buffer to the paint, as browsers tell it.
    pub socket_to_pixel: Histogram,
    /// Changes published to topics.
    pub changes: AtomicU64,
    /// Changes written to sockets.
    pub sent: AtomicU64,
    /// Changes folded into newer ones before they were written.
    pub folded: AtomicU64,
    /// Live connections now.
    pub connections: ByTransport,
    /// Connections ever.
    pub connected: ByTransport,
    /// Connections closed because the client did not read.
    pub slow: AtomicU64,
    /// Frames that were not understood.
    pub bad_frames: AtomicU64,
    /// Stretches of a feed that a connection was not given.
    pub gaps: AtomicU64,
    /// Times of paint that were not believed.
    pub unbelieved: AtomicU64,
    resumed_log: AtomicU64,
    resumed_keys: AtomicU64,
    resumed_none: AtomicU64,
}

impl Metrics {
    /// Adds some.
    pub fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }

    /// A connection came.
    pub fn came(&self, transport: Transport) {
        Self::add(self.connected.of(transport), 1);
        Self::add(self.connections.of(transport), 1);
    }

    /// A connection went.
    pub fn went(&self, transport: Transport) {
        self.connections.of(transport).fetch_sub(1, Ordering::Relaxed);
    }

    /// Somebody came back to a topic with a place.
    pub fn resumed(&self, recovered: Recovered) {
        let counter = match recovered {
            Recovered::Log => &self.resumed_log,
            Recovered::Keys => &self.resumed_keys,
            Recovered::None => &self.resumed_none,
        };
        Self::add(counter, 1);
    }

    /// A browser says how long changes took from our write to its paint, in milliseconds.
    pub fn seen(&self, times_ms: &[u32]) {
        let believed = times_ms
            .iter()
            .take(MOST_SEEN)
            .filter(|time| **time <= LONGEST_SEEN_MS)
            .inspect(|time| self.socket_to_pixel.observe_us(u64::from(**time) * 1_000));
        let believed = believed.count();
        Self::add(&self.unbelieved, (times_ms.len() - believed) as u64);
    }

    /// Prints all of it.
    pub fn print(&self, out: &mut String) {
        let name = "hnp_event_latency_seconds";
        let _ = writeln!(out, "# HELP {name} Time of one change in each stage of the live path.");
        let _ = writeln!(out, "# TYPE {name} histogram");
        self.watch_to_hub.print(out, name, "stage=\"watch_to_hub\"");
        self.hub_to_socket.print(out, name, "stage=\"hub_to_socket\"");
        self.socket_to_pixel.print(out, name, "stage=\"socket_to_pixel\"");
        self.connections.print(out, "hnp_live_connections", "gauge");
        self.connected.print(out, "hnp_live_connections_total", "counter");
        let rows = [
            ("hnp_changes_total", &self.changes),
            ("hnp_changes_sent_total", &self.sent),
            ("hnp_changes_folded_total", &self.folded),
            ("hnp_live_folded_total", &self.folded),
            ("hnp_live_gaps_total", &self.gaps),
            ("hnp_live_seen_unbelieved_total", &self.unbelieved),
            ("hnp_slow_clients_total", &self.slow),
            ("hnp_bad_frames_total", &self.bad_frames),
        ];
        for (name, counter) in rows {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(out, "# TYPE {name} counter\n{name} {count}");
        }
        let name = "hnp_live_resumes_total";
        let _ = writeln!(out, "# TYPE {name} counter");
        for (word, counter) in
            [("log", &self.resumed_log), ("keys", &self.resumed_keys), ("none", &self.resumed_none)]
        {
            let count = counter.load(Ordering::Relaxed);
            let _ = writeln!(out, "{name}{{recovered=\"{word}\"}} {count}");
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

    #[test]
    fn only_times_that_can_be_latencies_are_believed_and_only_so_many() {
        let metrics = Metrics::default();
        metrics.seen(&[16, 60_001, 17]);
        metrics.seen(&[1; 70]);
        let mut out = String::new();
        metrics.print(&mut out);
        let count = "hnp_event_latency_seconds_count{stage=\"socket_to_pixel\"} 66\n";
        assert!(out.contains(count), "{out}");
        assert!(out.contains("hnp_live_seen_unbelieved_total 7\n"), "{out}");
    }

    #[test]
    fn connections_are_counted_in_all_and_by_transport() {
        let metrics = Metrics::default();
        metrics.came(Transport::WebSocket);
        metrics.came(Transport::Sse);
        metrics.went(Transport::Sse);
        let mut out = String::new();
        metrics.print(&mut out);
        for line in [
            "hnp_live_connections 1\n",
            "hnp_live_connections{transport=\"ws\"} 1\n",
            "hnp_live_connections{transport=\"sse\"} 0\n",
            "hnp_live_connections_total{transport=\"sse\"} 1\n",
        ] {
            assert!(out.contains(line), "{line} in {out}");
        }
    }
}
