//! Moves frames between the socket and the link.
pub(super) fn start(shared: &std::sync::Arc<super::Shared>) {
    let _ = shared.wake_once();
}
