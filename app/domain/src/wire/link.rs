//! The client's end of the live link, sans I/O: a pure function of (state, input, now) to outputs.
//!
//! The driver owns a socket and one timer, performs [`Output`]s, and turns what happens into
//! [`Input`]s. It decides nothing.
//!
//! Invariant: no clock, no randomness, no socket here; in every state but [`LinkState::Ended`] and
//! offline there is a deadline, so the machine cannot be stuck; there are never two dials without a
//! hang-up or a close between them.

use std::collections::BTreeMap;

mod io;

pub use io::{Input, LinkState, Output, Status};

use super::{
    At, ClientFrame, Cursor, Op, PROTOCOL, Recovered, SILENCE_MS, ServerFrame, Want,
    ledger::{Delta, Ledger, Phase},
    may_reconnect,
};
use crate::topic::{Selection, Topic};

/// A socket must open and say `welcome` within this time, in milliseconds.
const WELCOME_MS: u64 = 2_500;
/// First step of the backoff, in milliseconds.
const BACKOFF_FIRST_MS: u64 = 250;
/// Largest step of the backoff, in milliseconds.
const BACKOFF_MOST_MS: u64 = 20_000;
/// Time live after which the backoff begins anew, in milliseconds.
const SETTLED_MS: u64 = 10_000;
/// After waking, an answer to our ping must come within this time, in milliseconds.
const WAKE_MS: u64 = 1_000;
/// Data is shown as stale after this time without a live link, in milliseconds.
const STALE_AFTER_MS: u64 = 2_000;

/// See the module.
#[derive(Debug)]
pub struct Link {
    client: String,
    state: LinkState,
    attempt: u32,
    // Boxed, so that the three are one kind of map to the machine: in the browser each further kind is
    // several kilobytes of code.
    wants: BTreeMap<String, Box<Want>>,
    ledgers: BTreeMap<String, Box<Ledger>>,
    feeds: BTreeMap<String, Box<Cursor>>,
    token: Option<String>,
    next_n: u64,
    ping_n: u64,
    ping_sent: Option<u64>,
    rtt_ms: Option<u64>,
    last_frame: Option<u64>,
    stale_since: Option<u64>,
    was_live: bool,
    resumes: u64,
    lost: u64,
    changes: u64,
}

impl Link {
    /// A link that has not begun; `client` is its name and version, for the server's log.
    pub fn new(client: &str) -> Self {
        Self {
            client: client.to_owned(),
            state: LinkState::Idle,
            attempt: 0,
            wants: BTreeMap::new(),
            ledgers: BTreeMap::new(),
            feeds: BTreeMap::new(),
            token: None,
            next_n: 1,
            ping_n: 0,
            ping_sent: None,
            rtt_ms: None,
            last_frame: None,
            stale_since: None,
            was_live: false,
            resumes: 0,
            lost: 0,
            changes: 0,
        }
    }

    /// What the pill shows. Until the link was live once, nothing is stale: the page itself is fresh.
    pub fn status(&self, now: u64) -> Status {
        Status {
            state: self.state,
            rtt_ms: self.rtt_ms,
            stale_since: self
                .stale_since
                .filter(|since| now.saturating_sub(*since) >= STALE_AFTER_MS),
            resumes: self.resumes,
            lost: self.lost,
            changes: self.changes,
            last_frame: self.last_frame,
        }
    }

    /// When [`Input::Timeout`] is due.
    pub fn deadline(&self) -> Option<u64> {
        match self.state {
            LinkState::Dialing { give_up } | LinkState::Greeting { give_up } => Some(give_up),
            LinkState::Live { silent_after, .. } => Some(silent_after),
            LinkState::Waiting { retry_at } => Some(retry_at),
            LinkState::Idle | LinkState::Offline | LinkState::Ended(_) => None,
        }
    }

    /// What is held of a topic.
    pub fn ledger(&self, topic: &str) -> Option<&Ledger> {
        self.ledgers.get(topic).map(AsRef::as_ref)
    }

