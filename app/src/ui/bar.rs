//! A stacked bar with its legend.
//!
//! Invariant: no width comes from a style; parts are rectangles of an SVG.

use leptos::prelude::*;

use super::status::{Status, Tone};

/// A part of a bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its colour.
    pub tone: Tone,
    /// Its word.
    pub word: &'static str,
    /// How many.
    pub count: usize,
}

/// Offset and width of each part, in hundredths of a percent of the whole; nothing for nothing.
pub fn spans(shares: &[Share]) -> Vec<(usize, usize)> {
    let total: usize = shares.iter().map(|share| share.count).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut before = 0;
    shares
        .iter()
        .map(|share| {
            let from = before * WIDTH / total;
            before += share.count;
            (from, before * WIDTH / total - from)
        })
        .collect()
}

/// Width of the drawing.
const WIDTH: usize = 10_000;

/// A stacked bar and, below it, each part with its number.
#[component]
pub fn Bar(
    /// The parts, in order.
    #[prop(into)]
    shares: Signal<Vec<Share>>,
) -> impl IntoView {
    let parts = move || {
        let shares = shares.get();
        let places = spans(&shares);
        let draw = |(share, (x, width)): (Share, (usize, usize))| {
            view! { <rect data-tone=share.tone.name() x=x.to_string() y="0" width=width.to_string() height="8"></rect> }
        };
        shares.into_iter().zip(places).map(draw).collect_view()
    };
    let legend = move || {
        let shown = shares.get().into_iter().filter(|share| share.count > 0);
        shown
            .map(|share| view! { <Status tone=share.tone word=format!("{} {}", share.count, share.word)/> })
            .collect_view()
    };
    view! {
        <svg class="bar" viewBox="0 0 10000 8" preserveAspectRatio="none" aria-hidden="true">{parts}</svg>
        <div class="bar-legend">{legend}</div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(count: usize) -> Share {
        Share { tone: Tone::Ok, word: "ready", count }
    }

    #[test]
    fn parts_fill_the_bar_without_gap_or_overlap() {
        let spans = spans(&[share(1), share(0), share(2)]);
        assert_eq!(spans, vec![(0, 3_333), (3_333, 0), (3_333, 6_667)]);
    }

    #[test]
    fn nothing_draws_nothing() {
        assert!(spans(&[share(0)]).is_empty());
        assert!(spans(&[]).is_empty());
    }
}
