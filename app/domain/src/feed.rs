//! What happened, as people and programs read it: CloudEvents 1.0 envelopes.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::{diff::FieldChange, kind::Kind, object::ObjectKey, state::Severity};

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventType {
    /// An object appeared.
    #[serde(rename = "hnp.resource.created")]
    Created,
    /// An object changed.
    #[serde(rename = "hnp.resource.updated")]
    Updated,
    /// An object is gone.
    #[serde(rename = "hnp.resource.deleted")]
    Deleted,
    /// The fabric's connectivity changed.
    #[serde(rename = "hnp.fabric.connectivity")]
    Connectivity,
    /// The watch of a kind changed its state.
    #[serde(rename = "hnp.watch.state")]
    Watch,
    /// Something about the telling itself, for example that nobody recorded for a while.
    #[serde(rename = "hnp.notice")]
    Notice,
    /// What became of something that somebody asked for.
    #[serde(rename = "hnp.job")]
    Job,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Updated,
        Self::Deleted,
        Self::Connectivity,
        Self::Watch,
        Self::Notice,
        Self::Job,
    ];

    /// The verb in a sentence: "switch leaf-01 *updated*".
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Connectivity => "connectivity",
            Self::Watch => "watch",
            Self::Notice => "notice",
            Self::Job => "job",
        }
    }

    /// The name in an envelope, `hnp.…`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "hnp.resource.created",
            Self::Updated => "hnp.resource.updated",
            Self::Deleted => "hnp.resource.deleted",
            Self::Connectivity => "hnp.fabric.connectivity",
            Self::Watch => "hnp.watch.state",
            Self::Notice => "hnp.notice",
            Self::Job => "hnp.job",
        }
    }

    /// The type with such a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A CloudEvents 1.0 envelope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Always `1.0`.
    pub specversion: String,
    /// Position in the feed, a growing number as text.
    pub id: String,
    /// `/fabrics/{fabric}`.
    pub source: String,
    /// What it tells.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// `Kind/namespace/name`, a kind, or absent for the fabric itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When we saw it, RFC 3339, UTC.
    pub time: String,
    /// The event itself.
    pub data: EventData,
}

/// Payload of an [`Event`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventData {
    /// How grave.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// Address on this server of what it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// `metadata.resourceVersion` of the object after the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Who made it: the newest field manager, where the cluster says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manager: Option<String>,
    /// What changed, field by field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<FieldChange>,
    /// How many further changed fields were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub truncated: usize,
    /// Whether it was found by comparing lists after an interruption, not seen as it happened.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_gap: bool,
    /// Whether it was found by comparing with what was recorded before a time in which nobody looked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_downtime: bool,
}

impl EventData {
    /// A sentence, and the address of what it concerns.
    pub fn said(severity: Severity, message: String, link: Option<String>) -> Self {
        Self {
            severity,
            message,
            link,
            version: None,
            manager: None,
            changes: Vec::new(),
            truncated: 0,
            after_gap: false,
            after_downtime: false,
        }
    }