    /// All topics held.
    pub fn ledgers(&self) -> impl Iterator<Item = (&str, &Ledger)> {
        self.ledgers.iter().map(|(topic, ledger)| (topic.as_str(), &**ledger))
    }

    /// Takes over what the server rendered into the page: the next `hello` resumes from there.
    pub fn seed(&mut self, topic: &str, ledger: Ledger) {
        self.ledgers.insert(topic.to_owned(), Box::new(ledger));
    }

    /// As [`Self::seed`] for a feed, of which only the place is kept here.
    pub fn seed_feed(&mut self, topic: &str, at: Cursor) {
        self.feeds.insert(topic.to_owned(), Box::new(at));
    }

    /// Takes one step. `now` is in Unix milliseconds; `jitter` is any random number.
    pub fn step(&mut self, now: u64, jitter: u64, input: Input) -> Vec<Output> {
        match input {
            Input::Start => {
                if self.state == LinkState::Idle {
                    self.dial(now)
                } else {
                    Vec::new()
                }
            }
            Input::Opened => self.opened(now),
            Input::Frame(frame) => self.heard(now, jitter, *frame),
            Input::Garbage => self.hang_up(now, jitter),
            Input::Closed(code) => self.closed(now, jitter, code),
            Input::Timeout => self.timeout(now, jitter),
            Input::RetryNow => match self.state {
                LinkState::Waiting { .. } | LinkState::Ended(_) | LinkState::Offline => {
                    self.dial(now)
                }
                _ => Vec::new(),
            },
            Input::Wake => self.wake(now),
            Input::Online => match self.state {
                LinkState::Waiting { .. } | LinkState::Offline => self.dial(now),
                _ => self.wake(now),
            },
            Input::Offline => self.offline(now),
            Input::Subscribe(want) => self.subscribe(&want),
            Input::Unsubscribe(topic) => self.unsubscribe(&topic),
        }
    }

    fn dial(&mut self, now: u64) -> Vec<Output> {
        self.state = LinkState::Dialing { give_up: now + WELCOME_MS };
        vec![Output::Dial]
    }

    fn opened(&mut self, now: u64) -> Vec<Output> {
        if !matches!(self.state, LinkState::Dialing { .. }) {
            return Vec::new();
        }
        self.state = LinkState::Greeting { give_up: now + WELCOME_MS };
        self.next_n = 1;
        self.ping_sent = None;
        self.ledgers.values_mut().for_each(|ledger| ledger.reconnecting());
        let topics = self.wants.values().map(|want| self.placed(want)).collect();
        vec![Output::Send(ClientFrame::Hello {
            protocol: PROTOCOL,
            client: self.client.clone(),
            topics,
        })]
    }

    /// The want with the place that we have reached in it.
    fn placed(&self, want: &Want) -> Want {
        let at = if want.topic.contains('*') {
            self.token.clone().map(At::Token)
        } else {
            let place = self
                .ledgers
                .get(&want.topic)
                .and_then(|ledger| ledger.at())
                .or_else(|| self.feeds.get(&want.topic).map(AsRef::as_ref));
            place.cloned().map(At::Cursor)
        };
        Want { at, ..want.clone() }
    }

    fn heard(&mut self, now: u64, jitter: u64, frame: ServerFrame) -> Vec<Output> {
        match self.state {
            LinkState::Greeting { .. } => {
                if let ServerFrame::Welcome { .. } = frame {
                    self.state = LinkState::Live { since: now, silent_after: now + SILENCE_MS };
                    self.last_frame = Some(now);
                    self.stale_since = None;
                    self.resumes += u64::from(std::mem::replace(&mut self.was_live, true));
                    return self.ping(now);
                }
                if let ServerFrame::Bye { code, reconnect_in_ms, .. } = frame {
                    return self.bye(now, jitter, code, reconnect_in_ms);
                }
                Vec::new()
            }
            LinkState::Live { since, .. } => {
                self.state = LinkState::Live { since, silent_after: now + SILENCE_MS };
                self.last_frame = Some(now);
                if now.saturating_sub(since) >= SETTLED_MS {
                    self.attempt = 0;
                }
                self.take(now, jitter, frame)
            }
            _ => Vec::new(),
        }
    }

