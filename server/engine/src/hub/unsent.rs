//! What a session has still to send: texts, and snapshots that are put into words only as the socket takes them.
//!
//! Invariant: a snapshot that waits costs its pointers and no text, however many connections wait for one.

use std::{collections::VecDeque, fmt::Write as _, sync::Arc, vec};

use domain::{
    log::Entry,
    topic::Topic,
    wire::{Cursor, View},
};

use super::{
    mailbox::Sub,
    payload::{Payload, quote},
};

/// Bytes of items per `snapshot` frame, roughly: a socket keeps a buffer as long as its longest frame for
/// good, and a browser should not parse for long without a pause.
const SNAPSHOT_BYTES: usize = 16 * 1024;

/// A place that a client has reached once it has taken a text.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) epoch: Arc<str>,
    pub(super) version: u64,
}

/// A text with what it means for a subscription.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) text: String,
    /// What it is about; it means nothing once that was begun anew. Numbered changes belong to the
    /// connection: none of them may be missing.
    pub(super) about: Option<Sub>,
    /// Where it brings that subscription.
    pub(super) mark: Option<(Sub, Mark)>,
}

/// One thing to send.
#[derive(Debug)]
pub(super) enum Unsent {
    /// A text.
    Text(Box<Said>),
    /// A whole topic, or what is left of it.
    Snapshot(Box<Snapshot>),
}

impl From<String> for Unsent {
    fn from(text: String) -> Self {
        Self::Text(Box::new(Said { text, about: None, mark: None }))
    }
}

impl Unsent {
    /// A text about a subscription that a later beginning of it makes void.
    pub(super) fn about(sub: Sub, text: String, mark: Option<Mark>) -> Self {
        Self::Text(Box::new(Said { text, about: Some(sub), mark: mark.map(|mark| (sub, mark)) }))
    }

    /// Numbered changes of a subscription.
    pub(super) fn changes(sub: Sub, text: String, mark: Mark) -> Self {
        Self::Text(Box::new(Said { text, about: None, mark: Some((sub, mark)) }))
    }

    /// Does not bring a subscription anywhere any more.
    pub(super) fn forget_mark(&mut self, sub: Sub) {
        if let Self::Text(said) = self {
            said.mark.take_if(|(marked, _)| *marked == sub);
        }
    }

    /// Whether it means nothing once a subscription was begun anew or given up.
    pub(super) fn is_about(&self, sub: Sub) -> bool {
        self.about_whom() == Some(sub)
    }

    /// The subscription that it means nothing without.
    pub(super) fn about_whom(&self) -> Option<Sub> {
        match self {
            Self::Text(said) => said.about,
            Self::Snapshot(snapshot) => Some(snapshot.sub),
        }
    }
}

/// A whole topic as of one moment.
#[derive(Debug)]
pub(super) struct Snapshot {
    sub: Sub,
    topic: Topic,
    view: View,
    at: Cursor,
    entries: vec::IntoIter<Entry<Arc<Payload>>>,
    total: usize,
}

impl Snapshot {
    /// All of these, as of a place.
    pub(super) fn new(
        sub: Sub,
        topic: Topic,
        view: View,
        at: Cursor,
        entries: Vec<Entry<Arc<Payload>>>,
    ) -> Self {
        Self { sub, topic, view, at, total: entries.len(), entries: entries.into_iter() }
    }

    /// The next frame; none after the last item.
    fn next_frame(&mut self) -> Option<String> {
        if self.entries.len() == 0 {
            return None;
        }
        let mut text = format!(r#"{{"t":"snapshot","topic":"{}","items":["#, self.topic);
        let mut first = true;
        for entry in self.entries.by_ref() {
            if !std::mem::take(&mut first) {
                text.push(',');
            }
            text.push_str(&entry.value.item(self.view, &entry.key, entry.version));
            if text.len() >= SNAPSHOT_BYTES {
                break;
            }
        }
        let (Cursor(epoch, version), total) = (&self.at, self.total);
        let done = total - self.entries.len();
        let _ = write!(
            text,
            r#"],"done":{done},"total":{total},"at":[{},"{version}"]}}"#,
            quote(epoch)
        );
        Some(text)
    }
}

/// Takes the next text out of what is to be sent, and where it brings its subscription.
pub(super) fn next_text(unsent: &mut VecDeque<Unsent>) -> Option<(String, Option<(Sub, Mark)>)> {
    loop {
        if let Unsent::Snapshot(snapshot) = unsent.front_mut()? {
            if let Some(text) = snapshot.next_frame() {
                return Some((text, None));
            }
            unsent.pop_front();
            continue;
        }
        if let Unsent::Text(said) = unsent.pop_front()? {
            // A long beginning leaves no room behind: most connections idle most of the time.
            if unsent.is_empty() {
                *unsent = VecDeque::new();
            }
            return Some((said.text, said.mark));
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::wire::ServerFrame;

    use super::*;
    use crate::clock::Stamp;

    fn frames(n: usize) -> Vec<ServerFrame> {
        let entry = |at: usize| Entry {
            key: Arc::from(format!("default/{at}")),
            version: at as u64,
            value: Arc::new(Payload::state(
                format!(r#"{{"text":"{}"}}"#, "x".repeat(400)),
                Stamp::received_now(),
            )),
        };
        let at = Cursor("e".to_owned(), 9);
        let snapshot = Snapshot::new(
            Sub(1),
            "state/f".parse().unwrap(),
            View::Row,
            at,
            (1..=n).map(entry).collect(),
        );
        let mut unsent = VecDeque::from([Unsent::Snapshot(Box::new(snapshot))]);
        std::iter::from_fn(|| next_text(&mut unsent))
            .map(|(text, _)| {
                assert!(text.len() < SNAPSHOT_BYTES + 1_000, "{} bytes in a frame", text.len());
                serde_json::from_str(&text).unwrap()
            })
            .collect()
    }

    #[test]
    fn short_frames_tell_the_whole_topic_once_and_count_up_to_the_total() {
        let (mut keys, mut dones) = (Vec::new(), Vec::new());
        for frame in frames(1_000) {
            let ServerFrame::Snapshot { items, done, total, .. } = frame else { panic!() };
            assert_eq!(total, 1_000);
            keys.extend(items.into_iter().map(|item| item.k));
            dones.push(done);
            assert_eq!(keys.len(), done);
        }
        assert!(dones.len() > 20, "{} frames", dones.len());
        assert_eq!(dones.last(), Some(&1_000));
        assert_eq!(keys, (1..=1_000).map(|at| format!("default/{at}")).collect::<Vec<_>>());
    }

    #[test]
    fn an_empty_topic_has_no_snapshot_frame() {
        assert!(frames(0).is_empty());
    }
}
