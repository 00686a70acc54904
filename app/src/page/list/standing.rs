//! Where a list stands: what may be said of it, and what must not be.
//!
//! Invariant: "none" and a number are said only of what was observed; what is missing comes with its reason.

use domain::{
    kind::Kind,
    state::{KindWatch, WatchState},
};

use crate::ui::{
    moment::clock,
    text::{count, grouped},
};

/// What stands in place of rows, or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// There are rows to show.
    Rows,
    /// Something is being waited for.
    Loading(String),
    /// The cluster holds none.
    Empty,
    /// There are some, but the query selects none of this many.
    NoMatch(usize),
    /// Not known, for this reason; the word is the watch's.
    Unknown(&'static str, String),
}

impl Standing {
    /// Its `data-state`.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::Loading(_) => "loading",
            Self::Empty => "empty",
            Self::NoMatch(_) => "no-match",
            Self::Unknown(word, _) => word,
        }
    }
}

/// What decides it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    /// Which kind.
    pub(super) kind: Kind,
    /// Its watch, as far as it is known.
    pub(super) watch: Option<&'a KindWatch>,
    /// Whether all rows are here, not only the first.
    pub(super) complete: bool,
    /// Rows that are here.
    pub(super) here: usize,
    /// Rows that are shown.
    pub(super) shown: usize,
}

/// Decides what stands in place of the rows.
pub(super) fn standing(facts: Facts<'_>) -> Standing {
    let label = facts.kind.about().label;
    if facts.shown > 0 {
        return Standing::Rows;
    }
    if facts.here > 0 {
        return if facts.complete {
            Standing::NoMatch(facts.here)
        } else {
            Standing::Loading(format!("the rest of the {label}"))
        };
    }
    let Some(watch) = facts.watch else {
        return Standing::Loading("the state of this fabric".to_owned());
    };
    match watch.state {
        WatchState::Live if facts.complete => Standing::Empty,
        WatchState::Live => Standing::Loading(format!("the {label}")),
        WatchState::Starting | WatchState::Listing => {
            Standing::Loading(format!("the first list of {label} from the cluster"))
        }
        WatchState::Retrying | WatchState::Forbidden | WatchState::Missing | WatchState::Paused => {
            let text = format!("Since {}: {}", clock(watch.since), reason(watch));
            Standing::Unknown(watch.state.word(), text)
        }
    }
}

/// Why a watch is not live, in a sentence.
fn reason(watch: &KindWatch) -> String {
    let fallback = || match watch.state {
        WatchState::Starting | WatchState::Listing => "the first list is being read",
        WatchState::Live => "",
        WatchState::Retrying => "the watch was interrupted and is being tried again",
        WatchState::Forbidden => "the credentials may not list or watch it",
        WatchState::Missing => "the cluster does not serve it",
        WatchState::Paused => "its watch is switched off",
    };
    watch.reason.clone().unwrap_or_else(|| fallback().to_owned())
}

/// What is said above rows that may not be true any more; nothing while the watch is live.
pub(super) fn stale_text(facts: Facts<'_>) -> Option<String> {
    let watch = facts.watch.filter(|watch| watch.state != WatchState::Live && facts.here > 0)?;
    let when = match watch.as_of {
        Some(as_of) => format!("As of {}", clock(as_of)),
        None => "Perhaps out of date".to_owned(),
    };
    Some(format!("{when}, {}: {}", watch.state.word(), reason(watch)))
}

/// What is said beside the counts while only the first rows are here.
pub(super) fn partial_text(complete: bool, here: usize) -> Option<String> {
    (!complete && here > 0).then(|| format!("first {}, the rest is loading", grouped(here)))
}

/// `12 of 2,034`, `2,034`, or nothing where the total is not known.
pub(super) fn count_text(matched: Option<usize>, total: Option<usize>) -> String {
    match (matched, total) {
        (Some(matched), Some(total)) if matched != total => {
            format!("{} of {}", grouped(matched), grouped(total))
        }
        (_, Some(total)) => grouped(total),
        (_, None) => String::new(),
    }
}

