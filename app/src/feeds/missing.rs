//! Positions of a feed that are not here, though events on both sides of them may be.
//!
//! Invariant: ranges are ascending and do not touch; a position that is here is in none. Between two ranges
//! lies an event that is held, so there are few.

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Missing(Vec<(u64, u64)>);

impl Missing {
    /// These positions are not here.
    pub(super) fn add(&mut self, first: u64, last: u64) {
        if first > last {
            return;
        }
        let (mut first, mut last) = (first, last);
        self.0.retain(|(from, to)| {
            let apart = to.saturating_add(1) < first || last.saturating_add(1) < *from;
            if !apart {
                (first, last) = (first.min(*from), last.max(*to));
            }
            apart
        });
        let at = self.0.partition_point(|(from, _)| *from < first);
        self.0.insert(at, (first, last));
    }

    /// This one is here now.
    pub(super) fn found(&mut self, position: u64) {
        let Some(at) = self.0.iter().position(|(from, to)| (*from..=*to).contains(&position))
        else {
            return;
        };
        let (from, to) = self.0.remove(at);
        if position < to {
            self.0.insert(at, (position.saturating_add(1), to));
        }
        if from < position {
            self.0.insert(at, (from, position.saturating_sub(1)));
        }
    }

    /// What lies before this one is of no interest.
    pub(super) fn forget_before(&mut self, position: u64) {
        self.0.retain(|(_, to)| *to >= position);
    }

    /// How many, and where: "12 events are not here (7–18)"; none where nothing is missing.
    pub(super) fn text(&self) -> Option<String> {
        let count: u64 = self.0.iter().map(|(from, to)| to - from + 1).sum();
        let first = self.0.first().map(|(from, _)| *from)?;
        let last = self.0.last().map(|(_, to)| *to)?;
        let (events, of) = (
            if count == 1 { "event is" } else { "events are" },
            if self.0.len() == 1 { "" } else { "of " },
        );
        Some(match (count, of) {
            (1, _) => format!("1 {events} not here ({first})"),
            (_, of) => format!("{count} {events} not here ({of}{first}–{last})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_missing_is_told_with_its_number_and_place() {
        let mut missing = Missing::default();
        assert_eq!(missing.text(), None);
        missing.add(7, 18);
        assert_eq!(missing.text().unwrap(), "12 events are not here (7–18)");
        missing.found(9);
        assert_eq!(missing.text().unwrap(), "11 events are not here (of 7–18)");
        missing.forget_before(9);
        assert_eq!(missing.text().unwrap(), "9 events are not here (10–18)");
        (10..18).for_each(|position| missing.found(position));
        assert_eq!(missing.text().unwrap(), "1 event is not here (18)");
    }

    proptest! {
        #[test]
        fn ranges_are_the_set_of_what_was_missed_and_not_found(acts in prop::collection::vec((0_u64..40, 0_u64..9, any::<bool>()), 0..40)) {
            let (mut missing, mut set) = (Missing::default(), BTreeSet::new());
            for (from, length, found) in acts {
                if found {
                    missing.found(from);
                    set.remove(&from);
                } else {
                    missing.add(from, from + length);
                    set.extend(from..=from + length);
                }
            }
            let told: Vec<u64> = missing.0.iter().flat_map(|(from, to)| *from..=*to).collect();
            prop_assert_eq!(told, set.into_iter().collect::<Vec<_>>());
            prop_assert!(missing.0.windows(2).all(|pair| pair[0].1 + 1 < pair[1].0), "{:?}", missing);
        }
    }
}
