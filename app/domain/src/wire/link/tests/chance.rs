//! The link under anything that can happen, in any order: first without sense, then in a network that blocks
//! ways as it likes, with a server behind it.
//!
//! Invariant: nothing here sleeps; a run is its list of acts.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::wire::{ledger::Phase, may_reconnect};

/// Something that may happen; lines are counted back from the newest.
#[derive(Debug, Clone)]
enum Any {
    Plain(Input),
    Opened(u32),
    Frame(u32, ServerFrame),
    Answer(u32, Vec<ServerFrame>),
    Garbage(u32),
    Closed(u32, u16),
}

impl Any {
    fn input(self, newest: u32) -> Input {
        let line = |back: u32| Line(newest.saturating_sub(back));
        match self {
            Self::Plain(input) => input,
            Self::Opened(back) => Input::Opened(line(back)),
            Self::Frame(back, frame) => Input::Frame(line(back), Box::new(frame)),
            Self::Answer(back, frames) => Input::Answer(line(back), frames),
            Self::Garbage(back) => Input::Garbage(line(back)),
            Self::Closed(back, code) => Input::Closed(line(back), code),
        }
    }
}

fn any_frame() -> impl Strategy<Value = ServerFrame> {
    prop_oneof![
        Just(welcome()),
        (0_u64..20).prop_map(ping),
        (0_u64..20).prop_map(|version| synced(version, Recovered::None)),
        (0_u64..20).prop_map(|version| synced(version, Recovered::Log)),
        (0_u64..9, 0_u64..20).prop_map(|(n, version)| ch(n, 0, version, vec![])),
        Just(ServerFrame::Bye { code: 1012, reason: "r".into(), reconnect_in_ms: Some(50) }),
    ]
}

fn anything() -> impl Strategy<Value = Any> {
    let code = prop_oneof![
        Just(1006_u16),
        Just(1012),
        Just(4008),
        Just(4401),
        Just(4501),
        Just(502),
        Just(503)
    ];
    let session = prop_oneof![4 => Just(Session::Works), 1 => Just(Session::Away), 1 => Just(Session::SignIn)];
    prop_oneof![
        4 => Just(Any::Plain(Input::Timeout)),
        3 => session.prop_map(|session| Any::Plain(Input::Session(session))),
        1 => prop_oneof![Just(Input::Start), Just(Input::RetryNow), Just(Input::Wake), Just(Input::Online), Just(Input::Offline)].prop_map(Any::Plain),
        1 => Just(Any::Plain(Input::Subscribe(Want::rows(TOPIC)))),
        1 => Just(Any::Plain(Input::Unsubscribe(TOPIC.into()))),
        2 => (0_u32..3).prop_map(Any::Opened),
        4 => (0_u32..3, any_frame()).prop_map(|(back, frame)| Any::Frame(back, frame)),
        1 => (0_u32..3, prop::collection::vec(any_frame(), 0..3)).prop_map(|(back, frames)| Any::Answer(back, frames)),
        1 => (0_u32..3).prop_map(Any::Garbage),
        3 => (0_u32..3, code).prop_map(|(back, code)| Any::Closed(back, code)),
    ]
}

/// The lines that are open, as a driver sees them.
#[derive(Default)]
struct Open(BTreeMap<Line, How>);

impl Open {
    fn sockets(&self) -> usize {
        self.0.values().filter(|how| **how == How::WebSocket).count()
    }

