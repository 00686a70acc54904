//! The texts of frames, put together by hand around encodings that all readers share.
//!
//! Invariant: whatever is written here reads back as the protocol's types; nothing is subscribed or
//! taken here.

use std::{fmt::Write as _, sync::Arc};

use domain::{
    log::{Change, Resume},
    outbox::Waiting,
    topic::Topic,
    wire::{Cursor, Recovered, ServerFrame, View, key_hash},
};

use super::{
    feed::FeedBegin,
    filter::Filter,
    keyed::Begin,
    mailbox::Delivery,
    payload::{Payload, quote},
    unsent::{Snapshot, Unsent},
};

/// Changes per `ch` of a resume.
const RESUME_CHANGES: usize = 256;

/// How a subscription looks at its topic.
pub(super) struct Look<'a> {
    pub(super) topic: &'a Topic,
    pub(super) view: View,
    pub(super) filter: &'a Filter,
}

pub(super) fn op(view: View, waiting: &Waiting<Delivery>) -> Arc<str> {
    let (key, version) = (&*waiting.key, waiting.version);
    match &waiting.change {
        Delivery::Put { payload, patchable } => {
            let patch = if *patchable && waiting.folded == 0 {
                payload.patch(view, key, version)
            } else {
                None
            };
            patch.unwrap_or_else(|| payload.put(view, key, version, waiting.folded))
        }
        Delivery::Gone { uid } if uid.is_empty() => {
            format!(r#"{{"op":"del","k":{},"v":"{version}"}}"#, quote(key)).into()
        }
        Delivery::Gone { uid } => {
            format!(r#"{{"op":"del","k":{},"uid":{},"v":"{version}"}}"#, quote(key), quote(uid))
                .into()
        }
        Delivery::Out => format!(r#"{{"op":"out","k":{},"v":"{version}"}}"#, quote(key)).into(),
    }
}

/// Versions before and after some changes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) to: u64,
}

pub(super) fn ch(
    n: u64,
    topic: &Topic,
    epoch: &str,
    span: Span,
    stamps: Option<[i64; 3]>,
    ops: &[Arc<str>],
) -> String {
    let Span { from, to } = span;
    let mut text = String::with_capacity(160 + ops.iter().map(|op| op.len() + 1).sum::<usize>());
    let _ = write!(
        text,
        r#"{{"t":"ch","n":{n},"topic":"{topic}","at":[{},"{to}"],"from":"{from}","ms":["#,
        quote(epoch)
    );
    if let Some([received, published, written]) = stamps {
        let _ = write!(text, "{received},{published},{written}");
    }
    text.push_str(r#"],"b":["#);
    join(&mut text, ops.iter().map(|op| &**op));
    text.push_str("]}");
    text
}

fn join<'a>(text: &mut String, parts: impl Iterator<Item = &'a str>) {
    for (at, part) in parts.enumerate() {
        if at > 0 {
            text.push(',');
        }
        text.push_str(part);
    }
}

pub(super) fn evt(topic: &Topic, position: u64, event: &str) -> String {
    format!(r#"{{"t":"evt","topic":"{topic}","id":"{position}","e":{event}}}"#)
}

fn synced(topic: &Topic, at: Cursor, recovered: Recovered, n: u64, total: Option<usize>) -> String {
    let topic = topic.to_string();
    serde_json::to_string(&ServerFrame::Synced { topic, at, recovered, n: Some(n), total })
        .unwrap_or_default()
}

pub(super) fn feed_frames(topic: &Topic, begin: &FeedBegin, n: u64) -> Vec<Unsent> {
    let mut frames = Vec::new();
    if let Some((from, to)) = begin.since.gap {
        let gap = ServerFrame::Gap {
            topic: topic.to_string(),
            from: from.to_string(),
            to: to.to_string(),
        };
        frames.push(serde_json::to_string(&gap).unwrap_or_default().into());
    }
    let events = begin.since.events.iter();
    frames.extend(events.map(|(position, text)| Unsent::from(evt(topic, *position, text))));
    let recovered = if begin.resumed { Recovered::Log } else { Recovered::None };
    frames.push(synced(topic, begin.at.clone(), recovered, n, None).into());
    frames
}

pub(super) fn keyed_frames(look: &Look<'_>, begin: Begin, n: &mut u64) -> Vec<Unsent> {
    let Look { topic, view, filter } = look;
    let at = Cursor(begin.epoch.to_string(), begin.head);
    let mut frames = Vec::new();
    let mut total = None;
    let recovered = match begin.resume {
        Resume::None(mut entries) => {
            entries.retain(|entry| filter.passes(&entry.key, &entry.value));
            total = Some(entries.len());
            let snapshot = Snapshot::new((*topic).clone(), *view, at.clone(), entries);
            frames.push(Unsent::Snapshot(Box::new(snapshot)));
            Recovered::None
        }
        Resume::Log(changes) => {
            frames.extend(
                change_frames(look, &begin.epoch, changes, n).into_iter().map(Unsent::from),
            );
            Recovered::Log
        }
        Resume::Keys(changes, live) => {
            // Before the changes: they move the cursor, and whoever is cut off after them gets no second list.
            let live =
                live.iter().filter(|key| filter.passes_key(key)).map(|key| key_hash(key)).collect();
            frames.push(
                serde_json::to_string(&ServerFrame::Keys { topic: topic.to_string(), live })
                    .unwrap_or_default()
                    .into(),
            );
            frames.extend(
                change_frames(look, &begin.epoch, changes, n).into_iter().map(Unsent::from),
            );
            Recovered::Keys
        }
    };
    frames.push(synced(topic, at, recovered, *n, total).into());
    frames
}

fn change_frames(
    look: &Look<'_>,
    epoch: &str,
    changes: Vec<Change<Arc<Payload>>>,
    n: &mut u64,
) -> Vec<String> {
    let Look { topic, view, filter } = look;
    let mut frames = Vec::new();
    let all: Vec<(u64, Arc<str>)> = changes
        .into_iter()
        .filter_map(|change| match change {
            Change::Put(entry) if filter.passes(&entry.key, &entry.value) => {
                Some((entry.version, entry.value.put(*view, &entry.key, entry.version, 0)))
            }
            // It may have been selected before: whoever does not hold it ignores this.
            Change::Put(entry) if filter.passes_key(&entry.key) => Some((
                entry.version,
                format!(r#"{{"op":"out","k":{},"v":"{}"}}"#, quote(&entry.key), entry.version)
                    .into(),
            )),
            Change::Gone(tombstone) if filter.passes_key(&tombstone.key) => Some((
                tombstone.version,
                format!(
                    r#"{{"op":"del","k":{},"v":"{}"}}"#,
                    quote(&tombstone.key),
                    tombstone.version
                )
                .into(),
            )),
            Change::Put(_) | Change::Gone(_) => None,
        })
        .collect();
    // The first chunk follows on whatever place the client came with.
    let mut from = 0;
    for chunk in all.chunks(RESUME_CHANGES) {
        *n += 1;
        // Several deletes may share a version: until `synced`, the place stays below the chunk's last one.
        let place = chunk.last().map_or(0, |(version, _)| version.saturating_sub(1));
        let ops: Vec<Arc<str>> = chunk.iter().map(|(_, op)| Arc::clone(op)).collect();
        frames.push(ch(*n, topic, epoch, Span { from, to: place }, None, &ops));
        from = place;
    }
    frames
}
