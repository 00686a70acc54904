//! What a session shows to whom: what somebody may not see does not exist for them, and what they may no
//! longer see is taken back.

use domain::{
    access::{Rights, Role},
    topic::FabricId,
};
use serde_json::{Value, json};

use super::*;
use crate::{
    clock::Stamp,
    hub::{feed::FeedTopic, keyed::KeyedTopic, payload::Payload},
};

const ALL: [&str; 3] = ["objects/*/*", "state/*", "feed/*"];

fn fabric(name: &str) -> FabricId {
    name.parse().unwrap()
}

fn viewer(rights: Rights) -> Viewer {
    Viewer { user: "ann".parse().ok(), who: Who::session(rights), expires_ms: None }
}

/// Two fabrics with an object, a state and a feed each.
fn hub() -> Arc<Hub> {
    let hub = Arc::new(Hub::new());
    for name in ["mine", "theirs"] {
        add(&hub, name);
    }
    hub
}

fn add(hub: &Hub, name: &str) {
    let epoch = || -> Arc<str> { format!("epoch-of-{name}").into() };
    for topic in [format!("objects/{name}/Switch"), format!("state/{name}")] {
        hub.add([(topic.parse().unwrap(), Cell::Keyed(Arc::new(KeyedTopic::new(epoch(), true))))]);
    }
    let feed = Cell::Feed(Arc::new(FeedTopic::new(epoch())));
    hub.add([(format!("feed/{name}").parse().unwrap(), feed)]);
    put(hub, name, 1);
}

fn put(hub: &Hub, name: &str, version: u64) {
    let payload =
        Payload::state(json!({"secret-of": name, "v": version}).to_string(), Stamp::received_now());
    let topic = hub.keyed(&format!("objects/{name}/Switch").parse().unwrap()).unwrap();
    topic.put(&Arc::from(format!("default/{name}")), version, payload);
}

fn open(hub: &Arc<Hub>, rights: Rights, topics: &[&str]) -> Session {
    let mut session = Session::new(Arc::clone(hub), viewer(rights));
    let wants: Vec<Value> = topics.iter().map(|topic| json!({"topic": topic})).collect();
    session.hear(&json!({"t": "hello", "protocol": 1, "topics": wants}).to_string());
    session
}

fn said(session: &mut Session) -> String {
    std::iter::from_fn(|| session.next_text()).collect::<Vec<_>>().join("\n")
}

#[test]
fn not_one_byte_of_a_fabric_reaches_who_may_not_see_it() {
    let hub = hub();
    let mut session = open(&hub, Rights::on(fabric("mine"), Role::Admin), &ALL);
    let mut all = said(&mut session);
    put(&hub, "theirs", 2);
    put(&hub, "mine", 2);
    add(&hub, "theirs-too");
    session.reconcile();
    session.ping();
    session.hear(r#"{"t":"resync","topic":"objects/theirs/Switch"}"#);
    all.push_str(&said(&mut session));
    // What they asked for by name comes back to them, and nothing else does.
    let all = all.replace(r#""topic":"objects/theirs/Switch""#, "");
    assert!(all.contains("secret-of") && all.contains("mine"), "{all}");
    assert!(!all.contains("theirs"), "{all}");
}

#[test]
fn a_forbidden_fabric_is_answered_as_one_that_never_was() {
    let hub = hub();
    let rights = || Rights::on(fabric("mine"), Role::Viewer);
    for family in ["objects/{}/Switch", "state/{}", "feed/{}"] {
        let [forbidden, absent] = ["theirs", "absent"].map(|name| {
            let mut session = open(&hub, rights(), &[&family.replace("{}", name)]);
            let text = said(&mut session).replace(name, "?");
            text.lines().filter(|line| !line.contains("welcome")).collect::<Vec<_>>().join("\n")
        });
        assert!(forbidden.contains("unknown_topic"), "{forbidden}");
        assert_eq!(forbidden, absent, "{family}");
    }
}

#[test]
fn lost_rights_take_back_what_waits_and_nothing_follows() {
    let hub = hub();
    let both = Rights::on(fabric("mine"), Role::Viewer).with(Some(fabric("theirs")), Role::Viewer);
    let mut session = open(&hub, both, &ALL);
    assert!(said(&mut session).contains("theirs"));
    put(&hub, "theirs", 2);
    session.look_for(viewer(Rights::on(fabric("mine"), Role::Viewer)));
    put(&hub, "theirs", 3);
    session.ping();
    let text = said(&mut session);
    let revoked = |topic: &str| {
        text.contains(&json!({"t": "revoke", "topic": topic, "reason": "rights"}).to_string())
    };
    for topic in ["objects/theirs/Switch", "state/theirs", "feed/theirs"] {
        assert!(text.contains(topic), "{topic} is revoked: {text}");
    }
    let frames: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let about: Vec<&Value> =
        frames.iter().filter(|frame| frame.to_string().contains("theirs")).collect();
    assert!(
        about.iter().all(|frame| frame["t"] == "revoke" && frame["reason"] == "rights"),
        "{about:?}"
    );
    assert!(!text.contains("secret-of") || !revoked("objects/mine/Switch"), "mine goes on");
    put(&hub, "mine", 4);
    assert!(said(&mut session).contains("default/mine"));
}

#[test]
fn gained_rights_bring_what_was_asked_for_before() {
    let hub = hub();
    let mut session = open(&hub, Rights::on(fabric("mine"), Role::Viewer), &ALL);
    assert!(!said(&mut session).contains("theirs"));
    session.look_for(viewer(Rights::everywhere(Role::Viewer)));
    let text = said(&mut session);
    for topic in ["objects/theirs/Switch", "state/theirs", "feed/theirs"] {
        assert!(text.contains(topic), "{topic} joined: {text}");
    }
}

#[test]
fn a_snapshot_shows_no_more_than_a_link() {
    let hub = hub();
    let mine = viewer(Rights::on(fabric("mine"), Role::Viewer));
    let wants: Vec<Want> = ALL.iter().map(|topic| Want::rows(*topic)).collect();
    let text = snapshot(&hub, mine, wants).join("\n");
    assert!(text.contains("default/mine") && !text.contains("theirs"), "{text}");
}
