//! What the live protocol promises, over a real socket.

use std::collections::{BTreeMap, BTreeSet};

use domain::kind::Kind;
use serde_json::{Value, json};
use sim::Fault;

use crate::{
    house::{TestHouse, Yard, key_and_version, until_true},
    socket::{Client, Held, kinds, text, version},
};

const SWITCHES: &str = "objects/test/Switch";
const VPCS: &str = "objects/test/VPC";

/// Key to version of what the cluster holds.
fn truth(house: &TestHouse, kind: Kind) -> BTreeMap<String, u64> {
    let pair = |object: &Value| {
        let (key, version) = key_and_version(object);
        (key, version.parse().unwrap())
    };
    house.yard.cluster.list(kind).iter().map(pair).collect()
}

fn versions(held: &Held) -> BTreeMap<String, u64> {
    held.iter().map(|(key, (version, _))| (key.clone(), *version)).collect()
}

/// Touches a switch and waits until the client has seen exactly the truth.
async fn touched(house: &TestHouse, client: &mut Client, name: &str, text: &str) {
    house.yard.touch(name, text);
    let truth = truth(house, Kind::Switch);
    client.until_held(SWITCHES, |held| versions(held) == truth).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_hello_come_welcome_then_snapshot_and_synced_of_each_topic_then_numbered_changes() {
    let house = TestHouse::vlab().await;
    let topics = [SWITCHES, VPCS, "state/test", "feed/test"];
    let wants: Vec<Value> = topics.iter().map(|topic| json!({"topic": topic})).collect();
    let mut client = Client::hello(house.address, json!(wants)).await;
    for topic in topics {
        let mut frames = Vec::new();
        loop {
            let frame = client.step().await;
            assert_eq!(frame["topic"], topic, "one topic after the other: {frame}");
            frames.push(frame);
            if frames.last().unwrap()["t"] == "synced" {
                break;
            }
        }
        let synced = frames.pop().unwrap();
        assert_eq!(synced["recovered"], "none");
        let expected = if topic == "feed/test" { "evt" } else { "snapshot" };
        assert!(kinds(&frames).iter().all(|t| t == expected), "{frames:?}");
        if let Some(last) = frames.iter().rfind(|frame| frame["t"] == "snapshot") {
            assert_eq!((&last["done"], &last["total"]), (&last["total"], &synced["total"]));
            assert_eq!(last["at"], synced["at"], "position and snapshot are of one moment");
        }
    }
    assert_eq!(versions(&client.held[SWITCHES]), truth(&house, Kind::Switch));
    house.yard.touch("leaf-01", "changed");
    let change = client.until_that(|frame| frame["t"] == "ch" && frame["topic"] == SWITCHES).await;
    assert_eq!(change["ms"].as_array().unwrap().len(), 3, "delivery, hub and write are stamped");
    assert_eq!(versions(&client.held[SWITCHES]), truth(&house, Kind::Switch));
    assert!(client.held[SWITCHES]["default/leaf-01"].1.to_string().contains("changed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_gets_exactly_what_was_missed_deletes_included() {
    let house = TestHouse::vlab().await;
    house.yard.clone_of(Kind::Switch, "goes", &json!({}));
    house.agreement(Kind::Switch).await;
    let mut client = Client::hello(house.address, json!([{"topic": SWITCHES}])).await;
    client.synced(SWITCHES).await;
    let (held, at) = (client.held.clone(), client.at[SWITCHES].clone());
    client.cut();

    house.yard.touch("leaf-01", "once");
    house.yard.touch("leaf-01", "twice");
    house.yard.cluster.delete(Kind::Switch, "default", "goes").unwrap();
    house.yard.clone_of(Kind::Switch, "comes", &json!({}));
    house.yard.clone_of(Kind::Switch, "flits", &json!({}));
    house.yard.cluster.delete(Kind::Switch, "default", "flits").unwrap();
    house.agreement(Kind::Switch).await;

    let mut client = Client::hello(house.address, json!([{"topic": SWITCHES, "at": at}])).await;
    client.held = held;
    let mut frames = Vec::new();
    while frames.last().is_none_or(|frame: &Value| frame["t"] != "synced") {
        frames.push(client.step().await);
    }
    assert_eq!(frames.last().unwrap()["recovered"], "log");
    let ops: Vec<(String, String)> = frames
        .iter()
        .filter(|frame| frame["t"] == "ch")
        .flat_map(|frame| frame["b"].as_array().unwrap())
        .map(|op| (text(&op["op"]), text(&op["k"])))
        .collect();
    let expected = [
        ("put", "default/leaf-01"),
        ("del", "default/goes"),
        ("put", "default/comes"),
        ("del", "default/flits"),
    ];
    let expected: Vec<_> = expected.map(|(op, key)| (op.to_owned(), key.to_owned())).into();
    assert_eq!(ops, expected);
    assert_eq!(kinds(&frames), ["ch", "synced"]);
    assert_eq!(versions(&client.held[SWITCHES]), truth(&house, Kind::Switch));
    touched(&house, &mut client, "leaf-02", "and on").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_deletes_were_known_gets_the_live_keys_and_another_epoch_everything() {
    let house = TestHouse::vlab().await;
    let mut client = Client::hello(house.address, json!([{"topic": SWITCHES}])).await;
    let epoch = client.synced(SWITCHES).await["at"][0].clone();
    client.cut();

    let wants = json!([{"topic": SWITCHES, "at": [epoch, "1"]}]);
    let mut client = Client::hello(house.address, wants).await;
    client.held.insert(SWITCHES.into(), Held::from([("default/ghost".into(), (1, json!({})))]));
    let synced = client.synced(SWITCHES).await;
    assert_eq!(synced["recovered"], "keys");
    assert_eq!(versions(&client.held[SWITCHES]), truth(&house, Kind::Switch), "no ghosts");

    let head = version(&synced["at"][1]);
    for at in [json!(["another", head.to_string()]), json!([epoch, (head + 1000).to_string()])] {
        let wants = json!([{"topic": SWITCHES, "at": at}]);
        let mut client = Client::hello(house.address, wants).await;
        assert_eq!(client.synced(SWITCHES).await["recovered"], "none", "{at}");
        assert_eq!(versions(&client.held[SWITCHES]), truth(&house, Kind::Switch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wildcard_brings_each_kind_by_its_name_and_a_fabric_that_comes_later() {
    let house = TestHouse::vlab().await;
    let wants = json!([{"topic": "objects/*/*"}, {"topic": "state/*"}]);
    let mut client = Client::hello(house.address, wants).await;
    let mut missing: BTreeSet<String> =
        Kind::primary().map(|kind| format!("objects/test/{kind}")).collect();
    missing.insert("state/test".into());
    while !missing.is_empty() {
        let frame = client.step().await;
        assert!(!frame["topic"].as_str().unwrap_or_default().contains('*'), "{frame}");
        if frame["t"] == "synced" {
            missing.remove(&text(&frame["topic"]));
        }
    }
    for kind in Kind::primary() {
        assert_eq!(versions(&client.held[&format!("objects/test/{kind}")]), truth(&house, kind));
    }
    house.join("later").await;
    client.synced("objects/later/Switch").await;
    assert_eq!(versions(&client.held["objects/later/Switch"]), truth(&house, Kind::Switch));
    house.hub.remove(&"later".parse().unwrap());
    let revoked = client.until("revoke").await;
    assert!(text(&revoked["topic"]).contains("/later"), "{revoked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sub_unsub_resync_and_need_do_what_they_say() {
    let house = TestHouse::vlab().await;
    let mut client = Client::hello(house.address, json!([])).await;
    client.say(json!({"t": "sub", "topics": [{"topic": SWITCHES}, {"topic": VPCS}]})).await;
    client.synced(SWITCHES).await;
    client.synced(VPCS).await;

    client.say(json!({"t": "need", "topic": SWITCHES, "key": "default/leaf-01"})).await;
    let answer = client.until("ch").await;
    let ops = answer["b"].as_array().unwrap();
    assert_eq!(
        (ops.len(), &ops[0]["op"], &ops[0]["k"]),
        (1, &json!("put"), &json!("default/leaf-01"))
    );

    client.say(json!({"t": "resync", "topic": SWITCHES})).await;
    let again = client.until("snapshot").await;
    assert_eq!((&again["topic"], &again["total"]), (&json!(SWITCHES), &json!(7)));
    assert_eq!(client.synced(SWITCHES).await["recovered"], "none");

    client.say(json!({"t": "ping", "n": 41})).await;
    assert_eq!(client.until("pong").await["n"], 41);

    for frame in [
        json!({"t": "resync", "topic": "objects/test/Agent"}),
        json!({"t": "need", "topic": "objects/test/Agent", "key": "default/leaf-01"}),
        json!({"t": "sub", "topics": [{"topic": "objects/elsewhere/Switch"}]}),
        json!({"t": "sub", "topics": [{"topic": "nonsense"}]}),
    ] {
        client.say(frame.clone()).await;
        let error = client.until("err").await;
        assert_eq!(error["code"], "unknown_topic", "{frame}");
        assert!(error["message"].as_str().unwrap().len() > 10);
    }

    client.say(json!({"t": "unsub", "topics": [SWITCHES]})).await;
    client.say(json!({"t": "ping", "n": 42})).await;
    client.until("pong").await;
    house.yard.touch("leaf-01", "not for you");
    house.agreement(Kind::Switch).await;
    house.yard.clone_of(Kind::Vpc, "after", &json!({}));
    let change = client.until("ch").await;
    assert_eq!(change["topic"], VPCS, "nothing of a topic that was unsubscribed");
    assert_eq!(house.objects(Kind::Switch).n_readers(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_patched_and_full_objects_come_as_the_cluster_serves_them() {
    let house = TestHouse::vlab().await;
    let mut rows = Client::hello(house.address, json!([{"topic": SWITCHES, "view": "row"}])).await;
    let mut full = Client::hello(house.address, json!([{"topic": SWITCHES, "view": "full"}])).await;
    rows.synced(SWITCHES).await;
    full.synced(SWITCHES).await;
    house.yard.touch("leaf-01", "seen by both");
    let change = rows.until("ch").await;
    assert_eq!(change["b"][0]["op"], "patch", "a small change of a row is a small frame: {change}");
    full.until("ch").await;

    let mut served = house.yard.cluster.get(Kind::Switch, "default", "leaf-01").unwrap();
    served["metadata"].as_object_mut().unwrap().remove("managedFields");
    assert_eq!(full.held[SWITCHES]["default/leaf-01"].1, served);

    // What was patched together equals what somebody who comes now is given.
    let mut fresh = Client::hello(house.address, json!([{"topic": SWITCHES}])).await;
    fresh.synced(SWITCHES).await;
    assert_eq!(rows.held[SWITCHES], fresh.held[SWITCHES]);
    assert!(rows.held[SWITCHES]["default/leaf-01"].1.to_string().contains("seen by both"));
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_keys_narrow_a_topic_and_what_leaves_the_selection_is_out() {
    let house = TestHouse::vlab().await;
    house.yard.clone_of(Kind::Switch, "mine", &json!({"probe": "a"}));
    house.yard.clone_of(Kind::Switch, "other", &json!({"probe": "b"}));
    house.agreement(Kind::Switch).await;
    let wants = json!([{"topic": SWITCHES, "labels": "probe=a"}]);
    let mut labelled = Client::hello(house.address, wants).await;
    let wants = json!([{"topic": SWITCHES, "keys": ["default/leaf-01", "default/nobody"]}]);
    let mut keyed = Client::hello(house.address, wants).await;
    labelled.synced(SWITCHES).await;
    keyed.synced(SWITCHES).await;
    let names = |client: &Client| client.held[SWITCHES].keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&labelled), ["default/mine"]);
    assert_eq!(names(&keyed), ["default/leaf-01"]);

    house.yard.touch("leaf-02", "for neither of them");
    let label = |name: &str, value: &str| {
        let patch = json!({"metadata": {"labels": {"probe": value}}});
        house.yard.patch(Kind::Switch, name, patch);
    };
    label("mine", "c");
    let change = labelled.until("ch").await;
    assert_eq!(
        (&change["b"][0]["op"], &change["b"][0]["k"]),
        (&json!("out"), &json!("default/mine"))
    );
    assert!(names(&labelled).is_empty());
    label("other", "a");
    let change = labelled.until("ch").await;
    assert_eq!(
        (&change["b"][0]["op"], &change["b"][0]["k"]),
        (&json!("put"), &json!("default/other"))
    );
    house.yard.touch("leaf-01", "for the other one");
    let change = keyed.until("ch").await;
    assert_eq!(
        change["b"].as_array().unwrap().len(),
        1,
        "only the key that was asked for: {change}"
    );
    assert_eq!(change["b"][0]["k"], "default/leaf-01");

    // A resume with the same labels tells what left meanwhile.
    let at = labelled.at[SWITCHES].clone();
    label("other", "z");
    house.agreement(Kind::Switch).await;
    let wants = json!([{"topic": SWITCHES, "labels": "probe=a", "at": at}]);
    let mut back = Client::hello(house.address, wants).await;
    back.held = labelled.held.clone();
    assert_eq!(back.synced(SWITCHES).await["recovered"], "log");
    assert!(names(&back).is_empty(), "{:?}", names(&back));

    let long = "x".repeat(5_000);
    for labels in ["=", "a in (", &format!("a={long}")] {
        let sub = json!({"t": "sub", "topics": [{"topic": SWITCHES, "labels": labels}]});
        labelled.say(sub).await;
        assert_eq!(labelled.until("err").await["code"], "bad_selector", "{labels:.20}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_topic_is_synced_and_one_that_was_never_listed_is_not_until_it_was() {
    let yard = Yard::empty().await;
    let vpcs = || Kind::Vpc.into();
    yard.fault(&Fault::Forbid { user: None, resource: vpcs() });
    let house = TestHouse::on(yard, |_| ()).await;
    until_true("switches to be live", || house.objects(Kind::Switch).is_listed()).await;
    until_true("VPCs to be forbidden", || {
        house.kind(Kind::Vpc).state == domain::state::WatchState::Forbidden
    })
    .await;
    let wants = json!([{"topic": VPCS}, {"topic": SWITCHES}]);
    let mut client = Client::hello(house.address, wants).await;
    let first = client.step().await;
    assert_eq!((&first["t"], &first["topic"]), (&json!("synced"), &json!(SWITCHES)));
    assert_eq!(first["total"], 0, "empty is not loading: synced, and no snapshot");
    client.say(json!({"t": "ping", "n": 1})).await;
    assert_eq!(client.step().await["t"], "pong", "nothing is said of what nobody knows");

    house.yard.fault(&Fault::Permit { user: None, resource: vpcs() });
    assert_eq!(client.synced(VPCS).await["total"], 0);
}

/// The one test that waits for silence: pings, the wildcard's token, and the end of a client that is deaf.
#[tokio::test(flavor = "multi_thread")]
async fn silence_brings_a_ping_its_token_resumes_and_no_pong_ends_the_link() {
    let house = TestHouse::vlab().await;
    let wants = json!([{"topic": "objects/*/*"}, {"topic": "state/*"}]);
    let mut client = Client::hello(house.address, wants.clone()).await;
    let ping = loop {
        let frame = client.next().await;
        client.take_in(&frame);
        if frame["t"] == "ping" {
            break frame;
        }
    };
    let heads = ping["heads"].as_array().unwrap();
    let head = heads.iter().find(|head| head[0] == SWITCHES).unwrap();
    assert_eq!((&head[1], &head[2]), (&client.at[SWITCHES][1], &json!("live")));
    assert!(head[3].is_null(), "a lag that nobody measured is null");

    // Not answered, although changes keep coming: they are no answer.
    let token = ping["token"].clone();
    let mut frames = Vec::new();
    let mut tick = tokio::time::interval(std::time::Duration::from_millis(500));
    let bye = loop {
        tokio::select! {
            _ = tick.tick() => house.yard.touch("leaf-01", &format!("{}", frames.len())),
            frame = client.try_next() => match frame {
                Some(frame) if frame["t"] == "bye" => break frame,
                Some(frame) => frames.push(frame),
                None => panic!("closed without a bye: {:?}", client.closed),
            },
        }
        assert!(frames.len() < 60, "a deaf client is kept");
    };
    assert_eq!((&bye["code"], &bye["reason"]), (&json!(4012), &json!("no_pong")));
    client.rest().await;
    assert_eq!(client.closed, Some(4012));

    house.agreement(Kind::Switch).await;
    let wants = json!([{"topic": "objects/*/*", "at": token}]);
    let mut back = Client::hello(house.address, wants).await;
    back.held = client.held.clone();
    for kind in Kind::primary() {
        let synced = format!("objects/test/{kind}");
        // They come in the order of their names, all of them at once.
        if !back.at.contains_key(&synced) {
            assert_eq!(back.synced(&synced).await["recovered"], "log", "{kind}");
        }
        assert_eq!(versions(&back.held[&synced]), truth(&house, kind));
    }
}
