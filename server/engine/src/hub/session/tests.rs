//! What a session says, without sockets: places, beginnings, wildcards.

use std::collections::BTreeMap;

use domain::{
    kind::Kind,
    object::{ObjectKey, Row},
    topic::FabricId,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::Stamp,
    hub::{
        feed::FeedTopic,
        keyed::KeyedTopic,
        payload::{Meta, Payload},
    },
};

const SWITCHES: &str = "objects/f/Switch";
const VPCS: &str = "objects/f/VPC";

/// A hub with one fabric; switches and VPCs are of one cluster.
struct World {
    hub: Arc<Hub>,
}

impl World {
    fn new() -> Self {
        let world = Self { hub: Arc::new(Hub::new()) };
        for topic in [SWITCHES, VPCS] {
            world.add(topic, KeyedTopic::new("e".into(), true));
        }
        world
            .hub
            .add([("feed/f".parse().unwrap(), Cell::Feed(Arc::new(FeedTopic::new("p".into()))))]);
        world
    }

    fn add(&self, topic: &str, keyed: KeyedTopic) {
        self.hub.add([(topic.parse().unwrap(), Cell::Keyed(Arc::new(keyed)))]);
    }

    fn topic(&self, topic: &str) -> Arc<KeyedTopic> {
        self.hub.keyed(&topic.parse().unwrap()).unwrap()
    }

    fn put(&self, topic: &str, name: &str, version: u64) {
        self.topic(topic).put(&Arc::from(name), version, payload(name, version));
    }

    fn session(&self, topics: &Value) -> Session {
        let mut session = Session::new(Arc::clone(&self.hub), Viewer::house());
        let hello = json!({"t": "hello", "protocol": 1, "topics": topics});
        assert_eq!(session.hear(&hello.to_string()), Verdict::Continue);
        session
    }
}

fn payload(name: &str, version: u64) -> Payload {
    Payload::state(json!({"name": name, "v": version}).to_string(), Stamp::received_now())
}

fn frames(session: &mut Session) -> Vec<Value> {
    std::iter::from_fn(|| session.next_text())
        .map(|text| serde_json::from_str(&text).unwrap())
        .filter(|frame: &Value| frame["t"] != "welcome")
        .collect()
}

fn words(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["t"].as_str().unwrap()).collect()
}

fn recovered<'a>(frames: &'a [Value], topic: &str) -> &'a str {
    let synced = frames.iter().rfind(|frame| frame["t"] == "synced" && frame["topic"] == topic);
    synced.unwrap_or_else(|| panic!("{topic} in {frames:?}"))["recovered"].as_str().unwrap()
}

fn sub(session: &mut Session, topics: &Value) {
    session.hear(&json!({"t": "sub", "topics": topics}).to_string());
}

fn take_all(held: &mut BTreeMap<String, u64>, frames: &[Value]) {
    for frame in frames {
        take_in(held, frame, SWITCHES);
    }
}

/// Takes a frame in as a client does.
fn take_in(held: &mut BTreeMap<String, u64>, frame: &Value, topic: &str) {
    if frame["topic"] != topic {
        return;
    }
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    for op in frame["b"].as_array().unwrap_or(&Vec::new()) {
        let (key, version) = (op["k"].as_str().unwrap().to_owned(), number(&op["v"]));
        if held.get(&key).is_some_and(|known| *known >= version) {
            continue;
        }
        match op["op"].as_str().unwrap() {
            "put" | "patch" => held.insert(key, version),
            _ => held.remove(&key),
        };
    }
    for item in frame["items"].as_array().unwrap_or(&Vec::new()) {
        held.insert(item["k"].as_str().unwrap().to_owned(), number(&item["v"]));
    }
    if let Some(live) = frame["live"].as_array() {
        held.retain(|key, _| live.iter().any(|hash| *hash == domain::wire::key_hash(key)));
    }
}

#[test]
fn a_place_is_kept_while_its_topic_is_not_listed_yet() {
    for at in [json!(["e", "20"]), json!(["e", "5"])] {
        let world = World::new();
        world.add(SWITCHES, KeyedTopic::new("".into(), false));
        let mut session = world.session(&json!([{"topic": SWITCHES, "at": at}]));
        assert!(frames(&mut session).is_empty(), "nobody knows yet");
        assert_eq!(session.place(), format!("e:{}", at[1].as_str().unwrap()));
        world.topic(SWITCHES).reset("e".into(), 0);
        world.put(SWITCHES, "n/a", 7);
        world.topic(SWITCHES).set_listed(20);
        let heard = frames(&mut session);
        let expected = if at[1] == "20" { "log" } else { "keys" };
        assert_eq!(recovered(&heard, SWITCHES), expected, "{heard:?}");
    }
}