/// `3 new · 1 moved · 2 gone`; nothing where all of them are 0.
pub(super) fn pending_text(pending: crate::table::model::Pending) -> String {
    let parts = [(pending.new, "new"), (pending.moved, "moved"), (pending.gone, "gone")];
    let parts = parts.into_iter().filter(|(number, _)| *number > 0);
    parts.map(|(number, word)| count(number, word, word)).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::model::Pending;

    fn watch(state: WatchState) -> KindWatch {
        let reason = (state == WatchState::Forbidden).then(|| "ask for `list`".to_owned());
        KindWatch {
            state,
            since: 0,
            reason,
            attempt: 0,
            next_try: None,
            namespace: None,
            as_of: Some(50_531_000),
        }
    }

    fn facts(watch: Option<&KindWatch>, complete: bool, here: usize, shown: usize) -> Facts<'_> {
        Facts { kind: Kind::Switch, watch, complete, here, shown }
    }

    #[test]
    fn none_is_said_only_of_a_live_watch_and_a_complete_topic() {
        use WatchState::{Forbidden, Listing, Live, Missing, Paused, Retrying, Starting};
        for state in [Starting, Listing, Live, Retrying, Forbidden, Missing, Paused] {
            for complete in [false, true] {
                let watch = watch(state);
                let empty = standing(facts(Some(&watch), complete, 0, 0)) == Standing::Empty;
                assert_eq!(empty, state == Live && complete, "{state:?} {complete}");
            }
        }
        assert_eq!(standing(facts(None, true, 0, 0)).word(), "loading");
    }

    #[test]
    fn what_is_missing_comes_with_the_reason_of_the_watch() {
        let forbidden = watch(WatchState::Forbidden);
        let Standing::Unknown(word, text) = standing(facts(Some(&forbidden), true, 0, 0)) else {
            panic!("forbidden is not known")
        };
        assert_eq!(word, "forbidden");
        assert!(text.starts_with("Since ") && text.ends_with(": ask for `list`"), "{text}");
        assert_eq!(
            standing(facts(Some(&watch(WatchState::Missing)), true, 0, 0)).word(),
            "missing"
        );
        assert_eq!(
            standing(facts(Some(&watch(WatchState::Retrying)), true, 0, 0)).word(),
            "retrying"
        );
    }

    #[test]
    fn a_query_without_a_match_is_no_empty_list_and_a_part_proves_nothing() {
        let live = watch(WatchState::Live);
        assert_eq!(standing(facts(Some(&live), true, 9, 0)), Standing::NoMatch(9));
        assert_eq!(standing(facts(Some(&live), false, 100, 0)).word(), "loading");
    }

    #[test]
    fn rows_of_a_watch_that_is_away_are_marked_with_their_time() {
        let away = watch(WatchState::Retrying);
        let text = stale_text(facts(Some(&away), true, 9, 9)).unwrap();
        assert!(text.starts_with("As of 14:02:11 UTC, retrying: "), "{text}");
        let live = watch(WatchState::Live);
        assert_eq!(stale_text(facts(Some(&live), true, 9, 9)), None);
        assert_eq!(
            stale_text(facts(Some(&away), true, 0, 0)),
            None,
            "no rows, nothing to be stale"
        );
    }

    #[test]
    fn a_part_says_that_it_is_one() {
        assert_eq!(partial_text(false, 100).as_deref(), Some("first 100, the rest is loading"));
        assert_eq!(partial_text(true, 100), None);
        assert_eq!(partial_text(false, 0), None);
    }

    #[test]
    fn counts_are_absent_where_nothing_was_counted() {
        assert_eq!(count_text(Some(12), Some(2_034)), "12 of 2,034");
        assert_eq!(count_text(Some(7), Some(7)), "7");
        assert_eq!(count_text(Some(0), None), "");
        assert_eq!(pending_text(Pending { new: 3, moved: 1, gone: 0 }), "3 new · 1 moved");
        assert_eq!(pending_text(Pending::default()), "");
    }

    #[test]
    fn thousands_stand_apart() {
        for (number, expected) in
            [(0, "0"), (999, "999"), (1_000, "1,000"), (20_000, "20,000"), (1_234_567, "1,234,567")]
        {
            assert_eq!(grouped(number), expected);
        }
    }
}
