//! The server's end of one live connection, sans I/O: frames in, texts out.
//!
//! The loops of the transports move bytes and measure time; everything that is said is said here, by
//! hand-made JSON around shared encodings.
//!
//! Invariant: nothing that a client sends can panic, or grow memory beyond the limits below; what waits to
//! be sent holds each subscription's beginning at most once.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use domain::{
    access::{Action, Subject, Who},
    account::UserName,
    hex::hex,
    log::Entry,
    time::Timestamp,
    topic::{Selection, Topic},
    wire::{
        ClientFrame, Close, Cursor, ErrCode, PING_MS, PONG_MS, PROTOCOL, ServerFrame, View, Want,
    },
};

mod follow;

use self::follow::{Lens, epoch_of};
use super::{
    Cell, Hub,
    frames::{Look, Span, ch, evt, gap, op},
    keyed::ReaderId,
    mailbox::{Delivery, Mail, Mailbox, Sub},
    token::Token,
    unsent::{self, Mark, Unsent},
};
use crate::{clock::now_ms, metrics::Metrics};

/// Most topics that a client may ask for by name, unless configured otherwise; a wildcard is one.
pub const MOST_TOPICS: usize = 256;
/// Bad frames after which a connection is closed.
const MOST_BAD_FRAMES: u32 = 5;

/// One subscription.
#[derive(Debug)]
struct Following {
    topic: Topic,
    lens: Arc<Lens>,
    /// Whether it was asked for by its name; else it is here for a wildcard's sake.
    named: bool,
    reader: ReaderId,
    cell: Cell,
    epoch: Arc<str>,
    /// Version up to which everything was put into words; none until it was begun.
    sent: Option<u64>,
    /// Where the client surely is: what it came with, then what it was given.
    reached: Option<Place>,
}

/// A place as a client comes with it.
#[derive(Debug, Clone)]
enum Place {
    /// In this very topic.
    At(Mark),
    /// Among others; read once the topic's epoch is known.
    Token(Arc<Token>),
}

impl Following {
    fn look(&self, sub: Sub) -> Look<'_> {
        let (topic, Lens { view, filter, wish }) = (&self.topic, &*self.lens);
        Look { sub, topic, view: *view, filter, wish: *wish }
    }
}

/// A wildcard that was asked for.
#[derive(Debug)]
struct Wildcard {
    asked: String,
    selection: Selection,
    lens: Arc<Lens>,
}

/// For whom a session looks: what they may not see does not exist for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Their name; none: this machine itself.
    pub user: Option<UserName>,
    /// What they may do.
    pub who: Who,
    /// When their identity ends by itself, Unix milliseconds.
    pub expires_ms: Option<i64>,
}

impl Viewer {
    /// This machine itself, which sees everything: for commands and measurements.
    pub fn house() -> Self {
        Self { user: None, who: Who::console(), expires_ms: None }
    }

    fn expires(&self) -> Option<String> {
        let at = Timestamp::from_unix_ms(self.expires_ms?).ok()?;
        Some(at.to_string())
    }

    /// Whether a topic exists for them.
    pub fn sees(&self, topic: &Topic) -> bool {
        let subject = match topic {
            Topic::Objects(fabric, kind) => Subject::Kind(fabric, *kind),
            Topic::State(fabric) | Topic::Feed(fabric) => Subject::Fabric(fabric),
            Topic::Me => {
                return self.user.is_some() && self.who.may(Action::ReadAccount, Subject::House);
            }
        };
        self.who.may(Action::View, subject)
    }
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    hub: Arc<Hub>,
    viewer: Viewer,
    mailbox: Arc<Mailbox>,
    /// Boxed, since a map of few has room for eleven.
    following: BTreeMap<Sub, Box<Following>>,
    wildcards: Vec<Wildcard>,
    most_topics: usize,
    next_sub: u32,
    greeted: bool,
    n: u64,
    bad_frames: u32,
    /// Whether something was said that a client at its place does not know.
    news: bool,
    complaints: bool,
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
    pub fn new(hub: Arc<Hub>, viewer: Viewer) -> Self {
        Self {
            hub,
            viewer,
            mailbox: Arc::default(),
            following: BTreeMap::new(),
            wildcards: Vec::new(),
            most_topics: MOST_TOPICS,
            next_sub: 0,
            greeted: false,
            n: 0,
            bad_frames: 0,
            news: false,
            complaints: false,
            out: VecDeque::new(),
        }
    }