#[test]
fn what_begins_anew_in_its_epoch_is_resumed_by_its_live_keys_and_in_another_from_nothing() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    let mut session = world.session(&json!([{"topic": SWITCHES}]));
    frames(&mut session);
    for (epoch, expected) in [("e", "keys"), ("f", "none")] {
        world.topic(SWITCHES).reset(epoch.into(), 0);
        world.put(SWITCHES, "n/a", 9);
        world.topic(SWITCHES).set_listed(9);
        assert_eq!(recovered(&frames(&mut session), SWITCHES), expected);
    }
}

#[test]
fn a_topic_that_was_replaced_is_followed_where_it_is_now() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    let mut session = world.session(&json!([{"topic": SWITCHES}, {"topic": "state/*"}]));
    frames(&mut session);
    let old = world.topic(SWITCHES);
    world.hub.remove(&"f".parse::<FabricId>().unwrap());
    world.add(SWITCHES, KeyedTopic::new("g".into(), true));
    world.put(SWITCHES, "n/b", 8);
    session.reconcile();
    assert_eq!(old.n_readers(), 0);
    let heard = frames(&mut session);
    assert_eq!(words(&heard), ["snapshot", "synced"], "{heard:?}");
    world.put(SWITCHES, "n/b", 9);
    assert_eq!(words(&frames(&mut session)), ["ch"]);
}

#[test]
fn a_topic_that_was_replaced_by_one_that_nobody_has_read_yet_is_loading_not_as_before() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    for topics in [json!([{"topic": SWITCHES}]), json!([{"topic": "objects/*/*"}])] {
        let mut session = world.session(&topics);
        frames(&mut session);
        world.add(SWITCHES, KeyedTopic::new("g".into(), false));
        session.reconcile();
        let heard = frames(&mut session);
        assert_eq!(words(&heard), ["snapshot"], "{heard:?}");
        assert_eq!((&heard[0]["done"], &heard[0]["items"]), (&json!(0), &json!([])), "{heard:?}");
        world.add(SWITCHES, KeyedTopic::new("e".into(), true));
        world.put(SWITCHES, "n/a", 7);
        session.reconcile();
    }
}

#[test]
fn a_wildcard_that_was_narrowed_by_a_name_is_widened_when_the_name_is_given_up() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    world.put(SWITCHES, "n/b", 8);
    let narrow = json!({"topic": SWITCHES, "keys": ["n/a"]});
    for topics in
        [json!([{"topic": "objects/*/*"}, narrow]), json!([narrow, {"topic": "objects/*/*"}])]
    {
        let mut session = world.session(&topics);
        let heard = frames(&mut session);
        let begun =
            heard.iter().filter(|frame| frame["t"] == "synced" && frame["topic"] == SWITCHES);
        assert_eq!(begun.count(), 1, "what is named is not begun twice: {heard:?}");
        world.put(SWITCHES, "n/b", world.topic(SWITCHES).read(domain::log::KeyLog::head) + 1);
        assert!(frames(&mut session).is_empty(), "the name decides");

        session.hear(&json!({"t": "unsub", "topics": [SWITCHES]}).to_string());
        let heard = frames(&mut session);
        assert_eq!(words(&heard), ["snapshot", "synced"]);
        assert_eq!(heard[0]["total"], 2, "all of it again");
        world.put(SWITCHES, "n/b", world.topic(SWITCHES).read(domain::log::KeyLog::head) + 1);
        assert_eq!(words(&frames(&mut session)), ["ch"]);

        session.hear(&json!({"t": "unsub", "topics": ["objects/*/*"]}).to_string());
        assert_eq!(world.topic(SWITCHES).n_readers() + world.topic(VPCS).n_readers(), 0);
    }
}

