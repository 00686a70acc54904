//! A state as people see it: shape, word, colour, the same everywhere.
//!
//! Invariant: colour never alone says a state; only [`Tone::Ok`] is green.

use domain::{
    readiness::Readiness,
    state::{Connectivity, Severity, WatchState},
};
use leptos::prelude::*;

/// What a state means to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tone {
    /// Observed to be as it should.
    Ok,
    /// Good to know.
    Info,
    /// On its way.
    Progress,
    /// Switched off by a person.
    Paused,
    /// Nobody knows.
    Unknown,
    /// Differs from Git.
    Drift,
    /// True once, perhaps not now.
    Stale,
    /// Look when you have time.
    Warning,
    /// Something does not work.
    Error,
}

impl Tone {
    /// The shape.
    pub const fn shape(self) -> &'static str {
        match self {
            Self::Ok => "●",
            Self::Info => "•",
            Self::Progress => "◐",
            Self::Paused => "‖",
            Self::Unknown => "○",
            Self::Drift => "◇",
            Self::Stale => "◷",
            Self::Warning => "▲",
            Self::Error => "✕",
        }
    }

    /// The `data-tone` of whatever is shown in this tone.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Progress => "progress",
            Self::Paused => "paused",
            Self::Unknown => "unknown",
            Self::Drift => "drift",
            Self::Stale => "stale",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }

    /// Whether a person should look: only then a badge is filled.
    pub const fn needs_person(self) -> bool {
        matches!(self, Self::Warning | Self::Error | Self::Stale)
    }
}

impl From<Connectivity> for Tone {
    fn from(state: Connectivity) -> Self {
        match state {
            Connectivity::Unknown => Self::Unknown,
            Connectivity::Connecting => Self::Progress,
            Connectivity::Connected => Self::Ok,
            Connectivity::Degraded => Self::Warning,
            Connectivity::Disconnected => Self::Error,
            Connectivity::Disabled => Self::Paused,
        }
    }
}

impl From<WatchState> for Tone {
    fn from(state: WatchState) -> Self {
        match state {
            WatchState::Starting | WatchState::Missing => Self::Unknown,
            WatchState::Listing => Self::Progress,
            WatchState::Live => Self::Ok,
            WatchState::Retrying => Self::Warning,
            WatchState::Forbidden => Self::Error,
            WatchState::Paused => Self::Paused,
        }
    }
}

impl From<Readiness> for Tone {
    fn from(state: Readiness) -> Self {
        match state {
            Readiness::Ready => Self::Ok,
            Readiness::Converging | Readiness::Applying => Self::Progress,
            Readiness::Stuck => Self::Error,
            Readiness::Silent => Self::Warning,
            Readiness::Unknown => Self::Unknown,
        }
    }
}

impl From<Severity> for Tone {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Info => Self::Info,
            Severity::Warning => Self::Warning,
            Severity::Error | Severity::Critical => Self::Error,
        }
    }
}

/// Word of a switch's readiness.
pub const fn readiness_word(state: Readiness) -> &'static str {
    match state {
        Readiness::Ready => "ready",
        Readiness::Converging => "converging",
        Readiness::Applying => "applying",
        Readiness::Stuck => "stuck",
        Readiness::Silent => "silent",
        Readiness::Unknown => "unknown",
    }
}

/// Shape and word of a state; filled where a person should look.
#[component]
pub fn Status(
    /// What it means.
    #[prop(into)]
    tone: Signal<Tone>,
    /// The word.
    #[prop(into)]
    word: Signal<String>,
    /// Whether it may be filled.
    #[prop(optional)]
    filled: bool,
) -> impl IntoView {
    let fill = move || (filled && tone.get().needs_person()).then_some("");
    view! {
        <span class="status" data-tone=move || tone.get().name() data-filled=fill>
            <span class="shape" aria-hidden="true">{move || tone.get().shape()}</span>
            <span>{move || word.get()}</span>
        </span>
    }
}

/// The shape alone, with the word for those who cannot see it.
#[component]
pub fn Shape(
    /// What it means.
    #[prop(into)]
    tone: Signal<Tone>,
    /// The word.
    #[prop(into)]
    word: Signal<String>,
) -> impl IntoView {
    view! {
        <span class="tone-shape" data-tone=move || tone.get().name() title=move || word.get()>
            <span class="shape" aria-hidden="true">{move || tone.get().shape()}</span>
            <span class="hidden-text">{move || word.get()}</span>
        </span>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_observed_to_be_well_is_green() {
        let green = |tone: Tone| tone == Tone::Ok;
        assert!(green(Connectivity::Connected.into()));
        for state in [
            Connectivity::Unknown,
            Connectivity::Connecting,
            Connectivity::Degraded,
            Connectivity::Disconnected,
            Connectivity::Disabled,
        ] {
            assert!(!green(state.into()), "{state:?}");
        }
        for state in [
            WatchState::Starting,
            WatchState::Listing,
            WatchState::Retrying,
            WatchState::Forbidden,
            WatchState::Missing,
            WatchState::Paused,
        ] {
            assert!(!green(state.into()), "{state:?}");
        }
    }
}
