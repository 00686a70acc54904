//! The tabs of the settings.
//!
//! Invariant: the same on every page of the settings.

use leptos::prelude::*;

/// A page of the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Fabrics.
    Fabrics,
    /// Users.
    Users,
    /// API tokens.
    Tokens,
}

impl Tab {
    const ALL: [Self; 3] = [Self::Fabrics, Self::Users, Self::Tokens];

    const fn about(self) -> (&'static str, &'static str) {
        match self {
            Self::Fabrics => ("Fabrics", "/settings/fabrics"),
            Self::Users => ("Users", "/settings/users"),
            Self::Tokens => ("Tokens", "/settings/tokens"),
        }
    }
}

/// The tabs, one of them current.
pub fn settings(current: Tab) -> impl IntoView {
    let tabs = Tab::ALL.map(|tab| {
        let (word, href) = tab.about();
        view! { <a href=href aria-current=(tab == current).then_some("page")>{word}</a> }
    });
    view! { <nav class="tabs" aria-label="Settings">{tabs.collect_view()}</nav> }
}