#[test]
fn a_name_that_was_never_asked_for_cannot_be_given_up_and_a_name_outlives_a_wildcard() {
    let world = World::new();
    let mut session = world.session(&json!([{"topic": "objects/*/*"}, {"topic": VPCS}]));
    frames(&mut session);
    session.hear(&json!({"t": "unsub", "topics": [SWITCHES]}).to_string());
    world.put(SWITCHES, "n/a", 7);
    assert_eq!(words(&frames(&mut session)), ["ch"], "the wildcard still wants it");
    session.hear(&json!({"t": "unsub", "topics": ["objects/*/*"]}).to_string());
    world.put(SWITCHES, "n/a", 8);
    world.put(VPCS, "n/v", 8);
    let heard = frames(&mut session);
    assert_eq!((words(&heard), &heard[0]["topic"]), (vec!["ch"], &json!(VPCS)));
}

#[test]
fn a_wildcard_is_one_of_the_topics_asked_for_however_much_it_brings() {
    let world = World::new();
    let session = Session::new(Arc::clone(&world.hub), Viewer::house());
    let mut session = session.with_most_topics(2);
    let topics = json!([{"topic": "objects/*/*"}, {"topic": "feed/f"}]);
    let hello = json!({"t": "hello", "protocol": 1, "topics": topics});
    assert_eq!(session.hear(&hello.to_string()), Verdict::Continue);
    let verdict = session.hear(&json!({"t": "sub", "topics": [{"topic": VPCS}]}).to_string());
    assert_eq!(verdict, Verdict::Close(Close::TooLarge));
}

#[test]
fn who_looks_in_another_way_begins_anew_whatever_place_it_names() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    world.put(SWITCHES, "n/b", 8);
    let mut session = world.session(&json!([{"topic": SWITCHES, "keys": ["n/a"]}]));
    frames(&mut session);
    sub(&mut session, &json!([{"topic": SWITCHES, "at": ["e", "8"]}]));
    let heard = frames(&mut session);
    assert_eq!((words(&heard), &heard[0]["total"]), (vec!["snapshot", "synced"], &json!(2)));
    sub(&mut session, &json!([{"topic": SWITCHES, "at": ["e", "8"]}]));
    assert_eq!(words(&frames(&mut session)), ["synced"], "in the same way it goes on");
}

#[test]
fn a_place_that_another_process_gave_earlier_than_we_heard_is_no_loss() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    world.put(VPCS, "n/v", 9);
    let mut session = world.session(&json!([{"topic": SWITCHES, "at": ["e", "9"]}]));
    let heard = frames(&mut session);
    assert_eq!((words(&heard), recovered(&heard, SWITCHES)), (vec!["synced"], "log"));
    assert_eq!(heard[0]["at"], json!(["e", "9"]), "a cursor never goes back");
    // What the other process knew comes here only now.
    world.put(SWITCHES, "n/b", 8);
    world.put(SWITCHES, "n/c", 12);
    let heard = frames(&mut session);
    assert_eq!((&heard[0]["from"], &heard[0]["at"][1]), (&json!("9"), &json!("12")));
    assert_eq!(heard[0]["b"].as_array().unwrap().len(), 2, "told twice rather than not at all");

    let mut session = world.session(&json!([{"topic": SWITCHES, "at": ["e", "99"]}]));
    assert_eq!(
        recovered(&frames(&mut session), SWITCHES),
        "none",
        "nothing says that this ever was"
    );
}

#[test]
fn whoever_is_cut_off_while_a_list_is_taken_in_misses_nothing_of_it() {
    let world = World::new();
    let topic = world.topic(SWITCHES);
    for name in ["n/a", "n/b", "n/c", "n/d"] {
        world.put(SWITCHES, name, 7);
    }
    let mut session = world.session(&json!([{"topic": SWITCHES}]));
    let mut held = BTreeMap::new();
    take_all(&mut held, &frames(&mut session));
    // After a gap: parts by name, not by version, and then what is gone, at the version of the list.
    topic.begin_list();
    world.put(SWITCHES, "n/a", 15);
    let mut late = world.session(&json!([{"topic": SWITCHES}]));
    let mut held_late = BTreeMap::new();
    take_all(&mut held_late, &frames(&mut late));
    topic.remove("n/c", 20);
    session.ping();
    take_all(&mut held, &frames(&mut session));
    let (place, place_late) = (session.place(), late.place());
    drop((session, late));
    world.put(SWITCHES, "n/b", 11);
    topic.remove("n/d", 20);
    topic.set_listed(20);
    let truth = BTreeMap::from([("n/a".to_owned(), 15), ("n/b".to_owned(), 11)]);
    for (place, mut held) in [(place, held), (place_late, held_late)] {
        let (epoch, version) = place.split_once(':').unwrap();
        let mut back = world.session(&json!([{"topic": SWITCHES, "at": [epoch, version]}]));
        let heard = frames(&mut back);
        assert_eq!(
            recovered(&heard, SWITCHES),
            "keys",
            "what came and went in the gap is not known"
        );
        take_all(&mut held, &heard);
        assert_eq!(held, truth, "from {place}");
    }
}

