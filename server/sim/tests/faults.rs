//! Every fault, seen from a client: what goes wrong, and that it heals.

#![expect(clippy::unwrap_used, reason = "a test ends where its expectation is not met")]

#[path = "faults/house.rs"]
mod house;

use std::time::Duration;

use domain::kind::Kind;
use house::House;
use serde_json::{Value, json};
use sim::{
    Admission, Fault, Options, ResourceId,
    fault::{Answer, End, GoneAs, Malformed},
};

fn servers() -> ResourceId {
    ResourceId::from(Kind::Server)
}

#[tokio::test]
async fn dropped_watches_end_and_can_be_opened_again() {
    let house = House::open().await;
    for end in [End::Clean, End::Abrupt] {
        let mut watch =
            house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
        house.fault(Fault::DropWatches { end });
        let ended = watch.next().await;
        assert_eq!(ended.is_err(), end == End::Abrupt, "{ended:?}");
        assert!(ended.unwrap_or_default().is_none());
    }
    house.until(|| house.cluster.open_watches() == 0).await;
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.server("a", "x");
    assert_eq!(watch.next().await.unwrap().unwrap()["type"], "ADDED");
}

#[tokio::test]
async fn a_compacted_history_is_gone_as_an_event_or_as_a_status() {
    let house = House::open().await;
    house.server("a", "1");
    let old = house.cluster.revision();
    house.server("a", "2");
    let mut live = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.fault(Fault::Compact);
    let mut watch = house.watch(&format!("&resourceVersion={old}")).await;
    let event = watch.next().await.unwrap().unwrap();
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
    house.fault(Fault::Gone { how: GoneAs::Status });
    assert_eq!(
        house.get(&format!("{}?watch=true&resourceVersion={old}", house::SERVERS)).await.0,
        410
    );
    house.server("a", "3");
    assert_eq!(
        live.next().await.unwrap().unwrap()["type"],
        "MODIFIED",
        "who was up to date lost nothing"
    );
}

#[tokio::test]
async fn everything_is_answered_alike_until_healed() {
    let house = House::open().await;
    for (with, code) in
        [(Answer::Unauthorized, 401), (Answer::ServerError, 500), (Answer::TooMany(3), 429)]
    {
        house.fault(Fault::AnswerAll { with });
        for path in [house::SERVERS, "/apis", "/version"] {
            let head = house.head(path).await;
            assert!(head.starts_with(&format!("http/1.1 {code}")), "{path}: {head}");
            assert_eq!(head.contains("retry-after: 3\r\n"), code == 429);
        }
        house.fault(Fault::Heal);
        assert_eq!(house.get(house::SERVERS).await.0, 200);
    }
}

#[tokio::test]
async fn a_hanging_resource_answers_nothing_and_its_watches_fall_silent() {
    let house = House::open().await;
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.fault(Fault::Hang { resource: Some(servers()) });
    assert_eq!(
        house.get(&house::SERVERS.replace("servers", "switches")).await.0,
        200,
        "others answer"
    );
    let mut asked = Box::pin(house.get(house::SERVERS));
    house.server("a", "x");
    let silence = Duration::from_millis(200);
    assert!(tokio::time::timeout(silence, &mut asked).await.is_err());
    assert!(tokio::time::timeout(silence, watch.next()).await.is_err());
    house.fault(Fault::Heal);
    assert_eq!(asked.await.0, 200);
    assert_eq!(watch.next().await.unwrap().unwrap()["type"], "ADDED", "nothing was lost");
}

#[tokio::test]
async fn a_right_is_taken_away_and_given_back() {
    let house = House::open().await;
    house.fault(Fault::Forbid { user: Some("admin".to_owned()), resource: servers() });
    let (code, _, body) = house.get(house::SERVERS).await;
    assert_eq!((code, &body["reason"]), (403, &json!("Forbidden")));
    assert_eq!(house.get(&house::SERVERS.replace("servers", "switches")).await.0, 200);
    house.fault(Fault::Permit { user: Some("admin".to_owned()), resource: servers() });
    assert_eq!(house.get(house::SERVERS).await.0, 200);
}

#[tokio::test]
async fn a_definition_goes_with_its_objects_and_comes_back_empty() {
    let house = House::open().await;
    house.server("a", "x");
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.fault(Fault::RemoveCrd { resource: servers() });
    assert_eq!(watch.next().await.unwrap().unwrap()["type"], "DELETED");
    assert!(watch.next().await.unwrap().is_none());
    assert_eq!(house.get(house::SERVERS).await.0, 404);
    house.fault(Fault::RestoreCrd { resource: servers() });
    let (code, _, list) = house.get(house::SERVERS).await;
    assert_eq!((code, &list["items"]), (200, &json!([])));
}