    fn take(&mut self, now: u64, jitter: u64, frame: ServerFrame) -> Vec<Output> {
        match frame {
            ServerFrame::Snapshot { topic, items, at, .. } => {
                self.ledgers.entry(topic).or_default().snapshot(at, items);
                Vec::new()
            }
            ServerFrame::Synced { topic, at, recovered, n, total } => {
                self.synced(topic, at, recovered, n, total)
            }
            ServerFrame::Keys { topic, live } => {
                let deltas = self.ledgers.entry(topic.clone()).or_default().keys(&live);
                changed(topic, deltas)
            }
            ServerFrame::Ch { n, topic, at, from, b, .. } => self.changes(n, topic, at, from, b),
            ServerFrame::Evt { topic, id, e } => self.event(topic, &id, e),
            ServerFrame::Gap { topic, from, to } => match (from.parse(), to.parse()) {
                (Ok(from), Ok(to)) => vec![Output::Gap(topic, from, to)],
                _ => Vec::new(),
            },
            ServerFrame::Ping { ts, heads, token, n } => {
                if token.is_some() {
                    self.token = token;
                }
                let mut outputs = vec![Output::Send(ClientFrame::Pong { ts, seen: Vec::new() })];
                match n.filter(|n| n + 1 != self.next_n) {
                    Some(n) => outputs.extend(self.swallowed(n)),
                    None => outputs.extend(self.compare(&heads)),
                }
                outputs.extend(self.ping(now));
                outputs
            }
            ServerFrame::Pong { n, .. } => {
                if n == self.ping_n {
                    self.rtt_ms = self.ping_sent.take().map(|sent| now.saturating_sub(sent));
                }
                Vec::new()
            }
            ServerFrame::Revoke { topic, .. } => {
                self.wants.remove(&topic);
                self.drop_topic(topic)
            }
            ServerFrame::Err { message, .. } => vec![Output::Refused(message)],
            ServerFrame::Bye { code, reconnect_in_ms, .. } => {
                self.bye(now, jitter, code, reconnect_in_ms)
            }
            ServerFrame::Welcome { .. } => Vec::new(),
        }
    }

    fn synced(
        &mut self,
        topic: String,
        at: Cursor,
        recovered: Recovered,
        n: Option<u64>,
        total: Option<usize>,
    ) -> Vec<Output> {
        if topic.starts_with("feed/") {
            self.feeds.insert(topic.clone(), Box::new(at));
            return vec![Output::Synced(topic)];
        }
        if let Some(n) = n.filter(|n| n + 1 != self.next_n) {
            return self.swallowed(n);
        }
        let ledger = self.ledgers.entry(topic.clone()).or_default();
        if !ledger.is_whole(&at, recovered, total) {
            self.lost += 1;
            ledger.distrust();
            return vec![Output::Send(ClientFrame::Resync { topic })];
        }
        let deltas = ledger.synced(at, recovered);
        let mut outputs = changed(topic.clone(), deltas);
        outputs.push(Output::Synced(topic));
        outputs
    }

    fn changes(
        &mut self,
        n: u64,
        topic: String,
        at: Cursor,
        from: u64,
        ops: Vec<Op>,
    ) -> Vec<Output> {
        let mut outputs = if n == self.next_n { Vec::new() } else { self.swallowed(n) };
        self.next_n = n + 1;
        self.changes += ops.len() as u64;
        let ledger = self.ledgers.entry(topic.clone()).or_default();
        match ledger.at() {
            // An epoch begins with a snapshot, and changes with those before them: something on the way
            // swallowed what lies between.
            Some(Cursor(epoch, reached)) if *epoch != at.0 || *reached < from => {
                self.lost += 1;
                ledger.distrust();
                outputs.push(Output::Send(ClientFrame::Resync { topic }));
                return outputs;
            }
            Some(_) => {}
            // Of a subscription that is being replaced: the snapshot under way holds it.
            None => return outputs,
        }
        let (deltas, needs) = ledger.changes(at, ops);
        outputs.extend(
            needs
                .into_iter()
                .map(|key| Output::Send(ClientFrame::Need { topic: topic.clone(), key })),
        );
        outputs.extend(changed(topic, deltas));
        outputs
    }