#[test]
fn a_flood_of_resyncs_that_nobody_reads_waits_once() {
    let world = World::new();
    for n in 0..500 {
        world.put(SWITCHES, &format!("n/{n}"), n + 1);
    }
    let mut session = world.session(&json!([{"topic": SWITCHES}]));
    for _ in 0..200 {
        session.hear(&json!({"t": "resync", "topic": SWITCHES}).to_string());
        sub(&mut session, &json!([{"topic": SWITCHES}]));
        // As much as is read between two messages.
        session.next_text();
    }
    let heard = frames(&mut session);
    assert_eq!(heard.iter().filter(|frame| frame["t"] == "synced").count(), 1);
    let mut held = BTreeMap::new();
    take_all(&mut held, &heard);
    assert_eq!(heard.last().unwrap()["t"], "synced");
}

#[test]
fn a_frame_of_changes_is_bounded_by_what_it_carries_in_its_view() {
    let world = World::new();
    let topic = world.topic(SWITCHES);
    let large = |version: u64| {
        let meta = Meta {
            key: "n/a".parse::<ObjectKey>().unwrap(),
            row: Arc::new(Row::default()),
            references: Vec::new(),
        };
        let full = json!({"note": "x".repeat(30_000), "v": version}).to_string();
        Payload::object("u".into(), meta, full.into(), Stamp::received_now())
    };
    let mut session = world.session(&json!([{"topic": SWITCHES, "view": "full"}]));
    frames(&mut session);
    for n in 1..=40 {
        topic.put(&Arc::from(format!("n/{n}")), n, large(n));
    }
    let live: Vec<usize> =
        std::iter::from_fn(|| session.next_text()).map(|text| text.len()).collect();
    let mut back = world.session(&json!([{"topic": SWITCHES, "view": "full", "at": ["e", "0"]}]));
    let resumed: Vec<usize> =
        std::iter::from_fn(|| back.next_text()).map(|text| text.len()).collect();
    for lengths in [live, resumed] {
        assert!(lengths.len() > 10, "{lengths:?}");
        assert!(lengths.iter().all(|length| *length < 130_000), "{lengths:?}");
    }
}

#[test]
fn cut_off_after_any_frame_its_place_brings_exactly_the_rest() {
    for topics in [
        json!([{"topic": SWITCHES}]),
        json!([{"topic": SWITCHES}, {"topic": VPCS}]),
        json!([{"topic": "objects/*/*"}]),
    ] {
        for cut in 0..60 {
            let world = World::new();
            let mut place = String::new();
            let mut held = BTreeMap::new();
            let mut session = world.session(&topics);
            let mut taken = 0;
            for version in 1..=40_u64 {
                let name = format!("n/{}", version * 7 % 11);
                if version % 4 == 0 {
                    world.topic(SWITCHES).remove(&name, version);
                } else {
                    world.put(SWITCHES, &name, version);
                }
                world.put(VPCS, "n/v", version);
                if version % 3 != 0 {
                    continue;
                }
                while let Some(text) = session.next_text() {
                    take_in(&mut held, &serde_json::from_str(&text).unwrap(), SWITCHES);
                    place = session.place();
                    taken += 1;
                    if taken == cut {
                        session = resumed(&world, &topics, &place);
                    }
                }
            }
            drop(session);
            let mut session = resumed(&world, &topics, &place);
            let heard = frames(&mut session);
            if !place.is_empty() {
                assert_eq!(recovered(&heard, SWITCHES), "log", "{topics} after {cut}");
            }
            take_all(&mut held, &heard);
            let truth: BTreeMap<String, u64> = world.topic(SWITCHES).read(|log| {
                log.iter().map(|entry| (entry.key.to_string(), entry.version)).collect()
            });
            assert_eq!(held, truth, "{topics} after {cut}");
        }
    }
}

