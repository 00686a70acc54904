//! How far a body was taken: each chunk tells when the last of its bytes went to the kernel.
//!
//! The HTTP library asks a body for more long before the socket can take it. What it would ask for waits
//! better where newer changes can replace it, so the next chunk is made only when the last one is gone.
//!
//! Invariant: at most one chunk is under way.

use std::sync::Arc;

use axum::body::Bytes;
use tokio::{sync::Notify, time::Instant};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Flow {
    gone: Arc<Notify>,
    /// When the chunk under way was given out.
    since: Option<Instant>,
}

/// Bytes that tell when they are dropped.
struct Chunk {
    text: String,
    gone: Arc<Notify>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.gone.notify_one();
    }
}

impl Flow {
    /// Gives a chunk out.
    pub(super) fn send(&mut self, text: String) -> Bytes {
        self.since = Some(Instant::now());
        // Whatever was noted of the chunk before says nothing of this one.
        self.gone = Arc::default();
        Bytes::from_owner(Chunk { text, gone: Arc::clone(&self.gone) })
    }

    /// Since when a chunk is under way.
    pub(super) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Waits until nothing is under way.
    ///
    /// # Cancel safety
    /// Dropped half way, it can be called again.
    pub(super) async fn gone(&mut self) {
        if self.since.is_some() {
            self.gone.notified().await;
            self.since = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn a_chunk_is_under_way_until_its_last_copy_is_dropped() {
        let mut flow = Flow::default();
        assert!(flow.gone().now_or_never().is_some());
        let mut bytes = flow.send("abc".to_owned());
        let half = bytes.split_to(1);
        drop(bytes);
        assert!(flow.gone().now_or_never().is_none());
        drop(half);
        assert!(flow.gone().now_or_never().is_some());
        assert!(flow.since().is_none());
    }
}