    /// Performs an output as a driver does, and says what is wrong with it.
    fn perform(&mut self, output: &Output) -> Result<(), String> {
        match output {
            Output::Dial(line, how) => {
                let alike = self
                    .0
                    .values()
                    .filter(|open| std::mem::discriminant(*open) == std::mem::discriminant(how));
                if alike.count() > 0 {
                    return Err(format!("a second {how:?} beside {:?}", self.0));
                }
                if self.0.insert(*line, how.clone()).is_some() {
                    return Err("a number is given twice".into());
                }
            }
            Output::HangUp(line) if self.0.remove(line).is_none() => {
                return Err(format!("{line:?} is not open"));
            }
            Output::Send(line, _) if self.0.get(line) != Some(&How::WebSocket) => {
                return Err(format!("{line:?} is no open socket"));
            }
            _ => {}
        }
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_machine_is_never_stuck_and_never_dials_twice(acts in prop::collection::vec((anything(), any::<u64>(), 0_u64..30_000), 0..200)) {
        let mut link = Link::new("test");
        let mut open = Open::default();
        let mut now = 0;
        let mut newest = 0;
        let start = (Any::Plain(Input::Start), 0, 0);
        for (act, jitter, pause) in std::iter::once(start).chain(acts) {
            let input = act.input(newest);
            // Only polls are answered.
            if matches!(&input, Input::Answer(line, _) if !matches!(open.0.get(line), None | Some(How::Poll { .. }))) { continue; }
            now = if matches!(input, Input::Timeout) { link.deadline().unwrap_or(now).max(now) } else { now + pause };
            if let Input::Closed(line, _) | Input::Answer(line, _) = &input { open.0.remove(line); }
            let before = link.ledger(TOPIC).and_then(Ledger::at).cloned();
            let wants_change = matches!(input, Input::Unsubscribe(_) | Input::Subscribe(_));
            let is_timeout = matches!(input, Input::Timeout);
            for output in link.step(now, jitter, input) {
                if let Output::Dial(Line(line), _) = &output { newest = *line; }
                prop_assert_eq!(open.perform(&output), Ok(()), "{:?}", output);
            }
            match link.status(now).state {
                LinkState::Offline | LinkState::Ended(_) => prop_assert!(open.0.is_empty(), "a line is left: {:?}", open.0),
                state => {
                    let due = link.deadline();
                    prop_assert!(due.is_some(), "stuck in {state:?}");
                    prop_assert!(!is_timeout || due > Some(now), "a deadline that has passed stays, in {state:?}");
                }
            }
            if let (Some(before), Some(after), false) = (before, link.ledger(TOPIC).and_then(Ledger::at), wants_change) {
                prop_assert!(after.1 >= before.1, "the cursor went back");
            }
        }
    }
}

/// What the network does to a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Road {
    Open,
    /// Refused at once.
    Refused,
    /// Taken, and nothing ever comes.
    Swallowed,
}

/// One thing that happens in the world.
#[derive(Debug, Clone)]
enum Act {
    /// A key changes, or goes.
    Put(u8),
    Delete(u8),
    /// Time passes, and whatever is due or under way happens.
    Pass(u16),
    /// Everything that is open is cut; what is under way is lost.
    Cut,
    Roads([Road; 3]),
    /// HTTP as such fails: the server is away.
    Down(bool),
    Wake,
    RetryNow,
}

fn act() -> impl Strategy<Value = Act> {
    let road = || prop_oneof![Just(Road::Open), Just(Road::Refused), Just(Road::Swallowed)];
    prop_oneof![
        6 => (0_u8..6).prop_map(Act::Put),
        3 => (0_u8..6).prop_map(Act::Delete),
        8 => (1_u16..4_000).prop_map(Act::Pass),
        1 => Just(Act::Cut),
        2 => [road(), road(), road()].prop_map(Act::Roads),
        1 => any::<bool>().prop_map(Act::Down),
        1 => Just(Act::Wake),
        1 => Just(Act::RetryNow),
    ]
}

/// The server's side of an open line: what it will say, each at its time.
struct Wire {
    how: How,
    greeted: bool,
    n: u64,
    /// Where the subscription stands; none: not subscribed.
    sent: Option<u64>,
    under_way: Vec<(u64, Input)>,
}

/// A topic, its log of everything, and a client behind a network. A server that says each change by itself.
struct World {
    link: Link,
    now: u64,
    open: Open,
    wires: BTreeMap<Line, Wire>,
    ask_due: Option<u64>,
    roads: [Road; 3],
    down: bool,
    log: Vec<Op>,
    /// What the link asked for and no driver could do.
    wrong: Vec<String>,
}

/// Time that a word is under way, in milliseconds.
const DELAY_MS: u64 = 20;