#[tokio::test]
async fn one_watch_gets_something_odd_and_the_others_do_not() {
    let house = House::open().await;
    house.server("a", "x");
    let from = format!("&resourceVersion={}", house.cluster.revision());
    let mut odd = house.watch(&from).await;
    house.fault(Fault::Malformed { resource: servers(), with: Malformed::NotJson });
    assert!(odd.next().await.is_err(), "a line that is not JSON");
    house.fault(Fault::Malformed { resource: servers(), with: Malformed::Unparsable });
    assert_eq!(odd.next().await.unwrap().unwrap()["object"]["spec"], "not a spec");
    house.fault(Fault::Malformed { resource: servers(), with: Malformed::NoSpec });
    let event = odd.next().await.unwrap().unwrap();
    assert!(event["object"]["metadata"]["name"] == "a" && event["object"].get("spec").is_none());
    house.fault(Fault::Malformed { resource: servers(), with: Malformed::HalfLine });
    assert!(odd.next().await.is_err(), "half a line");
    assert!(odd.next().await.unwrap().is_none(), "and the end");
    let mut fine = house.watch(&from).await;
    house.server("a", "y");
    assert_eq!(fine.next().await.unwrap().unwrap()["object"]["spec"]["description"], "y");
}

#[tokio::test]
async fn the_last_event_can_be_sent_a_second_time() {
    let house = House::open().await;
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.server("a", "x");
    let first = watch.next().await.unwrap().unwrap();
    house.fault(Fault::Replay { resource: servers() });
    assert_eq!(watch.next().await.unwrap().unwrap(), first);
    house.server("a", "y");
    assert_eq!(watch.next().await.unwrap().unwrap()["type"], "MODIFIED");
}

#[tokio::test]
async fn a_restored_backup_goes_back_in_state_and_version() {
    let house = House::open().await;
    house.server("a", "old");
    let then = house.cluster.revision();
    house.server("a", "new");
    house.server("b", "new");
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.fault(Fault::Rewind { versions: 2 });
    assert!(watch.next().await.is_err());
    let (_, _, list) = house.get(house::SERVERS).await;
    assert_eq!(list["metadata"]["resourceVersion"], json!(then.to_string()));
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(list["items"][0]["spec"]["description"], "old");
    house.server("c", "after");
    assert_eq!(house.cluster.revision(), then + 1, "a version is given a second time");
}

#[tokio::test]
async fn another_cluster_can_appear_under_the_same_address() {
    let house = House::open().await;
    house.server("a", "x");
    let identity =
        async || house.get("/api/v1/namespaces/kube-system").await.2["metadata"]["uid"].clone();
    let before = identity().await;
    house.fault(Fault::ChangeIdentity { seed: 99 });
    assert_ne!(identity().await, before);
    assert_eq!(house.get(house::SERVERS).await.2["items"], json!([]));
}

#[tokio::test]
async fn connections_are_refused_and_taken_again_on_the_same_port() {
    let house = House::open().await;
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    house.fault(Fault::Refuse);
    assert!(watch.next().await.is_err(), "open connections break");
    house.until_async(async || house.try_get(house::SERVERS).await.is_none()).await;
    house.fault(Fault::Heal);
    house.until_async(async || house.try_get(house::SERVERS).await.is_some()).await;
}

#[tokio::test]
async fn slow_answers_slow_streams_and_unlucky_writes_are_just_that() {
    let house = House::open().await;
    house.fault(Fault::Latency { millis: 60 });
    let asked = tokio::time::Instant::now();
    house.get(house::SERVERS).await;
    assert!(asked.elapsed() >= Duration::from_millis(60));
    house.fault(Fault::Heal);
    house.fault(Fault::SlowStream { millis: 50 });
    let mut watch = house.watch(&format!("&resourceVersion={}", house.cluster.revision())).await;
    let written = tokio::time::Instant::now();
    house.server("a", "x");
    house.server("b", "x");
    watch.next().await.unwrap();
    watch.next().await.unwrap();
    assert!(written.elapsed() >= Duration::from_millis(100));
    house.fault(Fault::Conflict { writes: 1 });
    let body = json!({"spec": {"description": "z"}});
    let path = format!("{}/a", house::SERVERS);
    assert_eq!(house.patch(&path, &body).await.0, 409);
    assert_eq!(house.patch(&path, &body).await.0, 200);
}

