//! Many events of a feed at once: more than wait for one connection.
//!
//! Invariant: nothing but the feed is touched.

use serde_json::json;

use super::{cluster::Cluster, replica::Replica};

/// Pushes so many events.
pub(crate) fn flood(replica: &Replica, cluster: &Cluster, n: u16) {
    let Some(feed) = replica.hub.feed(&cluster.fabric) else { return };
    for _ in 0..n {
        feed.push(|id| {
            let event = json!({
                "specversion": "1.0", "id": id.to_string(), "source": "/model",
                "type": "hnp.fabric.connectivity", "time": "2026-01-01T00:00:00Z",
                "data": { "severity": "info", "message": "a flood" },
            });
            serde_json::from_value(event).unwrap()
        });
    }
}
