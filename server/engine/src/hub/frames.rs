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
    mailbox::{Delivery, Sub},
    payload::{Payload, quote},
    unsent::{Mark, Snapshot, Unsent},
};

/// Changes per `ch` of a resume.
const RESUME_CHANGES: usize = 256;
/// Bytes of changes per `ch` of a resume, roughly.
const RESUME_BYTES: usize = 64 * 1024;

/// How a subscription looks at its topic.
pub(super) struct Look<'a> {
    pub(super) sub: Sub,
    pub(super) topic: &'a Topic,
    pub(super) view: View,
    pub(super) filter: &'a Filter,
    pub(super) wish: Option<u32>,
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

fn synced(
    look: &Look<'_>,
    at: Cursor,
    recovered: Recovered,
    n: u64,
    total: Option<usize>,
) -> String {
    let (topic, n, s) = (look.topic.to_string(), Some(n), look.wish);
    serde_json::to_string(&ServerFrame::Synced { topic, at, recovered, n, total, s })
        .unwrap_or_default()
}

/// What a subscription begins with.
pub(super) struct Beginning {
    pub(super) frames: Vec<Unsent>,
    pub(super) recovered: Recovered,
}

impl Beginning {
    /// Whether the place that the client came with is still one until it is told another.
    pub(super) fn keeps_place(&self) -> bool {
        self.recovered != Recovered::None
    }

    /// Whether it tells more than "you have everything".
    pub(super) fn is_news(&self) -> bool {
        self.recovered != Recovered::Log || self.frames.len() > 1
    }
}

pub(super) fn feed_frames(look: &Look<'_>, begin: &FeedBegin, n: u64) -> Beginning {
    let Look { sub, topic, .. } = *look;
    let mut frames = Vec::new();
    let Cursor(epoch, _) = &begin.at;
    let epoch: Arc<str> = epoch.as_str().into();
    let mark = |version: u64| Some(Mark { epoch: Arc::clone(&epoch), version });
    if !begin.resumed {
        // Positions count anew: whoever stands further in another feed would drop what is told now.
        let first = begin.since.events.first().map(|(position, _)| position.saturating_sub(1));
        let first = first.unwrap_or(begin.at.1);
        let at = Cursor(epoch.to_string(), first);
        frames.push(Unsent::about(sub, synced(look, at, Recovered::None, n, None), mark(first)));
    }
    if let Some((from, to)) = begin.since.gap {
        frames.push(Unsent::about(sub, gap(topic, from, to), mark(to)));
    }
    let events = begin.since.events.iter();
    frames.extend(
        events.map(|(position, text)| {
            Unsent::about(sub, evt(topic, *position, text), mark(*position))
        }),
    );
    let recovered = if begin.resumed { Recovered::Log } else { Recovered::None };
    let synced = synced(look, begin.at.clone(), recovered, n, None);
    frames.push(Unsent::about(sub, synced, mark(begin.at.1)));
    Beginning { frames, recovered }
}

pub(super) fn gap(topic: &Topic, from: u64, to: u64) -> String {
    let (topic, from, to) = (topic.to_string(), from.to_string(), to.to_string());
    serde_json::to_string(&ServerFrame::Gap { topic, from, to }).unwrap_or_default()
}

pub(super) fn keyed_frames(look: &Look<'_>, begin: Begin, n: &mut u64) -> Beginning {
    let Look { sub, topic, view, filter, .. } = look;
    let at = Cursor(begin.epoch.to_string(), begin.head);
    let mut frames = Vec::new();
    let mut total = None;
    let recovered = match begin.resume {
        Resume::None(mut entries) => {
            entries.retain(|entry| filter.passes(&entry.key, &entry.value));
            total = Some(entries.len());
            let snapshot = Snapshot::new(*sub, (*topic).clone(), *view, at.clone(), entries);
            frames.push(Unsent::Snapshot(Box::new(snapshot)));
            Recovered::None
        }
        Resume::Log(changes) => {
            frames.extend(change_frames(look, &begin.epoch, &changes, n));
            Recovered::Log
        }
        Resume::Keys(changes, live) => {
            // Before the changes: they move the cursor, and whoever is cut off after them gets no second list.
            let live =
                live.iter().filter(|key| filter.passes_key(key)).map(|key| key_hash(key)).collect();
            let keys = ServerFrame::Keys { topic: topic.to_string(), live };
            let text = serde_json::to_string(&keys).unwrap_or_default();
            // Never taken back: nor are the changes after it, which would move the cursor past ghosts.
            frames.push(Unsent::from(text));
            frames.extend(change_frames(look, &begin.epoch, &changes, n));
            Recovered::Keys
        }
    };
    let mark = Mark { epoch: begin.epoch, version: begin.head };
    frames.push(Unsent::about(*sub, synced(look, at, recovered, *n, total), Some(mark)));
    Beginning { frames, recovered }
}

fn change_frames(
    look: &Look<'_>,
    epoch: &Arc<str>,
    changes: &[Change<Arc<Payload>>],
    n: &mut u64,
) -> Vec<Unsent> {
    let mut frames = Vec::new();
    let mut ops: Vec<Arc<str>> = Vec::new();
    let (mut bytes, mut last) = (0, 0);
    // The first part follows on whatever place the client came with.
    let mut from = 0;
    let mut cut = |ops: &mut Vec<Arc<str>>, last: u64| {
        if ops.is_empty() {
            return;
        }
        *n += 1;
        // Several deletes may share a version: until `synced`, the place stays below the part's last one.
        let place = last.saturating_sub(1);
        let text = ch(*n, look.topic, epoch, Span { from, to: place }, None, ops);
        let mark = Mark { epoch: Arc::clone(epoch), version: place };
        frames.push(Unsent::changes(look.sub, text, mark));
        from = place;
        ops.clear();
    };
    for (version, op) in changes.iter().filter_map(|change| resumed(look, change)) {
        if ops.len() >= RESUME_CHANGES || bytes >= RESUME_BYTES {
            cut(&mut ops, last);
            bytes = 0;
        }
        bytes += op.len();
        last = version;
        ops.push(op);
    }
    cut(&mut ops, last);
    frames
}

/// A change as somebody sees it who comes back; none if it is not for them.
fn resumed(look: &Look<'_>, change: &Change<Arc<Payload>>) -> Option<(u64, Arc<str>)> {
    let Look { view, filter, .. } = look;
    let (key, version) = (change.key(), change.version());
    if !filter.passes_key(key) {
        return None;
    }
    let op = match change {
        Change::Put(entry) if filter.passes(key, &entry.value) => {
            entry.value.put(*view, key, version, 0)
        }
        // It may have been selected before: whoever does not hold it ignores this.
        Change::Put(_) => format!(r#"{{"op":"out","k":{},"v":"{version}"}}"#, quote(key)).into(),
        Change::Gone(_) => format!(r#"{{"op":"del","k":{},"v":"{version}"}}"#, quote(key)).into(),
    };
    Some((version, op))
}