fn resumed(world: &World, topics: &Value, place: &str) -> Session {
    let at = match place.split_once(':') {
        Some((epoch, version)) => json!([epoch, version]),
        None => json!(place),
    };
    let mut topics = topics.clone();
    for want in topics.as_array_mut().unwrap() {
        want["at"] = at.clone();
    }
    world.session(&topics)
}

#[test]
fn pings_of_a_wildcard_carry_a_token_and_pings_of_names_do_not() {
    let world = World::new();
    world.put(SWITCHES, "n/a", 7);
    let ping = |topics: Value| {
        let mut session = world.session(&topics);
        frames(&mut session);
        session.ping();
        frames(&mut session).pop().unwrap()
    };
    assert!(ping(json!([{"topic": SWITCHES}])).get("token").is_none());
    let token = ping(json!([{"topic": "objects/*/*"}, {"topic": "feed/*"}]))["token"].clone();
    assert!(token.as_str().unwrap().len() < 100, "{token}");
    world.put(SWITCHES, "n/b", 8);
    let mut back = world
        .session(&json!([{"topic": "objects/*/*", "at": token}, {"topic": "feed/*", "at": token}]));
    let heard = frames(&mut back);
    for topic in [SWITCHES, VPCS, "feed/f"] {
        assert_eq!(recovered(&heard, topic), "log", "{heard:?}");
    }
    assert_eq!(heard.iter().filter(|frame| frame["t"] == "ch").count(), 1);
    assert!(Kind::ALL.len() > 2);
}

#[test]
fn a_pong_tells_what_was_seen_and_gets_no_answer_and_a_ping_gets_the_time() {
    let world = World::new();
    let mut session = world.session(&json!([]));
    frames(&mut session);
    session.hear(r#"{"t":"pong","ts":1,"seen":[12,99999]}"#);
    assert!(frames(&mut session).is_empty());
    let mut out = String::new();
    world.hub.metrics.print(&mut out);
    assert!(out.contains("_count{stage=\"socket_to_pixel\"} 1\n"), "{out}");
    session.hear(r#"{"t":"ping","n":4}"#);
    let pong = frames(&mut session).pop().unwrap();
    assert_eq!(pong["n"], 4);
    assert!((now_ms() - pong["at"].as_i64().unwrap()).abs() < 60_000);
}

#[test]
fn who_sleeps_costs_one_change_per_object_and_a_thousand_events_and_is_told_of_the_gap() {
    let world = World::new();
    let name = |n: u64| format!("n/{n}");
    for n in 0..500 {
        world.put(SWITCHES, &name(n), n + 1);
    }
    let mut session = world.session(&json!([{"topic": SWITCHES}, {"topic": "feed/f"}]));
    frames(&mut session);
    let feed = world.hub.feed(&"f".parse().unwrap()).unwrap();
    for change in 0..10_000_u64 {
        world.put(SWITCHES, &name(change % 500), 501 + change);
        if change < 1_500 {
            feed.push(|id| {
                let event = json!({
                    "specversion": "1.0", "id": id.to_string(), "source": "f", "time": "2026-01-01T00:00:00Z",
                    "type": "hnp.watch.state", "data": {"severity": "info", "message": "x"},
                });
                serde_json::from_value(event).unwrap()
            });
        }
    }
    let waiting = session.mailbox().n_waiting();
    assert!(waiting <= 500 + crate::hub::mailbox::MOST_EVENTS, "{waiting} wait");
    let heard = frames(&mut session);
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut ops, mut folded) = (0, 0);
    for op in heard.iter().filter_map(|frame| frame["b"].as_array()).flatten() {
        ops += 1;
        folded += op["folded"].as_u64().unwrap_or_default();
        *seen.entry(op["k"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!((seen.len(), ops, folded), (500, 500, 9_500));
    let gaps: Vec<&Value> = heard.iter().filter(|frame| frame["t"] == "gap").collect();
    assert_eq!((gaps.len(), &gaps[0]["from"], &gaps[0]["to"]), (1, &json!("1"), &json!("500")));
    let events = heard.iter().filter(|frame| frame["t"] == "evt");
    assert_eq!(events.map(|frame| &frame["id"]).next(), Some(&json!("501")));
    let mut out = String::new();
    world.hub.metrics.print(&mut out);
    assert!(out.contains("hnp_live_gaps_total 1\n"), "{out}");
}
