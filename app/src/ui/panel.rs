//! What stands in place of content: loading, empty, failed, missing.
//!
//! Invariant: it says what is missing and what to do; loading is never shown as empty.

use leptos::prelude::*;

/// Why there is no content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PanelState {
    /// It is being read.
    Loading,
    /// There is none, and that was observed.
    Empty,
    /// It could not be read.
    Error,
    /// There is no such thing.
    Missing,
    /// Nobody knows whether there is such a thing.
    Unknown,
}

impl PanelState {
    /// Its `data-state`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Empty => "empty",
            Self::Error => "error",
            Self::Missing => "missing",
            Self::Unknown => "unknown",
        }
    }
}

/// A panel in place of content.
#[component]
pub fn Panel(
    /// Why.
    state: PanelState,
    /// What is missing, in a few words.
    #[prop(into)]
    title: String,
    /// Reason and remedy.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let role = (state == PanelState::Error).then_some("alert");
    view! {
        <section class="state-panel" data-state=state.name() role=role>
            <h2>{title}</h2>
            {children.map(|children| children())}
        </section>
    }
}