#[tokio::test]
async fn more_watches_than_allowed_are_told_to_come_back() {
    let house = House::with(Options { watch_limit: 1, ..Options::default() }).await;
    let first = house.watch("").await;
    let second = format!("{}?watch=true", house::SERVERS);
    let head = house.head(&second).await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 1\r\n"), "{head}");
    drop(first);
    house.until_async(async || house.head(&second).await.starts_with("http/1.1 200")).await;
}

#[tokio::test]
async fn faults_are_set_over_http_only_where_the_route_is_open() {
    let fault =
        json!({"fault": "forbid", "user": null, "resource": "servers.wiring.githedgehog.com"});
    let closed = House::open().await;
    assert_eq!(closed.post("/hnp-sim/faults", "sim-admin", &fault).await.0, 404);
    let open =
        House::with(Options { fault_route: sim::FaultRoute::Open, ..Options::default() }).await;
    assert_eq!(open.post("/hnp-sim/faults", "sim-reader", &fault).await.0, 403);
    assert_eq!(open.post("/hnp-sim/faults", "sim-admin", &json!({"fault": "none"})).await.0, 400);
    assert_eq!(open.post("/hnp-sim/faults", "sim-admin", &fault).await.0, 200);
    assert_eq!(open.get(house::SERVERS).await.0, 403);
    open.fault(Fault::AnswerAll { with: Answer::ServerError });
    assert_eq!(
        open.post("/hnp-sim/faults", "sim-admin", &json!({"fault": "heal"})).await.0,
        200,
        "the way out stays open"
    );
    assert_eq!(open.get(house::SERVERS).await.0, 200);
}

#[tokio::test]
async fn who_shows_no_token_reads_only_the_version_and_the_health() {
    let house = House::open().await;
    for (path, code) in [
        ("/version", 200),
        ("/healthz", 200),
        ("/readyz", 200),
        ("/apis", 401),
        (house::SERVERS, 401),
    ] {
        assert_eq!(house.anonymous(path).await, code, "{path}");
    }
}

#[tokio::test]
async fn a_quiet_watch_gets_bookmarks_with_the_newest_version() {
    let house =
        House::with(Options { bookmark_every: Duration::from_millis(50), ..Options::default() })
            .await;
    let mut watch = house
        .watch(&format!("&allowWatchBookmarks=true&resourceVersion={}", house.cluster.revision()))
        .await;
    let switch = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "SwitchGroup",
        "metadata": {"namespace": "default", "name": "other"}, "spec": {}});
    house.cluster.apply(switch).unwrap();
    let newest = json!(house.cluster.revision().to_string());
    let mut seen = Value::Null;
    while seen != newest {
        let event = watch.next().await.unwrap().unwrap();
        assert_eq!(event["type"], "BOOKMARK");
        seen = event["object"]["metadata"]["resourceVersion"].clone();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_watches_of_ten_thousand_objects_see_every_change_in_order() {
    let house = House::open().await;
    for number in 0..10_000 {
        house.server(&format!("s{number}"), "x");
    }
    let began = std::time::Instant::now();
    let (_, _, list) = house.get(house::SERVERS).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(10_000));
    println!("a list of 10,000 objects: {:?}", began.elapsed());
    let from = format!("&resourceVersion={}", house.cluster.revision());
    let mut watches = Vec::new();
    for _ in 0..50 {
        watches.push(house.watch(&from).await);
    }
    let began = std::time::Instant::now();
    for number in 0..200 {
        house.server(&format!("s{number}"), "y");
    }
    println!("200 changes: {:?}", began.elapsed());
    for watch in &mut watches {
        for number in 0..200 {
            let event = watch.next().await.unwrap().unwrap();
            assert_eq!(event["object"]["metadata"]["name"], json!(format!("s{number}")));
        }
    }
    println!("and their 10,000 events: {:?}", began.elapsed());
}

#[tokio::test]
async fn the_same_seed_gives_the_same_uids() {
    let uids = |seed| {
        let cluster = sim::Cluster::new(Options { seed, ..Options::default() });
        let object = cluster.apply(house::server("a", "x")).unwrap();
        object["metadata"]["uid"].clone()
    };
    assert_eq!(uids(1), uids(1));
    assert_ne!(uids(1), uids(2));
    assert_eq!(Options::default().admission, Admission::None);
}
