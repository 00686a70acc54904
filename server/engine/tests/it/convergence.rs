//! Promise 1 on the real hub, wire and client code: whatever is cut, folded or begun anew, the client's
//! map equals the topic's in the end, and nothing is lost without being noticed.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    topic::Topic,
    wire::{
        ClientFrame, ServerFrame, View, Want,
        ledger::Phase,
        link::{self, Input, Line, Link, Output},
    },
};
use engine::{
    clock::Stamp,
    hub::{
        Cell, Hub,
        keyed::KeyedTopic,
        payload::Payload,
        session::{Session, Viewer},
    },
};
use proptest::prelude::*;

const TOPIC: &str = "state/prod";

/// What may happen, one at a time.
#[derive(Debug, Clone)]
enum Act {
    Put(u8),
    Delete(u8),
    /// The client reads this many frames.
    Read(u8),
    /// The socket breaks; frames under way are lost.
    Cut,
    /// The topic begins anew under another epoch.
    Reset,
    Ping,
    /// One frame is swallowed by something in between.
    Swallow,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u8..8).prop_map(Act::Put),
        3 => (0_u8..8).prop_map(Act::Delete),
        4 => (1_u8..6).prop_map(Act::Read),
        1 => Just(Act::Cut),
        1 => Just(Act::Reset),
        1 => Just(Act::Ping),
        1 => Just(Act::Swallow),
    ]
}

/// A client, a server and a topic, without sockets.
struct World {
    hub: Arc<Hub>,
    topic: Arc<KeyedTopic>,
    session: Option<Session>,
    line: Line,
    link: Link,
    now: u64,
    version: u64,
    epochs: u32,
    swallowed: u64,
}

impl World {
    fn new() -> Self {
        let hub = Arc::new(Hub::new());
        let topic = Arc::new(KeyedTopic::new(Arc::from("e0"), true));
        hub.add([(TOPIC.parse::<Topic>().unwrap(), Cell::Keyed(Arc::clone(&topic)))]);
        let mut link = Link::new("test");
        link.step(0, 0, Input::Subscribe(Want { view: View::Row, ..Want::rows(TOPIC) }));
        let mut world = Self {
            hub,
            topic,
            session: None,
            line: Line(0),
            link,
            now: 1,
            version: 0,
            epochs: 0,
            swallowed: 0,
        };
        world.input(Input::Start);
        world
    }

    fn input(&mut self, input: Input) {
        self.now += 1;
        for output in self.link.step(self.now, 0, input) {
            match output {
                Output::Dial(line, _) => {
                    self.session = Some(Session::new(Arc::clone(&self.hub), Viewer::house()));
                    self.line = line;
                    self.input(Input::Opened(line));
                }
                Output::HangUp(_) => self.session = None,
                Output::Send(_, frame) => self.send(&frame),
                // Cut off before a welcome: it tries again, by the same transport.
                Output::AskSession => self.input(Input::Session(link::Session::Away)),
                _ => {}
            }
        }
    }

    fn send(&mut self, frame: &ClientFrame) {
        if let Some(session) = &mut self.session {
            session.hear(&serde_json::to_string(frame).unwrap());
        }
    }

    fn read(&mut self, most: u8) {
        for _ in 0..most {
            let Some(text) = self.session.as_mut().and_then(Session::next_text) else { return };
            let frame: ServerFrame =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            self.input(Input::Frame(self.line, Box::new(frame)));
        }
    }

