//! What the server answers beside the page itself: the HTTP status.
//!
//! The server provides a [`StatusHook`] in the context of a request; pages that show that something is
//! not there call [`set_status`]. In the browser there is no hook and nothing happens.
//!
//! Invariant: nothing here knows a web framework.

use std::sync::Arc;

use leptos::prelude::use_context;

/// Sets the HTTP status of the answer under way. The server makes one per request, for example around
/// `ResponseOptions::set_status`, and provides it with `provide_context`.
#[derive(Clone)]
pub struct StatusHook(Arc<dyn Fn(u16) + Send + Sync>);

impl StatusHook {
    /// A hook that hands the status on to `set`.
    pub fn new(set: impl Fn(u16) + Send + Sync + 'static) -> Self {
        Self(Arc::new(set))
    }

    /// Sets the status, for example 404.
    pub fn set(&self, status: u16) {
        (self.0)(status);
    }
}

impl std::fmt::Debug for StatusHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StatusHook")
    }
}

/// Sets the status of the answer under way, where there is one.
pub(crate) fn set_status(status: u16) {
    if let Some(hook) = use_context::<StatusHook>() {
        hook.set(status);
    }
}
