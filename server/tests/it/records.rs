//! What was recorded, over HTTP, as programs and other portals read it.

use domain::{kind::Kind, time::Timestamp};
use serde_json::{Value, json};

use crate::house::{TestHouse, until};

/// A house in which a switch was described twice and that is recorded.
async fn described() -> TestHouse {
    let house = TestHouse::vlab().await;
    recorded(&house, "objects?kind=Switch&at=now", |answer| !answer["items"][0].is_null()).await;
    for text in ["one", "two"] {
        house.yard.touch("leaf-01", text);
        house.agreement(Kind::Switch).await;
    }
    recorded(&house, "objects/Switch/default/leaf-01/history", |answer| {
        answer["changes"].as_array().is_some_and(|changes| changes.len() == 3)
    })
    .await;
    house
}

async fn read(house: &TestHouse, path: &str) -> Value {
    let answer = house.get(&format!("/api/v1/fabrics/test/{path}")).await;
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

async fn recorded(house: &TestHouse, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = tokio::time::Instant::now() + crate::house::PATIENCE;
    loop {
        let answer = read(house, path).await;
        if holds(&answer) {
            return answer;
        }
        assert!(tokio::time::Instant::now() < deadline, "{path}: {answer:#}");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_read_from_a_place_on_and_by_type() {
    let house = described().await;
    let all = recorded(&house, "events?since=0", |answer| {
        answer["events"].as_array().is_some_and(|events| {
            events.iter().filter(|event| event["type"] == "hnp.resource.updated").count() == 2
        })
    })
    .await;
    let events = all["events"].as_array().unwrap();
    let ids: Vec<u64> =
        events.iter().map(|event| event["id"].as_str().unwrap().parse().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a < b));
    assert!(
        events
            .iter()
            .all(|event| event["specversion"] == "1.0" && event["source"] == "/fabrics/test")
    );
    assert_eq!(all["from"], "0", "nothing before the first was let go");
    let place = ids[ids.len() - 2];
    let rest = read(&house, &format!("events?since={place}")).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 1);
    assert_eq!(rest["from"], place.to_string());
    let page = read(&house, "events?type=hnp.resource.updated&limit=1").await;
    assert_eq!(page["events"][0]["data"]["changes"][0]["to"], "two", "the newest first");
    let next = page["next"].as_str().unwrap();
    let page =
        read(&house, &format!("events?type=hnp.resource.updated&limit=1&before={next}")).await;
    assert_eq!(page["events"][0]["data"]["changes"][0]["to"], "one");
    let about = read(&house, "events?subject=Switch/default/leaf-01").await;
    assert_eq!(about["events"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_of_an_object_is_whole_and_any_moment_of_it_can_be_read() {
    let house = described().await;
    let history = read(&house, "objects/Switch/default/leaf-01/history").await;
    let changes = history["changes"].as_array().unwrap();
    let found: Vec<_> = changes.iter().map(|change| change["found"].as_str().unwrap()).collect();
    assert_eq!(found, ["live", "live", "first"]);
    assert_eq!(
        changes[0]["value"],
        json!({"metadata": {"generation": 3}, "spec": {"description": "two"}})
    );
    for (change, text) in [(0, "two"), (1, "one")] {
        let version = changes[change]["version"].as_str().unwrap();
        let moment = read(&house, &format!("objects?kind=Switch&at=v{version}")).await;
        let leaf = moment["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|item| item["key"] == "default/leaf-01")
            .unwrap();
        assert_eq!(leaf["object"]["spec"]["description"], text);
        assert_eq!(moment["items"].as_array().unwrap().len(), 7);
        assert_eq!(moment["observed"], true);
    }
    let before = Timestamp::from_unix_ms(1_000_000_000_000).unwrap();
    let answer = house.get(&format!("/api/v1/fabrics/test/objects?kind=Switch&at={before}")).await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    assert!(answer.body.contains("not_recorded"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_now_and_then_are_paged_by_key() {
    let house = described().await;
    for at in ["", "&at=now"] {
        let mut keys = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = read(&house, &format!("objects?kind=Switch&limit=3{at}{cursor}")).await;
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= 3);
            keys.extend(items.iter().map(|item| item["key"].as_str().unwrap().to_owned()));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(keys.len(), 7, "{at}");
        assert!(keys.is_sorted());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_says_what_can() {
    let house = TestHouse::vlab().await;
    for (path, status, says) in [
        ("events?since=yesterday", 400, "position"),
        ("events?type=hnp.other", 400, "hnp.resource.created"),
        ("events?limit=0", 400, "1 to 1000"),
        ("events?limit=1001", 400, "1 to 1000"),
        ("events?sinse=1", 400, "since"),
        ("objects", 400, "Switch"),
        ("objects?kind=Pod", 400, "Switch"),
        ("objects?kind=Switch&at=soon", 400, "bad_moment"),
        ("objects?kind=Switch&cursor=x", 400, "next"),
        ("objects/Switch/default/leaf-01/history?before=x", 400, "position"),
    ] {
        let answer = house.get(&format!("/api/v1/fabrics/test/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert!(answer.body.contains(says), "{path}: {}", answer.body);
    }
    let answer = house.get("/api/v1/fabrics/other/events").await;
    assert_eq!(answer.status, 404);
    assert!(answer.body.contains("no_fabric"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_an_object_shows_what_was_recorded_of_it() {
    let house = described().await;
    until("the feed to hold both", || {
        let held = house.hub.feed(&"test".parse().unwrap()).unwrap().newest(100).1.len();
        if held >= 2 { Ok(()) } else { Err(held) }
    })
    .await;
    let page = house.get("/f/test/switches/default/leaf-01").await;
    assert!(page.body.contains("/spec/description"), "the diff is in the HTML");
}
