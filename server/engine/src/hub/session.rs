//! The server's end of one live connection, sans I/O: frames in, texts out.
//!
//! The socket loop moves bytes and measures time; everything that is said is said here, by hand-made
//! JSON around shared encodings.
//!
//! Invariant: nothing that a client sends can panic, or grow memory beyond the limits below.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write as _,
    sync::Arc,
};

use domain::{
    hex::hex,
    log::Entry,
    topic::{Selection, Topic},
    wire::{
        At, ClientFrame, Close, Cursor, ErrCode, PING_MS, PONG_MS, PROTOCOL, ServerFrame, View,
        Want,
    },
};

use super::{
    Cell, Hub,
    filter::Filter,
    frames::{Look, Span, ch, evt, feed_frames, keyed_frames, op},
    keyed::{Reader, ReaderId},
    mailbox::{Delivery, Mail, Mailbox, Sub},
    unsent::{self, Unsent},
};
use crate::{clock::now_ms, metrics::Metrics};

/// Most topics that a client may ask for by name.
pub const MOST_TOPICS: usize = 256;
/// Most keys or characters of a label selector in one want.
const LONGEST_SELECTOR: usize = 4_096;
/// Longest wildcard token, in bytes.
const LONGEST_TOKEN: usize = 4_096;
/// Bad frames after which a connection is closed.
const MOST_BAD_FRAMES: u32 = 5;

/// One subscription.
#[derive(Debug)]
struct Following {
    topic: Topic,
    view: View,
    filter: Filter,
    reader: ReaderId,
    cell: Cell,
    epoch: Arc<str>,
    /// Version up to which everything was sent; none until it was begun.
    sent: Option<u64>,
}

impl Following {
    fn look(&self) -> Look<'_> {
        Look { topic: &self.topic, view: self.view, filter: &self.filter }
    }
}

/// A wildcard that was asked for.
#[derive(Debug)]
struct Wildcard {
    selection: Selection,
    want: Want,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    hub: Arc<Hub>,
    mailbox: Arc<Mailbox>,
    /// Boxed, since a map of few has room for eleven.
    following: BTreeMap<Sub, Box<Following>>,
    wildcards: Vec<Wildcard>,
    next_sub: u32,
    greeted: bool,
    n: u64,
    bad_frames: u32,
    out: VecDeque<Unsent>,
}

/// What the socket loop is to do after something was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Continue,
    /// Send what waits and close.
    Close(Close),
}

