//! What the browser's tab says: the worst state of all fabrics, and "stale".
//!
//! Invariant: a tab without a sign is one whose fabrics are all connected and whose data is live.

use leptos::prelude::*;
use leptos_meta::Title;

use crate::{browser, fabrics::Fabrics, live::Live, ui::status::Tone};

/// The worst of some tones; unknown if there is none.
fn worst(tones: impl IntoIterator<Item = Tone>) -> Tone {
    tones.into_iter().max().unwrap_or(Tone::Unknown)
}

/// A page's title with the sign of a state before it.
fn titled(tone: Tone, stale: bool, title: &str) -> String {
    let sign = match tone {
        _ if stale => "◷ stale · ",
        Tone::Error => "✕ ",
        Tone::Warning => "▲ ",
        Tone::Unknown | Tone::Progress => "○ ",
        Tone::Ok | Tone::Info | Tone::Paused | Tone::Drift | Tone::Stale => "",
    };
    if title.is_empty() { format!("{sign}HNP") } else { format!("{sign}{title} · HNP") }
}

fn icon(tone: Tone, stale: bool) -> &'static str {
    match tone {
        _ if stale => "/favicon-stale.svg",
        Tone::Error => "/favicon-error.svg",
        Tone::Warning => "/favicon-warning.svg",
        _ => "/favicon.svg",
    }
}

/// Keeps title and icon of the tab.
#[component]
pub fn Tab() -> impl IntoView {
    let (fabrics, live) = (Fabrics::expect(), Live::expect());
    let worst =
        Memo::new(move |_| worst(fabrics.ids().iter().map(|id| fabrics.connectivity(id).into())));
    let stale = Memo::new(move |_| {
        live.status()
            .with(|status| status.as_ref().is_some_and(|status| status.stale_since.is_some()))
    });
    Effect::new(move |_| browser::set_favicon(icon(worst.get(), stale.get())));
    view! { <Title formatter=move |title: String| titled(worst.get(), stale.get(), &title)/> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tab_says_the_worst() {
        assert_eq!(worst([Tone::Ok, Tone::Error, Tone::Warning]), Tone::Error);
        assert_eq!(worst([]), Tone::Unknown);
        assert_eq!(titled(Tone::Ok, false, "demo"), "demo · HNP");
        assert_eq!(titled(Tone::Error, false, "demo"), "✕ demo · HNP");
        assert_eq!(titled(Tone::Error, true, ""), "◷ stale · HNP");
        assert_eq!(icon(Tone::Ok, true), "/favicon-stale.svg");
    }
}