impl World {
    fn new() -> Self {
        let mut link = Link::new("test");
        link.step(1, 0, Input::Subscribe(Want::rows(TOPIC)));
        let mut world = Self {
            link,
            now: 1,
            open: Open::default(),
            wires: BTreeMap::new(),
            ask_due: None,
            roads: [Road::Open; 3],
            down: false,
            log: Vec::new(),
            wrong: Vec::new(),
        };
        world.input(Input::Start);
        world
    }

    fn head(&self) -> u64 {
        self.log.len() as u64
    }

    fn road(&self, how: &How) -> Road {
        let [ws, sse, poll] = self.roads;
        if self.down {
            return Road::Refused;
        }
        match how {
            How::WebSocket => ws,
            How::Sse(_) => sse,
            How::Poll { .. } => poll,
        }
    }

    fn input(&mut self, input: Input) {
        let outputs = self.link.step(self.now, self.now, input);
        for output in outputs {
            if let Err(what) = self.open.perform(&output) {
                self.wrong.push(what);
            }
            match output {
                Output::Dial(line, how) => self.dial(line, &how),
                Output::HangUp(line) => drop(self.wires.remove(&line)),
                Output::Send(line, frame) => self.said(line, &frame),
                Output::AskSession => self.ask_due = Some(self.now + DELAY_MS),
                _ => {}
            }
        }
        assert!(self.open.sockets() <= 1);
    }

    fn dial(&mut self, line: Line, how: &How) {
        let mut wire =
            Wire { how: how.clone(), greeted: false, n: 0, sent: None, under_way: Vec::new() };
        let soon = self.now + DELAY_MS;
        match (self.road(how), how) {
            (Road::Refused, How::WebSocket) => {
                wire.under_way.push((soon, Input::Closed(line, 1006)));
            }
            (Road::Refused, _) => wire.under_way.push((soon, Input::Closed(line, 502))),
            (Road::Swallowed, _) => {}
            (Road::Open, How::WebSocket) => wire.under_way.push((soon, Input::Opened(line))),
            (Road::Open, How::Sse(hello)) => {
                wire.greeted = true;
                wire.say(line, soon, welcome());
                wire.subscribe(&self.log, line, soon, hello);
            }
            (Road::Open, How::Poll { hello, .. }) => wire.subscribe(&self.log, line, soon, hello),
        }
        self.wires.insert(line, wire);
    }

    fn said(&mut self, line: Line, frame: &ClientFrame) {
        let Some(wire) = self.wires.get_mut(&line) else { return };
        let soon = self.now + DELAY_MS;
        match frame {
            ClientFrame::Hello { .. } => {
                wire.greeted = true;
                wire.say(line, soon, welcome());
                wire.subscribe(&self.log, line, soon, frame);
            }
            ClientFrame::Sub { .. } => wire.subscribe(&self.log, line, soon, frame),
            ClientFrame::Resync { .. } => wire.begin(&self.log, line, soon, None),
            ClientFrame::Ping { n } => {
                wire.say(line, soon, ServerFrame::Pong { n: *n, at: None });
            }
            _ => {}
        }
    }

    fn changed(&mut self, op: Op) {
        self.log.push(op);
        let lines: Vec<Line> = self.wires.keys().copied().collect();
        for line in lines {
            let Some(wire) = self.wires.get_mut(&line) else { continue };
            if wire.sent.is_some() {
                wire.tell(&self.log, line, self.now + DELAY_MS);
            }
        }
    }

    /// Lets time pass until `until`; whatever happens in it happens in order.
    fn pass(&mut self, until: u64) {
        loop {
            self.ripen();
            let due = self.link.deadline().into_iter();
            let words = self.wires.values().filter_map(|wire| wire.under_way.first());
            let next = due.chain(words.map(|(at, _)| *at)).chain(self.ask_due).min();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            if self.ask_due.is_some_and(|at| at <= self.now) {
                self.ask_due = None;
                let session = if self.down { Session::Away } else { Session::Works };
                self.input(Input::Session(session));
            } else if let Some(input) = self.next_word() {
                self.input(input);
            } else {
                self.input(Input::Timeout);
                assert!(self.link.deadline() > Some(self.now), "time stands still");
            }
        }
        self.now = self.now.max(until);
    }