impl Session {
    /// A session that has heard nothing.
    pub fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            mailbox: Arc::default(),
            following: BTreeMap::new(),
            wildcards: Vec::new(),
            next_sub: 0,
            greeted: false,
            n: 0,
            bad_frames: 0,
            out: VecDeque::new(),
        }
    }

    /// What waits for this session.
    pub fn mailbox(&self) -> Arc<Mailbox> {
        Arc::clone(&self.mailbox)
    }

    /// Takes a message. Answers go to [`Self::next_text`].
    pub fn hear(&mut self, text: &str) -> Verdict {
        let frame = match serde_json::from_str::<ClientFrame>(text) {
            Ok(frame) => frame,
            Err(error) => {
                return self.bad_frame(&format!(
                    "not a frame of hnp.live.v1: {error}; see the protocol's section 3"
                ));
            }
        };
        match frame {
            ClientFrame::Hello { protocol, topics, .. } => return self.hello(protocol, topics),
            _ if !self.greeted => return self.bad_frame("the first frame must be `hello`"),
            ClientFrame::Sub { topics } => return self.follow_all(topics),
            ClientFrame::Unsub { topics } => topics.iter().for_each(|topic| self.unfollow(topic)),
            ClientFrame::Pong { .. } => {}
            ClientFrame::Ping { n } => self.say(&ServerFrame::Pong { n, at: None }),
            ClientFrame::Resync { topic } => self.resync(&topic),
            ClientFrame::Need { topic, key } => self.need(&topic, &key),
        }
        Verdict::Continue
    }

    /// Answers something that is no frame.
    pub fn bad_frame(&mut self, message: &str) -> Verdict {
        Metrics::add(&self.hub.metrics.bad_frames, 1);
        self.bad_frames += 1;
        self.refuse(None, ErrCode::BadFrame, message.to_owned());
        if self.bad_frames >= MOST_BAD_FRAMES {
            self.goodbye(Close::BadFrames, None)
        } else {
            Verdict::Continue
        }
    }

    /// Says that the connection ends.
    pub fn goodbye(&mut self, close: Close, reconnect_in_ms: Option<u64>) -> Verdict {
        self.say(&ServerFrame::Bye {
            code: close.code(),
            reason: close.reason().to_owned(),
            reconnect_in_ms,
        });
        Verdict::Close(close)
    }

    /// The next text to send: answers first, then what waits in the mailbox.
    pub fn next_text(&mut self) -> Option<String> {
        loop {
            if let Some(text) = unsent::next_text(&mut self.out) {
                return Some(text);
            }
            match self.mailbox.take()? {
                Mail::Changes(sub, changes, place) => self.changes(sub, &changes, place),
                Mail::Events(sub, gap, events) => self.events(sub, gap, &events),
                Mail::Reset(sub) => self.begin(sub, None),
            }
        }
    }

    /// Whether [`Self::next_text`] would give something.
    pub fn has_more(&self) -> bool {
        !self.out.is_empty() || self.mailbox.n_waiting() > 0
    }

    /// Follows topics that appeared, and forgets those that went.
    pub fn reconcile(&mut self) {
        let gone: Vec<Sub> = self
            .following
            .iter()
            .filter(|(_, following)| self.hub.cell(&following.topic).is_none())
            .map(|(sub, _)| *sub)
            .collect();
        for sub in gone {
            if let Some(following) = self.drop_sub(sub) {
                self.say(&ServerFrame::Revoke {
                    topic: following.topic.to_string(),
                    reason: "gone".to_owned(),
                });
            }
        }
        let followed: BTreeSet<Topic> =
            self.following.values().map(|following| following.topic.clone()).collect();
        let mut found = Vec::new();
        for wildcard in &self.wildcards {
            let topics = self
                .hub
                .select(&wildcard.selection)
                .into_iter()
                .filter(|topic| !followed.contains(topic));
            found.extend(topics.map(|topic| (topic, wildcard.want.clone())));
        }
        for (topic, want) in found {
            self.follow(topic, &want, None);
        }
    }

    /// Says that we are here, and where each topic stands.
    pub fn ping(&mut self) {
        let idle: Vec<(Sub, u64)> = self
            .following
            .iter()
            .filter_map(|(sub, following)| {
                Some((*sub, self.mailbox.idle_head(*sub)?))
                    .filter(|(_, head)| following.sent.is_some_and(|sent| *head > sent))
            })
            .collect();
        for (sub, head) in idle {
            // Nothing of what moved the head concerned this subscription: its cursor moves all the same.
            self.changes(sub, &[], head);
        }
        let heads = self.following.values().filter_map(|following| {
            let Cell::Keyed(keyed) = &following.cell else { return None };
            Some((
                following.topic.to_string(),
                following.sent?.to_string(),
                keyed.watch().word().to_owned(),
                None,
            ))
        });
        let frame = ServerFrame::Ping {
            ts: u64::try_from(now_ms()).unwrap_or_default(),
            heads: heads.collect(),
            token: self.token(),
            n: Some(self.n),
        };
        self.say(&frame);
    }

    fn hello(&mut self, protocol: u32, topics: Vec<Want>) -> Verdict {
        if protocol != PROTOCOL {
            return self.goodbye(Close::UnknownProtocol, None);
        }
        if std::mem::replace(&mut self.greeted, true) {
            return self.bad_frame("`hello` comes once; use `sub`");
        }
        let mut sid = [0_u8; 8];
        rand::fill(&mut sid);
        self.say(&ServerFrame::Welcome {
            protocol: PROTOCOL,
            sid: hex(&sid),
            user: None,
            build: env!("CARGO_PKG_VERSION").to_owned(),
            ping_ms: PING_MS,
            pong_ms: PONG_MS,
            session_expires: None,
        });
        self.follow_all(topics)
    }

    fn follow_all(&mut self, wants: Vec<Want>) -> Verdict {
        for want in wants {
            if self.wildcards.len() + self.following.len() >= MOST_TOPICS
                && !self.is_followed(&want.topic)
            {
                self.refuse(
                    Some(want.topic),
                    ErrCode::TooMany,
                    format!(
                        "at most {MOST_TOPICS} topics per connection; use `*` or unsubscribe first"
                    ),
                );
                return self.goodbye(Close::TooLarge, None);
            }
            self.follow_want(want);
        }
        Verdict::Continue
    }

    fn is_followed(&self, topic: &str) -> bool {
        self.following.values().any(|following| following.topic.to_string() == topic)
    }

    fn follow_want(&mut self, want: Want) {
        let selection: Selection = match want.topic.parse() {
            Ok(selection) => selection,
            Err(error) => {
                return self.refuse(Some(want.topic), ErrCode::UnknownTopic, error.to_string());
            }
        };
        if selection.is_wildcard() {
            let places = match &want.at {
                Some(At::Token(token)) => read_token(token),
                Some(At::Cursor(_)) | None => BTreeMap::new(),
            };
            let topics = self.hub.select(&selection);
            self.wildcards.retain(|known| known.want.topic != want.topic);
            for topic in topics {
                let place = places.get(&topic.to_string());
                self.follow(topic, &want, place);
            }
            self.wildcards.push(Wildcard { selection, want });
            return;
        }
        match want.topic.parse::<Topic>() {
            Ok(topic) if self.hub.cell(&topic).is_some() => {
                let place = match &want.at {
                    Some(At::Cursor(cursor)) => Some(cursor),
                    Some(At::Token(_)) | None => None,
                };
                self.follow(topic, &want, place);
            }
            _ => {
                let message = format!(
                    "there is no topic `{}` here; the overview lists the fabrics",
                    want.topic
                );
                self.refuse(Some(want.topic), ErrCode::UnknownTopic, message);
            }
        }
    }

    fn follow(&mut self, topic: Topic, want: &Want, place: Option<&Cursor>) {
        let too_long = want.labels.as_ref().is_some_and(|labels| labels.len() > LONGEST_SELECTOR)
            || want.keys.as_ref().is_some_and(|keys| keys.len() > LONGEST_SELECTOR);
        let labels = match want.labels.as_deref().map(str::parse).transpose() {
            Ok(labels) if !too_long => labels,
            Ok(_) => {
                return self.refuse(
                    Some(want.topic.clone()),
                    ErrCode::BadSelector,
                    "the selector is too long".to_owned(),
                );
            }
            Err(error) => {
                return self.refuse(
                    Some(want.topic.clone()),
                    ErrCode::BadSelector,
                    domain_error(&error),
                );
            }
        };
        let Some(cell) = self.hub.cell(&topic) else { return };
        let known = self
            .following
            .iter()
            .find(|(_, following)| following.topic == topic)
            .map(|(sub, _)| *sub);
        if let Some(known) = known {
            self.drop_sub(known);
        }
        let sub = Sub(self.next_sub);
        self.next_sub += 1;
        let filter =
            Filter { keys: want.keys.clone().map(|keys| keys.into_iter().collect()), labels };
        self.following.insert(
            sub,
            Box::new(Following {
                topic,
                view: want.view,
                filter,
                reader: ReaderId::fresh(),
                cell,
                epoch: Arc::from(""),
                sent: None,
            }),
        );
        self.begin(sub, place);
    }

    /// Subscribes at a place and says what was missed.
    fn begin(&mut self, sub: Sub, place: Option<&Cursor>) {
        let Some(following) = self.following.get_mut(&sub) else { return };
        following.sent = None;
        let at = place.map(|Cursor(epoch, version)| (epoch.as_str(), *version));
        let frames = match &following.cell {
            Cell::Feed(feed) => {
                let begin = feed.subscribe(following.reader, Arc::clone(&self.mailbox), sub, at);
                following.sent = Some(begin.at.1);
                feed_frames(&following.topic, &begin, self.n)
            }
            Cell::Keyed(keyed) => {
                let reader = Reader {
                    mailbox: Arc::clone(&self.mailbox),
                    sub,
                    filter: following.filter.clone(),
                };
                // None: nobody knows yet; the topic resets us once it was listed.
                let Some(begin) = keyed.subscribe(following.reader, reader, at) else { return };
                following.epoch = Arc::clone(&begin.epoch);
                following.sent = Some(begin.head);
                keyed_frames(&following.look(), begin, &mut self.n)
            }
        };
        self.out.extend(frames);
    }

    fn changes(&mut self, sub: Sub, changes: &[domain::outbox::Waiting<Delivery>], place: u64) {
        let Some(following) = self.following.get_mut(&sub) else { return };
        let Some(sent) = following.sent else { return };
        following.sent = Some(sent.max(place));
        let mut newest = None;
        let mut ops = Vec::with_capacity(changes.len());
        for waiting in changes {
            Metrics::add(&self.hub.metrics.folded, u64::from(waiting.folded));
            if let Delivery::Put { payload, .. } = &waiting.change {
                newest = Some(payload.stamp);
                self.hub.metrics.hub_to_socket.observe_us(payload.stamp.us_since_published());
            }
            ops.push(op(following.view, waiting));
        }
        Metrics::add(&self.hub.metrics.sent, ops.len() as u64);
        self.n += 1;
        let stamps = newest.map(|stamp| [stamp.received_ms, stamp.published_ms, now_ms()]);
        let span = Span { from: sent, to: place.max(sent) };
        let text = ch(self.n, &following.topic, &following.epoch, span, stamps, &ops);
        self.out.push_back(text.into());
    }

    fn events(&mut self, sub: Sub, gap: Option<(u64, u64)>, events: &[(u64, Arc<str>)]) {
        let Some(following) = self.following.get_mut(&sub) else { return };
        if let Some((position, _)) = events.last() {
            following.sent = Some(*position);
        }
        let topic = following.topic.clone();
        if let Some((from, to)) = gap {
            self.say(&ServerFrame::Gap {
                topic: topic.to_string(),
                from: from.to_string(),
                to: to.to_string(),
            });
        }
        let events = events.iter().map(|(position, text)| evt(&topic, *position, text).into());
        self.out.extend(events);
    }

    fn resync(&mut self, topic: &str) {
        let found = self
            .following
            .iter()
            .find(|(_, following)| following.topic.to_string() == topic)
            .map(|(sub, _)| *sub);
        match found {
            Some(sub) => self.begin(sub, None),
            None => self.refuse(
                Some(topic.to_owned()),
                ErrCode::UnknownTopic,
                "you do not follow this topic".to_owned(),
            ),
        }
    }

    fn need(&mut self, topic: &str, key: &str) {
        let found = self
            .following
            .values()
            .find(|following| following.topic.to_string() == topic && following.sent.is_some());
        let Some(following) = found else {
            return self.refuse(
                Some(topic.to_owned()),
                ErrCode::UnknownTopic,
                "you do not follow this topic".to_owned(),
            );
        };
        let Cell::Keyed(keyed) = &following.cell else { return };
        let entry = keyed
            .read(|log| log.get(key).cloned())
            .filter(|entry| following.filter.passes(key, &entry.value));
        let Some(Entry { version, value, .. }) = entry else { return };
        self.n += 1;
        let ops = [value.put(following.view, key, version, 0)];
        let sent = following.sent.unwrap_or_default();
        let span = Span { from: sent, to: sent };
        let text = ch(self.n, &following.topic, &following.epoch, span, None, &ops);
        self.out.push_back(text.into());
    }

    fn unfollow(&mut self, topic: &str) {
        self.wildcards.retain(|known| known.want.topic != topic);
        let Ok(selection) = topic.parse::<Selection>() else { return };
        let subs: Vec<Sub> = self
            .following
            .iter()
            .filter(|(_, following)| selection.matches(&following.topic))
            .map(|(sub, _)| *sub)
            .collect();
        for sub in subs {
            self.drop_sub(sub);
        }
    }

    fn drop_sub(&mut self, sub: Sub) -> Option<Box<Following>> {
        let following = self.following.remove(&sub)?;
        match &following.cell {
            Cell::Keyed(keyed) => keyed.unsubscribe(following.reader),
            Cell::Feed(feed) => feed.unsubscribe(following.reader),
        }
        self.mailbox.close(sub);
        Some(following)
    }

    /// Places of everything that wildcards brought, opaque to the client; none if there is no wildcard or it grew too long.
    fn token(&self) -> Option<String> {
        if self.wildcards.is_empty() {
            return None;
        }
        let wild =
            |topic: &Topic| self.wildcards.iter().any(|wildcard| wildcard.selection.matches(topic));
        let mut token = String::new();
        for following in self.following.values().filter(|following| wild(&following.topic)) {
            let Some(sent) = following.sent else { continue };
            let epoch: &str = match &following.cell {
                Cell::Keyed(_) => &following.epoch,
                Cell::Feed(feed) => &feed.newest(0).0.0,
            };
            let _ = write!(token, "{}={epoch}:{sent};", following.topic);
        }
        (token.len() <= LONGEST_TOKEN).then_some(token)
    }

    fn refuse(&mut self, topic: Option<String>, code: ErrCode, message: String) {
        let topic = topic.map(|topic| topic.chars().take(200).collect());
        self.say(&ServerFrame::Err { topic, code, message });
    }

    fn say(&mut self, frame: &ServerFrame) {
        if let Ok(text) = serde_json::to_string(frame) {
            self.out.push_back(text.into());
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let subs: Vec<Sub> = self.following.keys().copied().collect();
        for sub in subs {
            self.drop_sub(sub);
        }
    }
}

fn domain_error(error: &domain::wire::labels::LabelsError) -> String {
    error.to_string()
}

fn read_token(token: &str) -> BTreeMap<String, Cursor> {
    let part = |part: &str| {
        let (topic, place) = part.split_once('=')?;
        let (epoch, version) = place.rsplit_once(':')?;
        Some((topic.to_owned(), Cursor(epoch.to_owned(), version.parse().ok()?)))
    };
    token.chars().take(LONGEST_TOKEN).collect::<String>().split(';').filter_map(part).collect()
}

/// The frames of an HTTP snapshot of topics: for each, what a subscription from its place would begin with.
/// A topic that was never complete gives nothing, which the client reads as "loading".
pub fn snapshot(hub: &Arc<Hub>, wants: Vec<Want>) -> Vec<String> {
    let mut session = Session::new(Arc::clone(hub));
    session.greeted = true;
    session.follow_all(wants);
    std::iter::from_fn(|| unsent::next_text(&mut session.out)).collect()
}