    /// Something on the way swallowed changes, and nobody knows of which topic: read all anew.
    fn swallowed(&mut self, n: u64) -> Vec<Output> {
        self.lost += 1;
        self.next_n = n + 1;
        self.ledgers.values_mut().for_each(|ledger| ledger.distrust());
        let topics = self.ledgers.keys().filter(|topic| self.is_wanted(topic));
        topics.map(|topic| Output::Send(ClientFrame::Resync { topic: topic.clone() })).collect()
    }

    fn event(&mut self, topic: String, id: &str, envelope: serde_json::Value) -> Vec<Output> {
        let Ok(id) = id.parse::<u64>() else { return Vec::new() };
        if let Some(Cursor(_, known)) = self.feeds.get_mut(&topic).map(AsMut::as_mut) {
            if *known >= id {
                return Vec::new();
            }
            *known = id;
        }
        vec![Output::Event(topic, id, envelope)]
    }

    /// A head ahead of what we hold means that something was lost on the way: everything considered for us
    /// before the ping was sent before it.
    fn compare(&mut self, heads: &[super::Head]) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (topic, version, ..) in heads {
            if !self.is_wanted(topic) {
                continue;
            }
            // What the server calls begun was said to be complete before this ping: else that was lost.
            let behind = match (self.ledgers.get(topic), version.parse::<u64>()) {
                (Some(ledger), Ok(head)) => match (ledger.phase(), ledger.at()) {
                    (Phase::Synced, Some(Cursor(_, at))) => head > *at,
                    _ => true,
                },
                (None, Ok(_)) => true,
                (_, Err(_)) => false,
            };
            if behind {
                self.lost += 1;
                if let Some(ledger) = self.ledgers.get_mut(topic) {
                    ledger.distrust();
                }
                outputs.push(Output::Send(ClientFrame::Resync { topic: topic.clone() }));
            }
        }
        outputs
    }

    fn is_wanted(&self, topic: &str) -> bool {
        let Ok(topic) = topic.parse::<Topic>() else { return false };
        self.wants
            .keys()
            .filter_map(|want| want.parse::<Selection>().ok())
            .any(|want| want.matches(&topic))
    }

    fn ping(&mut self, now: u64) -> Vec<Output> {
        self.ping_n += 1;
        self.ping_sent = Some(now);
        vec![Output::Send(ClientFrame::Ping { n: self.ping_n })]
    }

    fn wake(&mut self, now: u64) -> Vec<Output> {
        match self.state {
            LinkState::Live { since, silent_after } => {
                self.state = LinkState::Live {
                    since,
                    silent_after: silent_after.min(now + WAKE_MS).max(now + 1),
                };
                self.ping(now)
            }
            LinkState::Waiting { .. } => self.dial(now),
            _ => Vec::new(),
        }
    }

    fn offline(&mut self, now: u64) -> Vec<Output> {
        let hang_up = matches!(
            self.state,
            LinkState::Dialing { .. } | LinkState::Greeting { .. } | LinkState::Live { .. }
        );
        if !matches!(self.state, LinkState::Ended(_)) {
            self.leave(now);
            self.state = LinkState::Offline;
        }
        if hang_up { vec![Output::HangUp] } else { Vec::new() }
    }

    fn bye(
        &mut self,
        now: u64,
        jitter: u64,
        code: u16,
        reconnect_in_ms: Option<u64>,
    ) -> Vec<Output> {
        self.leave(now);
        self.state = if may_reconnect(code) {
            let wait = reconnect_in_ms.unwrap_or_else(|| self.backoff(jitter));
            LinkState::Waiting { retry_at: now + wait.max(1) }
        } else {
            LinkState::Ended(code)
        };
        vec![Output::HangUp]
    }

    fn closed(&mut self, now: u64, jitter: u64, code: u16) -> Vec<Output> {
        match self.state {
            LinkState::Dialing { .. } | LinkState::Greeting { .. } | LinkState::Live { .. } => {
                self.leave(now);
                self.state = if may_reconnect(code) {
                    LinkState::Waiting { retry_at: now + self.backoff(jitter) }
                } else {
                    LinkState::Ended(code)
                };
            }
            _ => {}
        }
        Vec::new()
    }

    fn timeout(&mut self, now: u64, jitter: u64) -> Vec<Output> {
        if self.deadline().is_none_or(|due| now < due) {
            return Vec::new();
        }
        match self.state {
            LinkState::Waiting { .. } => self.dial(now),
            _ => self.hang_up(now, jitter),
        }
    }

    fn hang_up(&mut self, now: u64, jitter: u64) -> Vec<Output> {
        match self.state {
            LinkState::Dialing { .. } | LinkState::Greeting { .. } | LinkState::Live { .. } => {
                self.leave(now);
                self.state = LinkState::Waiting { retry_at: now + self.backoff(jitter) };
                vec![Output::HangUp]
            }
            _ => Vec::new(),
        }
    }

    fn leave(&mut self, now: u64) {
        if matches!(self.state, LinkState::Live { .. }) {
            self.stale_since = Some(self.last_frame.unwrap_or(now));
        }
        self.rtt_ms = None;
    }

    /// `random(0, min(20 s, 250 ms × 2ⁿ))`, and never nothing.
    fn backoff(&mut self, jitter: u64) -> u64 {
        let ceiling =
            BACKOFF_FIRST_MS.saturating_mul(1 << self.attempt.min(16)).min(BACKOFF_MOST_MS);
        self.attempt = self.attempt.saturating_add(1);
        1 + jitter % ceiling
    }

    fn subscribe(&mut self, want: &Want) -> Vec<Output> {
        let known = self.wants.insert(want.topic.clone(), Box::new(want.clone()));
        let narrower = known.is_some_and(|known| {
            known.keys != want.keys || known.labels != want.labels || known.view != want.view
        });
        if narrower && let Some(ledger) = self.ledgers.get_mut(&want.topic) {
            ledger.distrust();
        }
        if matches!(self.state, LinkState::Live { .. } | LinkState::Greeting { .. }) {
            vec![Output::Send(ClientFrame::Sub { topics: vec![self.placed(want)] })]
        } else {
            Vec::new()
        }
    }

    fn unsubscribe(&mut self, topic: &str) -> Vec<Output> {
        if self.wants.remove(topic).is_none() {
            return Vec::new();
        }
        if !topic.contains('*') {
            self.ledgers.remove(topic);
            self.feeds.remove(topic);
        }
        if matches!(self.state, LinkState::Live { .. } | LinkState::Greeting { .. }) {
            vec![Output::Send(ClientFrame::Unsub { topics: vec![topic.to_owned()] })]
        } else {
            Vec::new()
        }
    }

    fn drop_topic(&mut self, topic: String) -> Vec<Output> {
        self.feeds.remove(&topic);
        let held = self
            .ledgers
            .remove(&topic)
            .map(|ledger| ledger.held().keys().cloned().collect::<Vec<_>>());
        changed(topic, held.unwrap_or_default().into_iter().map(Delta::Gone).collect())
    }
}

fn changed(topic: String, deltas: Vec<Delta>) -> Vec<Output> {
    if deltas.is_empty() { Vec::new() } else { vec![Output::Changed(topic, deltas)] }
}

#[cfg(test)]
mod tests;