    /// Answers polls that have something to say or have waited, and pings the others.
    fn ripen(&mut self) {
        let now = self.now;
        for (line, wire) in &mut self.wires {
            let How::Poll { wait_s, .. } = wire.how else {
                if wire.greeted && wire.under_way.is_empty() {
                    wire.under_way.push((now + 10_000, Input::Frame(*line, Box::new(ping(0)))));
                }
                continue;
            };
            let is_answered =
                matches!(wire.under_way.last(), Some((_, Input::Answer(..) | Input::Closed(..))));
            let is_here = wire.sent.is_some();
            if is_answered || !is_here {
                continue;
            }
            let words = std::mem::take(&mut wire.under_way);
            let wait_ms = if words.is_empty() { u64::from(wait_s) * 1_000 } else { 0 };
            let at = now + wait_ms.max(DELAY_MS);
            let frames = words.into_iter().filter_map(|(_, input)| match input {
                Input::Frame(_, frame) => Some(*frame),
                _ => None,
            });
            wire.under_way.push((at, Input::Answer(*line, frames.collect())));
        }
    }

    fn next_word(&mut self) -> Option<Input> {
        let now = self.now;
        let (line, wire) = self
            .wires
            .iter_mut()
            .find(|(_, wire)| wire.under_way.first().is_some_and(|(at, _)| *at <= now))?;
        let line = *line;
        let (_, mut input) = wire.under_way.remove(0);
        if let Input::Frame(_, frame) = &mut input
            && let ServerFrame::Ping { heads, n, .. } = &mut **frame
        {
            // Said at this moment, with what is so at this moment.
            *n = Some(wire.n);
            let head = |sent: u64| (TOPIC.into(), sent.to_string(), "live".into(), None);
            *heads = wire.sent.map(head).into_iter().collect();
        }
        if matches!(input, Input::Closed(..) | Input::Answer(..)) {
            self.wires.remove(&line);
            self.open.0.remove(&line);
        }
        Some(input)
    }

    fn cut(&mut self) {
        for line in std::mem::take(&mut self.wires).into_keys() {
            self.open.0.remove(&line);
            self.input(Input::Closed(line, 1006));
        }
    }

    fn act(&mut self, act: &Act) {
        let version = self.head() + 1;
        match act {
            Act::Put(key) => self.changed(put(&key.to_string(), version)),
            Act::Delete(key) => {
                self.changed(Op::Del { k: key.to_string(), uid: None, v: version });
            }
            Act::Pass(ms) => self.pass(self.now + u64::from(*ms)),
            Act::Cut => self.cut(),
            Act::Roads(roads) => self.roads = *roads,
            Act::Down(down) => {
                self.down = *down;
                if *down {
                    self.cut();
                }
            }
            Act::Wake => self.input(Input::Wake),
            Act::RetryNow => self.input(Input::RetryNow),
        }
    }

    fn truth(&self) -> BTreeMap<String, u64> {
        alive(&self.log)
    }

    fn held(&self) -> BTreeMap<String, u64> {
        let held = self.link.ledger(TOPIC).map(Ledger::held);
        held.into_iter().flatten().map(|(key, held)| (key.clone(), held.version)).collect()
    }
}

fn alive(log: &[Op]) -> BTreeMap<String, u64> {
    let mut alive = BTreeMap::new();
    for op in log {
        match op {
            Op::Put { k, v, .. } => drop(alive.insert(k.clone(), *v)),
            Op::Del { k, .. } => drop(alive.remove(k)),
            _ => {}
        }
    }
    alive
}

impl Wire {
    fn subscribe(&mut self, log: &[Op], line: Line, at: u64, frame: &ClientFrame) {
        let (ClientFrame::Hello { topics, .. } | ClientFrame::Sub { topics }) = frame else {
            return;
        };
        let Some(want) = topics.iter().find(|want| want.topic == TOPIC) else { return };
        let place = match &want.at {
            Some(At::Cursor(Cursor(_, version))) => Some(*version),
            _ => None,
        };
        self.begin(log, line, at, place);
    }