    /// With another limit of topics asked for.
    #[must_use]
    pub fn with_most_topics(mut self, most: usize) -> Self {
        self.most_topics = most;
        self
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
            ClientFrame::Pong { seen, .. } => self.hub.metrics.seen(&seen),
            ClientFrame::Ping { n } => {
                self.say(&ServerFrame::Pong { n, at: Some(now_ms()) });
            }
            ClientFrame::Resync { topic } => self.resync(&topic),
            ClientFrame::Need { topic, key } => self.need(&topic, &key),
        }
        Verdict::Continue
    }

    /// Takes a `hello`: on the socket its first frame, over HTTP its request.
    pub fn hello(&mut self, protocol: u32, topics: Vec<Want>) -> Verdict {
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
            user: self.viewer.user.as_ref().map(ToString::to_string),
            build: env!("CARGO_PKG_VERSION").to_owned(),
            ping_ms: PING_MS,
            pong_ms: PONG_MS,
            session_expires: self.viewer.expires(),
        });
        self.follow_all(topics)
    }

    /// Takes the wishes of somebody who asks once and is not greeted.
    pub fn ask(&mut self, topics: Vec<Want>) -> Verdict {
        self.greeted = true;
        self.follow_all(topics)
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
            if let Some(text) = self.next_pulled() {
                return Some(text);
            }
            if !self.open_mail() {
                return None;
            }
        }
    }

    /// Puts into words what waits now, one letter for each subscription, and no more: somebody who asks
    /// once is not held by what goes on changing.
    pub fn pull(&mut self) {
        for _ in 0..=self.following.len() {
            if !self.open_mail() {
                return;
            }
        }
    }

    /// The next text of what was put into words already.
    pub fn next_pulled(&mut self) -> Option<String> {
        let (text, mark) = unsent::next_text(&mut self.out)?;
        if let Some((sub, mark)) = mark
            && let Some(following) = self.following.get_mut(&sub)
        {
            following.reached = Some(Place::At(mark));
        }
        Some(text)
    }

    /// Whether something was said that a client at its place does not know.
    pub fn has_news(&self) -> bool {
        self.news
    }

    /// Whether something that was asked for cannot be done.
    pub fn has_complaints(&self) -> bool {
        self.complaints
    }

    /// Whether [`Self::next_text`] would give something.
    pub fn has_more(&self) -> bool {
        !self.out.is_empty() || !self.mailbox.is_empty()
    }

    /// Where a client is that has taken everything given out so far: the cursor of the one topic that it
    /// asked for by name (`epoch:version`, empty before it has one), else an opaque token.
    pub fn place(&self) -> String {
        let mut all = self.following.values();
        match (all.next(), all.next()) {
            (Some(only), None) if only.named && self.wildcards.is_empty() => match &only.reached {
                Some(Place::At(Mark { epoch, version })) => format!("{epoch}:{version}"),
                Some(Place::Token(_)) | None => String::new(),
            },
            _ => self.token(),
        }
    }

    /// The token of a connection that asked for a wildcard.
    pub fn wildcard_token(&self) -> Option<String> {
        (!self.wildcards.is_empty()).then(|| self.token())
    }

    /// How many topics are followed.
    pub fn n_following(&self) -> usize {
        self.following.len()
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
        // What still waits may be taken back, with its topic: nobody may count on it.
        let unsaid: BTreeSet<Sub> = self.out.iter().filter_map(Unsent::about_whom).collect();
        let heads = self.following.iter().filter_map(|(sub, following)| {
            let Cell::Keyed(keyed) = &following.cell else { return None };
            let head = match (&following.reached, following.sent) {
                // It is there, and nobody has read it yet.
                (_, None) => String::new(),
                (_, Some(sent)) if !unsaid.contains(sub) => sent.to_string(),
                (Some(Place::At(Mark { epoch, version })), _) if *epoch == following.epoch => {
                    version.to_string()
                }
                _ => return None,
            };
            let word = keyed.watch().word().to_owned();
            Some((following.topic.to_string(), head, word, keyed.lag()))
        });
        let frame = ServerFrame::Ping {
            ts: u64::try_from(now_ms()).unwrap_or_default(),
            heads: heads.collect(),
            token: self.wildcard_token(),
            n: Some(self.n),
        };
        self.say(&frame);
    }

    /// Puts the next letter of the mailbox into words; false if there is none.
    fn open_mail(&mut self) -> bool {
        let view = |sub: Sub| self.following.get(&sub).map_or(View::Row, |known| known.lens.view);
        match self.mailbox.take(view) {
            None => return false,
            Some(Mail::Changes(sub, changes, place)) => self.changes(sub, &changes, place),
            Some(Mail::Events(sub, gap, events)) => self.events(sub, gap, &events),
            Some(Mail::Reset(sub)) => {
                // Whatever it has: what that is worth, the topic knows.
                let place = self.following.get(&sub).and_then(|known| known.reached.clone());
                self.begin_anew(sub, place);
            }
        }
        true
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
            ops.push(op(following.lens.view, waiting));
        }
        Metrics::add(&self.hub.metrics.sent, ops.len() as u64);
        self.n += 1;
        self.news |= !ops.is_empty();
        let stamps = newest.map(|stamp| [stamp.received_ms, stamp.published_ms, now_ms()]);
        let span = Span { from: sent, to: place.max(sent) };
        let text = ch(self.n, &following.topic, &following.epoch, span, stamps, &ops);
        let mark = Mark { epoch: Arc::clone(&following.epoch), version: span.to };
        self.out.push_back(Unsent::changes(sub, text, mark));
    }

    fn events(&mut self, sub: Sub, lost: Option<(u64, u64)>, events: &[(u64, Arc<str>)]) {
        let Some(following) = self.following.get_mut(&sub) else { return };
        if let Some((position, _)) = events.last() {
            following.sent = Some(*position);
        }
        self.news = true;
        let mark = |version| Some(Mark { epoch: Arc::clone(&following.epoch), version });
        if let Some((from, to)) = lost {
            Metrics::add(&self.hub.metrics.gaps, 1);
            self.out.push_back(Unsent::about(sub, gap(&following.topic, from, to), mark(to)));
        }
        let events = events.iter().map(|(position, text)| {
            Unsent::about(sub, evt(&following.topic, *position, text), mark(*position))
        });
        self.out.extend(events);
    }

    fn need(&mut self, topic: &str, key: &str) {
        let found = self.following.iter().find(|(_, following)| {
            following.topic.to_string() == topic && following.sent.is_some()
        });
        let Some((sub, following)) = found else { return self.not_followed(topic) };
        let Cell::Keyed(keyed) = &following.cell else { return };
        let entry = keyed
            .read(|log| log.get(key).cloned())
            .filter(|entry| following.lens.filter.passes(key, &entry.value));
        let Some(Entry { version, value, .. }) = entry else { return };
        self.n += 1;
        let ops = [value.put(following.lens.view, key, version, 0)];
        let sent = following.sent.unwrap_or_default();
        let span = Span { from: sent, to: sent };
        let text = ch(self.n, &following.topic, &following.epoch, span, None, &ops);
        let mark = Mark { epoch: Arc::clone(&following.epoch), version: sent };
        self.out.push_back(Unsent::changes(*sub, text, mark));
    }

    /// Places in all topics; those that were never begun are told as their owner brought them.
    fn token(&self) -> String {
        let cursors: Vec<(&Topic, Cursor)> = self
            .following
            .values()
            .filter_map(|known| Some((&known.topic, self.cursor(known)?)))
            .collect();
        let places =
            cursors.iter().map(|(topic, Cursor(epoch, version))| (*topic, (&**epoch, *version)));
        Token::of(places).write()
    }

    fn cursor(&self, following: &Following) -> Option<Cursor> {
        match following.reached.as_ref()? {
            Place::At(Mark { epoch, version }) => Some(Cursor(epoch.to_string(), *version)),
            Place::Token(token) => {
                let epoch = |topic: &Topic| epoch_of(&self.hub, &self.viewer, topic);
                let version = token.version(&following.topic, epoch)?;
                Some(Cursor(epoch(&following.topic)?, version))
            }
        }
    }

    fn refuse(&mut self, topic: Option<String>, code: ErrCode, message: String) {
        self.complaints = true;
        let topic = topic.map(|topic| topic.chars().take(200).collect());
        self.say(&ServerFrame::Err { topic, code, message });
    }

    fn not_followed(&mut self, topic: &str) {
        let message = "you do not follow this topic".to_owned();
        self.refuse(Some(topic.to_owned()), ErrCode::UnknownTopic, message);
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

/// The frames of an HTTP snapshot of topics: for each, what a subscription from its place would begin with.
/// A topic that was never complete gives nothing, which the client reads as "loading".
pub fn snapshot(hub: &Arc<Hub>, viewer: Viewer, wants: Vec<Want>) -> Vec<String> {
    let mut session = Session::new(Arc::clone(hub), viewer);
    session.ask(wants);
    std::iter::from_fn(|| session.next_pulled()).collect()
}

#[cfg(test)]
mod rights;
#[cfg(test)]
mod tests;
