//! Coming back, in every shape and over every transport.

use std::collections::BTreeMap;

use domain::kind::Kind;
use serde_json::{Value, json};
use sim::Fault;

use crate::{
    house::{TestHouse, key_and_version, until_true},
    socket::{Client, Held, text},
    ways::Way,
};

const SWITCHES: &str = "objects/test/Switch";
const VPCS: &str = "objects/test/VPC";

fn truth(house: &TestHouse, kind: Kind) -> BTreeMap<String, String> {
    house.yard.cluster.list(kind).iter().map(key_and_version).collect()
}

fn held(client: &Client, topic: &str) -> BTreeMap<String, String> {
    let held = client.held[topic].iter();
    held.map(|(key, (version, _))| (key.clone(), version.to_string())).collect()
}

/// A client that comes back with what it held and where it was.
async fn back(way: Way, house: &TestHouse, wants: &[Value], before: &Client) -> Client {
    let mut wants = wants.to_vec();
    for want in &mut wants {
        if let Some(at) = before.at.get(want["topic"].as_str().unwrap()) {
            want["at"] = at.clone();
        }
    }
    let mut client = way.hello(house.address, json!(wants)).await;
    client.held = before.held.clone();
    client
}

/// Takes frames in until these topics were synced, and returns how each was recovered.
async fn recovered(client: &mut Client, topics: &[&str]) -> Vec<String> {
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    while found.len() < topics.len() {
        let frame = client.until("synced").await;
        if topics.contains(&frame["topic"].as_str().unwrap()) {
            found.insert(text(&frame["topic"]), text(&frame["recovered"]));
        }
    }
    topics.iter().map(|topic| found[*topic].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn several_topics_are_resumed_by_log_by_keys_and_from_nothing_over_every_transport() {
    let house = TestHouse::vlab().await;
    let wants = [json!({"topic": SWITCHES}), json!({"topic": VPCS})];
    for way in Way::ALL {
        let name = format!("goes-{way:?}").to_lowercase();
        house.yard.clone_of(Kind::Switch, &name, &json!({}));
        house.agreement(Kind::Switch).await;
        let mut first = way.hello(house.address, json!(wants)).await;
        assert_eq!(recovered(&mut first, &[SWITCHES, VPCS]).await, ["none", "none"], "{way:?}");
        house.yard.touch("leaf-01", &format!("meanwhile {way:?}"));
        house.yard.cluster.delete(Kind::Switch, "default", &name).unwrap();
        house.agreement(Kind::Switch).await;

        let mut by_log = back(way, &house, &wants, &first).await;
        assert_eq!(recovered(&mut by_log, &[SWITCHES, VPCS]).await, ["log", "log"], "{way:?}");
        assert_eq!(held(&by_log, SWITCHES), truth(&house, Kind::Switch), "{way:?}");

        let epoch = first.at[SWITCHES][0].clone();
        first.at.insert(SWITCHES.into(), json!([epoch, "1"]));
        first.at.insert(VPCS.into(), json!(["another", "1"]));
        let mut by_keys = back(way, &house, &wants, &first).await;
        assert_eq!(recovered(&mut by_keys, &[SWITCHES, VPCS]).await, ["keys", "none"], "{way:?}");
        assert_eq!(held(&by_keys, SWITCHES), truth(&house, Kind::Switch), "no ghosts: {way:?}");
    }
    let metrics = house.get("/metrics").await.body;
    for (word, least) in [("log", 6), ("keys", 3), ("none", 3)] {
        let series = format!("hnp_live_resumes_total{{recovered=\"{word}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series)).unwrap();
        assert!(line.parse::<u64>().unwrap() >= least, "{word}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_on_the_same_cluster_goes_on_where_the_first_one_stopped() {
    let house = TestHouse::vlab().await;
    let twin = house.twin().await;
    twin.twelve_live().await;
    let topics: Vec<String> = Kind::primary().map(|kind| format!("objects/test/{kind}")).collect();
    let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
    let wants: Vec<Value> = topics.iter().map(|topic| json!({"topic": topic})).collect();
    for way in Way::ALL {
        let name = format!("goes-{way:?}").to_lowercase();
        house.yard.clone_of(Kind::Switch, &name, &json!({}));
        house.agreement(Kind::Switch).await;
        let mut first = way.hello(house.address, json!(wants)).await;
        recovered(&mut first, &topics).await;
        house.yard.touch("leaf-01", &format!("told by the first {way:?}"));
        let told = truth(&house, Kind::Switch);
        first
            .until_held(SWITCHES, |held| {
                held.iter().all(|(key, (version, _))| told.get(key) == Some(&version.to_string()))
            })
            .await;
        house.yard.touch("leaf-02", &format!("meanwhile {way:?}"));
        house.yard.cluster.delete(Kind::Switch, "default", &name).unwrap();

        // At once: the other process may have heard less so far than the first one told.
        let mut second = back(way, &twin, &wants, &first).await;
        let how = recovered(&mut second, &topics).await;
        assert!(how.iter().all(|how| how == "log" || how == "keys"), "{way:?}: {how:?}");
        let truth = truth(&house, Kind::Switch);
        let same = |held: &Held| {
            held.len() == truth.len()
                && held
                    .iter()
                    .all(|(key, (version, _))| truth.get(key) == Some(&version.to_string()))
        };
        second.until_held(SWITCHES, same).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_has_not_listed_yet_keeps_the_place_of_who_comes() {
    let house = TestHouse::vlab().await;
    let wants = [json!({"topic": SWITCHES}), json!({"topic": VPCS})];
    let mut first = Way::Socket.hello(house.address, json!(wants)).await;
    recovered(&mut first, &[SWITCHES, VPCS]).await;
    let resource = || Kind::Switch.into();
    house.yard.fault(&Fault::Forbid { user: None, resource: resource() });
    let restarted = house.twin().await;
    until_true("VPCs to be listed", || restarted.objects(Kind::Vpc).is_listed()).await;
    let mut clients = Vec::new();
    for way in [Way::Socket, Way::Sse] {
        let mut client = back(way, &restarted, &wants, &first).await;
        assert_eq!(recovered(&mut client, &[VPCS]).await, ["log"]);
        clients.push(client);
    }
    house.yard.fault(&Fault::Permit { user: None, resource: resource() });
    for client in &mut clients {
        let how = recovered(client, &[SWITCHES]).await;
        assert!(how[0] == "log" || how[0] == "keys", "{how:?}");
        assert_eq!(held(client, SWITCHES), truth(&house, Kind::Switch));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_filter_or_view_loses_no_change_and_shows_what_came_into_sight() {
    let house = TestHouse::vlab().await;
    house.yard.clone_of(Kind::Switch, "mine", &json!({"probe": "a"}));
    house.yard.clone_of(Kind::Switch, "other", &json!({"probe": "b"}));
    house.agreement(Kind::Switch).await;
    let mut client =
        Client::hello(house.address, json!([{"topic": SWITCHES, "labels": "probe=a"}])).await;
    client.synced(SWITCHES).await;
    let names = |client: &Client| client.held[SWITCHES].keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&client), ["default/mine"]);
    let at = client.at[SWITCHES].clone();
    for (round, labels, expected) in
        [(1, "probe=b", "default/other"), (2, "probe=a", "default/mine"), (3, "probe", "")]
    {
        // A change on its way while the wish changes.
        house.yard.touch("mine", &format!("round {round}"));
        house.yard.touch("other", &format!("round {round}"));
        let want = json!({"topic": SWITCHES, "labels": labels, "view": "full", "at": at});
        client.say(json!({"t": "sub", "topics": [want]})).await;
        let synced = client.until_that(|frame| frame["t"] == "synced").await;
        assert_eq!(synced["recovered"], "none", "a place of another filter is none");
        let truth = truth(&house, Kind::Switch);
        let wanted = |key: &String| key == expected || (expected.is_empty() && key.len() < 14);
        client
            .until_held(SWITCHES, |held| {
                held.iter().all(|(key, (version, object))| {
                    truth.get(key) == Some(&version.to_string()) && object["spec"].is_object()
                })
            })
            .await;
        let expected: Vec<String> = ["default/mine", "default/other"]
            .into_iter()
            .map(str::to_owned)
            .filter(|key| wanted(key))
            .collect();
        assert_eq!(names(&client), expected, "{labels}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_tab_is_understood_and_a_strange_one_is_told() {
    let house = TestHouse::vlab().await;
    // Fields that a newer or older client says are ignored, wherever they stand.
    let mut client = Client::open(house.address).await;
    let want = json!({"topic": SWITCHES, "colour": "red", "view": "row"});
    client
        .say(json!({"t": "hello", "protocol": 1, "topics": [want], "theme": {"dark": true}}))
        .await;
    client.synced(SWITCHES).await;
    client.say(json!({"t": "pong", "ts": 7})).await;
    client.say(json!({"t": "ping", "n": 1, "more": []})).await;
    assert_eq!(client.until("pong").await["n"], 1);
    // A token of an older build says nothing to us: from nothing, and no harm.
    let token = "objects/test/Switch=e0:12;state/test=p:4;";
    let want = json!({"topic": "objects/*/*", "at": token});
    let mut client = Client::hello(house.address, json!([want])).await;
    assert_eq!(client.synced(SWITCHES).await["recovered"], "none");
    assert_eq!(held(&client, SWITCHES), truth(&house, Kind::Switch));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_away_is_told_over_every_transport_and_nothing_follows() {
    let house = TestHouse::vlab().await;
    for way in Way::ALL {
        house.join("later").await;
        let topic = "objects/later/Switch";
        let wants = json!([{"topic": topic}, {"topic": SWITCHES}]);
        let mut client = way.hello(house.address, wants).await;
        recovered(&mut client, &[topic, SWITCHES]).await;
        // A poll has to be under way to be told.
        let take = async {
            let readers = || house.topic(SWITCHES).n_readers();
            until_true("somebody to follow", || readers() > 0).await;
            house.hub.remove(&"later".parse().unwrap());
        };
        let (revoked, ()) = tokio::join!(client.until("revoke"), take);
        assert_eq!((&revoked["topic"], &revoked["reason"]), (&json!(topic), &json!("gone")));
        house.yard.touch("leaf-01", &format!("after {way:?}"));
        let next = client.until_that(|frame| frame["t"] == "ch" || frame["topic"] == topic).await;
        assert!(next["topic"] == SWITCHES || next["t"] == "err", "{way:?}: {next}");
    }
}