    fn act(&mut self, act: &Act) {
        self.version += 1;
        match act {
            Act::Put(key) => {
                let text = format!(
                    r#"{{"v":{},"same":"a text that makes a patch worth while"}}"#,
                    self.version
                );
                self.topic.put(
                    &Arc::from(key.to_string()),
                    self.version,
                    Payload::state(text, Stamp::received_now()),
                );
            }
            Act::Delete(key) => {
                self.topic.remove(&key.to_string(), self.version);
            }
            Act::Read(most) => self.read(*most),
            Act::Cut => {
                self.session = None;
                self.input(Input::Closed(self.line, 1006));
            }
            Act::Reset => {
                self.epochs += 1;
                self.topic.reset(Arc::from(format!("e{}", self.epochs)), 0);
                self.topic.set_listed(self.version);
            }
            Act::Ping => {
                if let Some(session) = &mut self.session {
                    session.ping();
                }
            }
            Act::Swallow => {
                if let Some(text) = self.session.as_mut().and_then(Session::next_text) {
                    self.swallowed += u64::from(text.contains(r#""t":"ch""#));
                    // A client without its `welcome` gives up by its deadline: not what is tested here.
                    if text.contains(r#""t":"welcome""#) {
                        self.input(Input::Frame(
                            self.line,
                            Box::new(serde_json::from_str(&text).unwrap()),
                        ));
                    }
                }
            }
        }
        if let Some(due) = self.link.deadline()
            && self.session.is_none()
        {
            self.now = self.now.max(due);
            self.input(Input::Timeout);
        }
    }

    fn settle(&mut self) {
        for _ in 0..6 {
            self.read(255);
            if let Some(session) = &mut self.session {
                session.ping();
            }
            self.read(255);
        }
    }

    fn truth(&self) -> BTreeMap<String, serde_json::Value> {
        self.topic.read(|log| {
            log.iter()
                .map(|entry| {
                    (entry.key.to_string(), serde_json::from_str(&entry.value.row).unwrap())
                })
                .collect()
        })
    }

    fn client(&self) -> BTreeMap<String, serde_json::Value> {
        self.link
            .ledger(TOPIC)
            .map(|ledger| {
                ledger
                    .held()
                    .iter()
                    .map(|(key, held)| (key.clone(), (*held.value).clone()))
                    .collect()
            })
            .unwrap_or_default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn the_client_ends_with_what_the_topic_holds(acts in prop::collection::vec(act(), 0..80)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.settle();
        prop_assert_eq!(world.link.ledger(TOPIC).map(domain::wire::ledger::Ledger::phase), Some(Phase::Synced));
        prop_assert_eq!(world.client(), world.truth());
    }

    #[test]
    fn nothing_counts_as_lost_where_nothing_was_swallowed(acts in prop::collection::vec(act().prop_filter("no swallowing", |act| !matches!(act, Act::Swallow)), 0..80)) {
        let mut world = World::new();
        for act in &acts {
            world.act(act);
        }
        world.settle();
        prop_assert_eq!(world.link.status(world.now).lost, 0);
    }
}

#[test]
fn a_swallowed_change_is_noticed_by_the_next_ping_and_counted_once() {
    let mut world = World::new();
    world.act(&Act::Put(1));
    world.settle();
    world.act(&Act::Put(2));
    world.act(&Act::Swallow);
    assert_eq!(world.swallowed, 1);
    world.settle();
    assert_eq!(world.client(), world.truth());
    assert_eq!(world.link.status(world.now).lost, 1);
}

#[test]
fn a_reader_that_sleeps_through_thousands_of_changes_gets_one_per_key() {
    let mut world = World::new();
    world.settle();
    for round in 0..5_000_u32 {
        world.act(&Act::Put(u8::try_from(round % 5).unwrap()));
    }
    assert!(world.session.as_ref().unwrap().mailbox().n_waiting() <= 5);
    let before = world.link.status(world.now).changes;
    world.settle();
    assert!(world.link.status(world.now).changes - before <= 5);
    assert_eq!(world.client(), world.truth());
}

#[test]
fn nothing_that_a_client_says_breaks_a_session() {
    let hub = Arc::new(Hub::new());
    let mut session = Session::new(Arc::clone(&hub), Viewer::house());
    for text in ["", "{", "null", "[]", r#"{"t":"nope"}"#] {
        session.hear(text);
    }
    let said: Vec<String> = std::iter::from_fn(|| session.next_text()).collect();
    assert!(said.iter().filter(|text| text.contains("bad_frame\"")).count() >= 5, "{said:?}");
    assert!(said.last().unwrap().contains("4501"), "{said:?}");

    let mut session = Session::new(hub, Viewer::house());
    session.hear(r#"{"t":"hello","protocol":1,"topics":[{"topic":"objects/../x"},{"topic":"state/none","labels":"a in (("},{"topic":"feed/*","at":"garbage;;=:"}]}"#);
    session.hear(r#"{"t":"need","topic":"state/none","key":"x"}"#);
    session.hear(r#"{"t":"resync","topic":"state/none"}"#);
    let many: Vec<String> = (0..300).map(|at| format!(r#"{{"topic":"feed/f{at}"}}"#)).collect();
    session.hear(&format!(r#"{{"t":"sub","topics":[{}]}}"#, many.join(",")));
    let said: Vec<String> = std::iter::from_fn(|| session.next_text()).collect();
    assert!(said[0].contains("welcome"));
    assert!(said.iter().filter(|text| text.contains("unknown_topic")).count() >= 3, "{said:?}");
    let hello = r#"{"t":"hello","protocol":9}"#;
    let mut session = Session::new(Arc::new(Hub::new()), Viewer::house());
    assert_eq!(
        session.hear(hello),
        engine::hub::session::Verdict::Close(domain::wire::Close::UnknownProtocol)
    );
}

#[test]
fn whoever_comes_from_before_our_first_list_learns_what_is_gone() {
    let mut world = World::new();
    world.act(&Act::Put(1));
    world.act(&Act::Put(2));
    world.settle();
    // Another process on the same cluster: the same epoch, and a list in which one key is gone.
    let topic = Arc::new(KeyedTopic::new(Arc::from("e0"), false));
    let text = r#"{"v":2}"#.to_owned();
    topic.put(&Arc::from("2"), 2, Payload::state(text, Stamp::received_now()));
    topic.set_listed(9);
    world.topic = Arc::clone(&topic);
    world.hub = Arc::new(Hub::new());
    world.hub.add([(TOPIC.parse::<Topic>().unwrap(), Cell::Keyed(topic))]);
    world.version = 9;
    world.act(&Act::Cut);
    world.settle();
    assert_eq!(world.client().keys().collect::<Vec<_>>(), ["2"]);
}
