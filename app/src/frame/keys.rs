//! Keys that work on every page, and the sheet that lists them.
//!
//! Invariant: a key with a modifier, and any key while a person writes, belongs to somebody else.

use domain::kind::Kind;
use leptos::{ev, prelude::*};
use leptos_router::{
    NavigateOptions,
    hooks::{use_location, use_navigate},
};

use super::rail::current_fabric;
use crate::{
    browser,
    fabrics::Fabrics,
    links::{self, Place},
};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// Open the sheet.
    Sheet,
    /// Go to the overview.
    Overview,
    /// Go to the fabric.
    Fabric,
    /// Go to the list of a kind.
    List(Kind),
    /// Put the focus on the filter of the page.
    Filter,
}

/// The second key of a pair must come within this time, in milliseconds.
const PAIR_MS: f64 = 1_500.0;

/// Takes a key: `leader` is when `g` was pressed, if it was the last key. Returns the new leader and the wish.
fn press(leader: Option<f64>, key: &str, now: f64) -> (Option<f64>, Option<Wish>) {
    if leader.is_some_and(|at| now - at <= PAIR_MS) {
        let wish = match key {
            "o" => Some(Wish::Overview),
            "f" => Some(Wish::Fabric),
            _ => Kind::ALL
                .iter()
                .find(|kind| kind.about().hotkey.is_some_and(|hot| key.chars().eq([hot])))
                .map(|kind| Wish::List(*kind)),
        };
        return (None, wish);
    }
    match key {
        "g" => (Some(now), None),
        "?" => (None, Some(Wish::Sheet)),
        "/" => (None, Some(Wish::Filter)),
        _ => (None, None),
    }
}

/// Listens to keys, and holds the sheet.
#[component]
pub fn Keys() -> impl IntoView {
    let (fabrics, path, navigate) = (Fabrics::expect(), use_location().pathname, use_navigate());
    let fulfil = move |wish: Wish| {
        let fabric = current_fabric(&Place::of(&path.get_untracked()), &untrack(|| fabrics.ids()));
        let target = match wish {
            Wish::Sheet => return browser::open_popover("keys"),
            Wish::Filter => return browser::focus_filter(),
            Wish::Overview => Some("/".to_owned()),
            Wish::Fabric => fabric.map(|fabric| links::fabric(&fabric)),
            Wish::List(kind) => fabric.map(|fabric| links::list(&fabric, kind)),
        };
        if let Some(target) = target {
            navigate(&target, NavigateOptions::default());
        }
    };
    let leader = StoredValue::new(None);
    Effect::new(move |_| {
        let fulfil = fulfil.clone();
        let handle = window_event_listener(ev::keydown, move |event| {
            if event.key() == "Escape" && browser::is_writing() {
                // The browser's own answer would also wipe the text out.
                event.prevent_default();
                return browser::leave_field();
            }
            if event.ctrl_key()
                || event.meta_key()
                || event.alt_key()
                || event.default_prevented()
                || browser::is_writing()
            {
                return;
            }
            let (next, wish) = press(leader.get_value(), &event.key(), event.time_stamp());
            leader.set_value(next);
            if let Some(wish) = wish {
                event.prevent_default();
                fulfil(wish);
            }
        });
        on_cleanup(move || handle.remove());
    });
    view! { <Sheet/> }
}

/// Keys that are not those of a list of a kind.
const COMMON: [(&str, &str); 7] = [
    ("g o", "Overview"),
    ("g f", "Fabric"),
    ("/", "Filter this list"),
    ("j k", "Next, previous row"),
    ("Enter", "Open the row"),
    ("?", "This sheet"),
    ("Esc", "Leave a field, close"),
];

#[component]
fn Sheet() -> impl IntoView {
    let kinds = Kind::ALL
        .iter()
        .filter_map(|kind| Some((format!("g {}", kind.about().hotkey?), kind.about().label)));
    let all = COMMON.into_iter().map(|(keys, what)| (keys.to_owned(), what)).chain(kinds);
    let row = |(keys, what): (String, &'static str)| {
        let keys =
            keys.split(' ').map(|key| view! { <kbd>{key.to_owned()}</kbd>" " }).collect_view();
        view! { <li><span>{what}</span><span>{keys}</span></li> }
    };
    view! {
        <div class="pop" data-side="middle" id="keys" popover="auto" role="dialog" aria-label="Keys">
            <h2>"Keys"</h2>
            <ul class="keys">{all.map(row).collect_view()}</ul>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_of_keys_opens_a_list() {
        let (leader, wish) = press(None, "g", 100.0);
        assert_eq!(wish, None);
        assert_eq!(press(leader, "s", 200.0), (None, Some(Wish::List(Kind::Switch))));
        assert_eq!(press(leader, "o", 200.0), (None, Some(Wish::Overview)));
        assert_eq!(press(leader, "z", 200.0), (None, None), "an unknown second key ends the pair");
        assert_eq!(press(leader, "s", 9_000.0), (None, None), "too late");
        assert_eq!(press(None, "s", 200.0), (None, None));
    }

    #[test]
    fn no_list_takes_the_keys_of_overview_and_fabric() {
        for kind in Kind::ALL {
            assert!(!matches!(kind.about().hotkey, Some('o' | 'f' | 'g')), "{kind}");
        }
    }

    #[test]
    fn the_sheet_opens() {
        assert_eq!(press(None, "?", 1.0).1, Some(Wish::Sheet));
    }
}