    /// Everything after a place, or everything.
    fn begin(&mut self, log: &[Op], line: Line, soon: u64, place: Option<u64>) {
        let head = log.len() as u64;
        let is_poll = matches!(self.how, How::Poll { .. });
        if is_poll && place == Some(head) {
            self.sent = place;
            return;
        }
        let (recovered, total) = if place.is_some() {
            self.sent = place;
            self.tell(log, line, soon);
            (Recovered::Log, None)
        } else {
            let items: Vec<Item> = alive(log)
                .into_iter()
                .map(|(k, v)| Item { k, uid: None, v, o: json!({"x": v}) })
                .collect();
            let total = items.len();
            let (topic, done) = (TOPIC.into(), total);
            let frame = ServerFrame::Snapshot { topic, items, done, total, at: Some(at(head)) };
            self.say(line, soon, frame);
            (Recovered::None, Some(total))
        };
        self.sent = Some(head);
        let (topic, n) = (TOPIC.into(), Some(self.n));
        self.say(
            line,
            soon,
            ServerFrame::Synced { topic, at: at(head), recovered, n, total, s: None },
        );
    }

    /// The changes since what was sent.
    fn tell(&mut self, log: &[Op], line: Line, soon: u64) {
        let (Some(sent), head) = (self.sent, log.len() as u64) else { return };
        // An answer that is on its way says no more; one that waits has something to say now.
        match self.under_way.last() {
            _ if sent == head => return,
            Some((_, Input::Answer(_, frames))) if !frames.is_empty() => return,
            Some((_, Input::Answer(..))) => self.under_way.clear(),
            _ => {}
        }
        self.n += 1;
        let ops = log.get(usize::try_from(sent).unwrap()..).unwrap().to_vec();
        self.say(line, soon, ch(self.n, sent, head, ops));
        self.sent = Some(head);
    }

    /// Words come in the order in which they are said.
    fn say(&mut self, line: Line, soon: u64, frame: ServerFrame) {
        let last = self.under_way.iter().rposition(|(_, input)| !matches!(input, Input::Frame(_, frame) if matches!(**frame, ServerFrame::Ping { .. })));
        let at = last.map_or(0, |last| last + 1);
        self.under_way.insert(at, (soon, Input::Frame(line, Box::new(frame))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Whatever the network does to the ways: once it lets HTTP through, the client is right, and once it lets
    /// everything through, the client is by WebSocket within a minute and nothing was lost on all the changes.
    #[test]
    fn no_change_is_lost_over_all_the_changes_of_ways(acts in prop::collection::vec(act(), 0..80)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
            prop_assert_eq!(&world.wrong, &Vec::<String>::new());
        }
        world.act(&Act::Down(false));
        world.act(&Act::Roads([Road::Refused, Road::Swallowed, Road::Open]));
        world.act(&Act::Cut);
        world.act(&Act::Put(0));
        world.pass(world.now + 90_000);
        prop_assert_eq!(world.held(), world.truth(), "by polls");
        prop_assert!(world.link.status(world.now).transport.is_poll());
        world.act(&Act::Roads([Road::Open; 3]));
        world.act(&Act::Delete(0));
        world.act(&Act::Put(1));
        world.pass(world.now + 60_000);
        world.act(&Act::Put(2));
        world.pass(world.now + 1_000);
        prop_assert_eq!(world.held(), world.truth(), "by WebSocket");
        let status = world.link.status(world.now);
        prop_assert_eq!(status.transport, Transport::WebSocket);
        prop_assert!(matches!(status.state, LinkState::Live { .. }), "{:?}", status);
        prop_assert_eq!(world.link.ledger(TOPIC).map(Ledger::phase), Some(Phase::Synced));
        prop_assert_eq!(status.lost, 0, "nothing was swallowed of what was said");
    }
}

#[test]
fn codes_of_http_do_not_end_a_link() {
    assert!([401, 404, 429, 502, 503].into_iter().all(may_reconnect));
}