    /// How it was found, where it was not seen as it happened.
    pub const fn found_how(&self) -> Option<&'static str> {
        match (self.after_gap, self.after_downtime) {
            (_, true) => Some("seen after downtime"),
            (true, false) => Some("found after an interruption"),
            (false, false) => None,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

impl Event {
    /// The object it is about, if it is about one.
    pub fn object(&self) -> Option<(Kind, ObjectKey)> {
        let (kind, key) = self.subject.as_deref()?.split_once('/')?;
        Some((Kind::from_name(kind)?, key.parse().ok()?))
    }
}

/// The last events of a fabric, oldest first; bounded, and honest about what fell out.
#[derive(Debug)]
pub struct FeedLog<E> {
    entries: VecDeque<(u64, E)>,
    next: u64,
    most: usize,
}

/// What follows a position in a feed.
#[derive(Debug, PartialEq, Eq)]
pub struct Since<E> {
    /// First and last position that are no longer held, if the position is older than what is.
    pub gap: Option<(u64, u64)>,
    /// The events after the position, oldest first.
    pub events: Vec<(u64, E)>,
}

impl<E: Clone> FeedLog<E> {
    /// An empty feed that keeps up to `most` events.
    pub fn new(most: usize) -> Self {
        Self { entries: VecDeque::new(), next: 1, most }
    }

    /// A feed that goes on where another stopped: its newest events, oldest first, and the position that
    /// the next one will have.
    pub fn resumed(most: usize, next: u64, entries: Vec<(u64, E)>) -> Self {
        let skip = entries.len().saturating_sub(most);
        let entries: VecDeque<_> = entries.into_iter().skip(skip).collect();
        let known = entries.back().map_or(0, |(position, _)| *position);
        Self { entries, next: next.max(known + 1).max(1), most }
    }

    /// Leaves positions out, so that the next event has this one at least.
    pub fn skip_to(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Position that the next event will have.
    pub fn next_position(&self) -> u64 {
        self.next
    }

    /// Position of the newest event; 0 before the first.
    pub fn head(&self) -> u64 {
        self.next - 1
    }

    /// Appends an event and returns its position.
    pub fn push(&mut self, event: E) -> u64 {
        let position = self.next;
        self.next += 1;
        self.entries.push_back((position, event));
        if self.entries.len() > self.most {
            self.entries.pop_front();
        }
        position
    }

    /// Everything after `position`.
    pub fn since(&self, position: u64) -> Since<E> {
        let oldest = self.entries.front().map_or(self.next, |(first, _)| *first);
        let gap = (position + 1 < oldest).then(|| (position + 1, oldest - 1));
        let events = self.entries.iter().filter(|(at, _)| *at > position).cloned().collect();
        Since { gap, events }
    }

    /// The newest `most` events, oldest first.
    pub fn newest(&self, most: usize) -> Vec<(u64, E)> {
        let skip = self.entries.len().saturating_sub(most);
        self.entries.iter().skip(skip).cloned().collect()
    }

    /// All events that are held, newest first.
    pub fn newest_first(&self) -> impl Iterator<Item = &(u64, E)> {
        self.entries.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_feed_drops_the_oldest_and_says_so() {
        let mut feed = FeedLog::new(3);
        for event in 1..=5 {
            feed.push(event);
        }
        assert_eq!(
            feed.since(0),
            Since { gap: Some((1, 2)), events: vec![(3, 3), (4, 4), (5, 5)] }
        );
        assert_eq!(feed.since(2), Since { gap: None, events: vec![(3, 3), (4, 4), (5, 5)] });
        assert_eq!(feed.since(5), Since { gap: None, events: vec![] });
        assert_eq!(feed.newest(2), vec![(4, 4), (5, 5)]);
    }

    #[test]
    fn a_resumed_feed_goes_on_and_never_gives_a_position_twice() {
        let mut feed = FeedLog::resumed(2, 3, vec![(1, 'a'), (2, 'b'), (7, 'c')]);
        assert_eq!(feed.next_position(), 8, "what is held counts more than what was said");
        assert_eq!(feed.since(0), Since { gap: Some((1, 1)), events: vec![(2, 'b'), (7, 'c')] });
        feed.skip_to(20);
        feed.skip_to(10);
        assert_eq!(feed.push('d'), 20);
        assert_eq!(feed.since(7), Since { gap: None, events: vec![(20, 'd')] });
    }

    #[test]
    fn types_have_one_name_each() {
        for kind in EventType::ALL {
            assert_eq!(EventType::from_name(kind.name()), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        assert_eq!(EventType::from_name("hnp.other"), None);
    }

    #[test]
    fn an_empty_feed_has_no_gap() {
        assert_eq!(FeedLog::<u8>::new(3).since(0), Since { gap: None, events: vec![] });
    }
}
