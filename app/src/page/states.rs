//! Many fabrics at a glance: how many are in which state, which of them are shown, and in what order.
//!
//! Invariant: nothing is counted twice or guessed; a card does not move while somebody is at it, and one
//! that is well again stays where it was for a while.

use std::cmp::Ordering;

use domain::{state::Connectivity, topic::FabricId};
use leptos::prelude::*;

use crate::{
    links,
    table::natural::natural,
    ui::status::{Status, Tone},
};

/// How long a fabric that is better than it was keeps its place, in milliseconds: one that comes and goes
/// would otherwise make the page jump.
const KEEPS_ITS_PLACE: i64 = 60_000;

/// States in display order, the worst first.
const ORDER: [Connectivity; 6] = [
    Connectivity::Disconnected,
    Connectivity::Degraded,
    Connectivity::Unknown,
    Connectivity::Disabled,
    Connectivity::Connecting,
    Connectivity::Connected,
];

/// A fabric in its place on the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The fabric.
    pub fabric: FabricId,
    /// How it is.
    pub state: Connectivity,
    /// How bad it is, or was until a moment ago.
    rank: Tone,
    /// Since when it is better than its rank, Unix milliseconds.
    better_since: Option<i64>,
}

impl Slot {
    /// A fabric in a state, as it follows from what it was before.
    fn of(fabric: FabricId, state: Connectivity, old: Option<&Self>, now: i64) -> Self {
        let tone = Tone::from(state);
        let since = |slot: &Self| slot.better_since.unwrap_or(now);
        let kept = old.filter(|slot| slot.rank > tone && now - since(slot) < KEEPS_ITS_PLACE);
        Self {
            fabric,
            state,
            rank: kept.map_or(tone, |slot| slot.rank),
            better_since: kept.map(since),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let names = || natural(self.fabric.as_str(), other.fabric.as_str());
        other.rank.cmp(&self.rank).then_with(names)
    }
}

/// The fabrics, the worst first; while they are held, in the order that they had, and new ones last.
pub fn arrange(
    before: &[Slot],
    states: impl Iterator<Item = (FabricId, Connectivity)>,
    now: i64,
    held: bool,
) -> Vec<Slot> {
    let place = |slot: &Slot| {
        let at = before.iter().position(|old| old.fabric == slot.fabric);
        at.filter(|_| held).unwrap_or(usize::MAX)
    };
    let mut slots: Vec<Slot> = Vec::new();
    for (fabric, state) in states {
        let old = before.iter().find(|old| old.fabric == fabric);
        let slot = Slot::of(fabric, state, old, now);
        // They are few, and a place is found with less code than a sort takes.
        let comes_after = |other: &Slot| {
            place(other).cmp(&place(&slot)).then_with(|| other.compare(&slot)) == Ordering::Greater
        };
        let at = slots.iter().position(comes_after).unwrap_or(slots.len());
        slots.insert(at, slot);
    }
    slots
}

/// The state that an address asks for, `?state=disconnected`; none: all.
pub fn wanted(search: &str) -> Option<Connectivity> {
    let word = search.trim_start_matches('?').strip_prefix("state=")?;
    ORDER.into_iter().find(|state| state.word() == word)
}

/// Each state with the number of its fabrics; leads to these alone. Nothing where there are no two fabrics.
#[component]
pub fn StateCounts(
    /// The fabrics.
    slots: Memo<Vec<Slot>>,
    /// The address's query.
    search: Memo<String>,
) -> impl IntoView {
    let all = move || slots.with(Vec::len);
    let here = move |state| (search.with(|search| wanted(search)) == state).then_some("page");
    let entry = move |state: Connectivity| {
        let word = state.word();
        let count =
            move || slots.with(|slots| slots.iter().filter(|slot| slot.state == state).count());
        let text = Signal::derive(move || format!("{} {word}", count()));
        let some = Memo::new(move |_| count() > 0);
        let link = move || {
            view! {
                <a class="button" href=links::in_state(word) aria-current=move || here(Some(state))>
                    <Status tone=Tone::from(state) word=text filled=true/>
                </a>
            }
        };
        move || some.get().then(link)
    };
    let several = Memo::new(move |_| all() > 1);
    let counts = move || {
        view! {
            <nav class="states" aria-label="Fabrics by state">
                <a class="button" href="/" aria-current=move || here(None)>{move || format!("{} fabrics", all())}</a>
                {ORDER.into_iter().map(entry).collect_view()}
            </nav>
        }
    };
    move || several.get().then(counts)
}

#[cfg(test)]
mod tests {
    use Connectivity::{Connected, Degraded, Disconnected};

    use super::*;

    fn arranged(
        before: &[Slot],
        of: &[(&str, Connectivity)],
        now: i64,
        held: bool,
    ) -> (Vec<Slot>, Vec<String>) {
        let states = of.iter().map(|(name, state)| (name.parse().unwrap(), *state));
        let slots = arrange(before, states, now, held);
        let names = slots.iter().map(|slot| slot.fabric.to_string()).collect();
        (slots, names)
    }

    #[test]
    fn the_worst_come_first_and_names_are_in_the_order_of_people() {
        let all =
            [("f-10", Connected), ("f-2", Degraded), ("f-3", Disconnected), ("f-9", Connected)];
        assert_eq!(arranged(&[], &all, 0, false).1, ["f-3", "f-2", "f-9", "f-10"]);
    }

    #[test]
    fn one_that_comes_and_goes_keeps_its_place_for_a_while() {
        let bad = [("a", Connected), ("b", Disconnected)];
        let good = [("a", Connected), ("b", Connected)];
        let (first, names) = arranged(&[], &bad, 0, false);
        assert_eq!(names, ["b", "a"]);
        let (well, names) = arranged(&first, &good, 500, false);
        assert_eq!(names, ["b", "a"]);
        let (well, names) = arranged(&well, &good, 499 + KEEPS_ITS_PLACE, false);
        assert_eq!(names, ["b", "a"], "it was bad less than a minute ago");
        assert_eq!(arranged(&well, &good, 500 + KEEPS_ITS_PLACE, false).1, ["a", "b"]);
        let (again, _) = arranged(&well, &bad, 499 + KEEPS_ITS_PLACE, false);
        let later = arranged(&again, &good, 600 + KEEPS_ITS_PLACE, false);
        assert_eq!(later.1, ["b", "a"], "it was bad again in between");
        assert_eq!(later.0.first().unwrap().state, Connected, "it is counted as what it is");
    }

    #[test]
    fn nothing_moves_while_somebody_is_there_and_what_is_new_comes_last() {
        let (first, _) = arranged(&[], &[("b", Connected), ("c", Connected)], 0, false);
        let now = [("a", Disconnected), ("b", Connected), ("c", Disconnected)];
        let (held, names) = arranged(&first, &now, 1, true);
        assert_eq!(names, ["b", "c", "a"]);
        assert_eq!(arranged(&held, &now, 2, false).1, ["a", "c", "b"]);
        assert_eq!(arranged(&held, &[("c", Connected)], 3, true).1, ["c"]);
    }

    #[test]
    fn an_address_names_a_state_or_means_all() {
        for state in ORDER {
            let address = links::in_state(state.word());
            assert_eq!(wanted(address.strip_prefix('/').unwrap()), Some(state));
        }
        for search in ["", "?", "?state=", "?state=green", "?other=connected"] {
            assert_eq!(wanted(search), None, "{search}");
        }
    }
}
