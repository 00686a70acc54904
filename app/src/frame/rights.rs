//! What happens on the screen when a right or the session ends.
//!
//! Invariant: of a fabric that one may no longer see, and of everything once nobody is signed in, nothing
//! stays that can be read.

use domain::{
    topic::FabricId,
    wire::{Close, link::LinkState},
};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use crate::{
    browser,
    fabrics::Fabrics,
    feeds::Feeds,
    links::{self, Place},
    live::Live,
    toasts::{Note, Toasts},
    ui::status::Tone,
};

/// Whether the page is about a fabric that was there and is not any more. What is known of a fabric goes
/// with it.
pub(super) fn lost() -> Memo<bool> {
    let (fabrics, path) = (Fabrics::expect(), use_location().pathname);
    let gone = RwSignal::new(Vec::<FabricId>::new());
    let here = move |gone: &[FabricId]| {
        Place::of(&path.get()).fabric.is_some_and(|fabric| gone.contains(&fabric))
    };
    Effect::new(move |before: Option<Vec<FabricId>>| {
        let now = fabrics.ids();
        for fabric in before.iter().flatten().filter(|fabric| !now.contains(fabric)) {
            forget(fabric);
            gone.update(|gone| gone.push(fabric.clone()));
        }
        let back: Vec<FabricId> = gone.with_untracked(|gone| {
            gone.iter().filter(|fabric| now.contains(fabric)).cloned().collect()
        });
        if back.is_empty() {
            return now;
        }
        let about = Place::of(&path.get_untracked()).fabric;
        if about.is_some_and(|fabric| back.contains(&fabric)) {
            // One may see it again: as whom, only the server knows. Other pages go on as they are: loaded
            // anew, one that somebody just sent a form from would take its answer back.
            browser::reload();
        } else {
            gone.update(|gone| gone.retain(|fabric| !back.contains(fabric)));
        }
        now
    });
    Memo::new(move |_| gone.with(|gone| here(gone)))
}

fn forget(fabric: &FabricId) {
    let toasts = Toasts::find();
    Feeds::expect().forget(fabric);
    if let Some(toasts) = toasts {
        toasts.forget(fabric);
        let text =
            format!("{fabric} is not here any more: it was removed, or your right to see it ended");
        let note = Note {
            group: String::new(),
            tone: Tone::Warning,
            text,
            several: String::new(),
            link: None,
        };
        toasts.push(note, Live::expect().now().get_untracked().unwrap_or_default());
    }
}

/// Clears the screen once the server does not know us any more.
pub(super) fn end_with_the_session(live: Live) {
    let status = live.status();
    let ended = Memo::new(move |_| status.with(|status| said(status.as_ref()?.state)));
    Effect::new(move |_| {
        if let Some(words) = ended.get() {
            browser::clear_screen(words, &links::sign_in(&browser::address()));
        }
    });
}

/// What is said when it was the session that ended, or the right to be here.
fn said(state: LinkState) -> Option<&'static str> {
    let LinkState::Ended(code) = state else { return None };
    [
        (Close::SessionExpired, "Your session has ended"),
        (Close::LoggedOut, "You are signed out"),
        (Close::Forbidden, "You may not be here any more"),
    ]
    .into_iter()
    .find_map(|(close, words)| (close.code() == code).then_some(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_session_or_of_the_right_clears_the_screen() {
        for code in [4401, 4503, 4507] {
            assert!(said(LinkState::Ended(code)).is_some(), "{code}");
        }
        for state in [
            LinkState::Ended(4504),
            LinkState::Ended(4509),
            LinkState::Offline,
            LinkState::Waiting { retry_at: 1 },
            LinkState::Asking { give_up: 1 },
        ] {
            assert_eq!(said(state), None, "{state:?}");
        }
    }
}
