//! Objects over HTTP: narrowed, ordered and paged lists, one object, its relations.

use domain::{
    kind::Kind,
    state::{KindWatch, WatchState},
};
use serde_json::Value;
use sim::Fault;

use crate::house::{Answer, TestHouse, Yard, until_true};

async fn ask(house: &TestHouse, path: &str) -> Answer {
    house.get(&format!("/api/v1/fabrics/test/{path}")).await
}

fn keys(page: &Value) -> Vec<String> {
    let items = page["items"].as_array().unwrap_or_else(|| panic!("{page:#}"));
    items.iter().map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_narrowed_and_ordered_as_the_page_shows_it() {
    let house = TestHouse::vlab().await;
    house.twelve_live().await;
    let all = ask(&house, "objects?kind=Switch").await.json();
    assert_eq!((all["total"].as_u64(), all["matched"].as_u64()), (Some(7), Some(7)));
    let leaves = ask(&house, "objects?kind=Switch&q=LEAF").await.json();
    let names = keys(&leaves);
    assert!(!names.is_empty() && names.iter().all(|key| key.contains("leaf")), "{names:?}");
    assert_eq!(leaves["matched"].as_u64(), Some(names.len() as u64));
    assert_eq!(leaves["total"], all["total"], "what is left out is counted, too");
    let none = ask(&house, "objects?kind=Switch&label=nowhere%3Dever").await.json();
    assert_eq!((keys(&none).len(), none["total"].as_u64()), (0, Some(7)));

    let mut last_first = keys(&all);
    last_first.reverse();
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let path = format!("objects?kind=Switch&sort=-name&limit=2{cursor}");
        let page = ask(&house, &path).await.json();
        paged.extend(keys(&page));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(paged, last_first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_cannot_be_gone_on_with_says_so() {
    let house = TestHouse::vlab().await;
    house.twelve_live().await;
    let spines = ask(&house, "objects?kind=Switch&q=spine&sort=name&limit=1").await.json();
    let next = spines["next"].as_str().expect("a second spine");
    let lost = ask(&house, &format!("objects?kind=Switch&q=leaf&sort=name&cursor={next}")).await;
    lost.is_problem(410, "cursor_lost");
    for (path, says) in [
        ("objects?kind=Switch&sort=colour", "colour"),
        ("objects?kind=Switch&label=a%20b%20c", ""),
        ("objects?kind=Switch&at=now&q=leaf", "leave out"),
        ("objects/Switch/default/leaf-01?q=x", "unknown parameter"),
    ] {
        let refused = ask(&house, path).await;
        assert_eq!(refused.status, 400, "{path}: {}", refused.body);
        assert!(refused.body.contains(says), "{path}: {}", refused.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_read_with_its_relations_and_not_sent_twice() {
    let house = TestHouse::vlab().await;
    house.twelve_live().await;
    let path = "objects/Switch/default/leaf-01";
    let first = ask(&house, path).await;
    let object = first.json();
    assert_eq!(object["object"]["metadata"]["name"], "leaf-01");
    assert_eq!(object["observed"], true);
    assert_eq!(object["version"], object["object"]["metadata"]["resourceVersion"]);
    let again = house.http.get(house.url(&format!("/api/v1/fabrics/test/{path}")));
    let again = Answer::of(again.header("if-none-match", first.header("etag"))).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));

    let relations = ask(&house, &format!("{path}/relations")).await.json();
    let named_by = relations["needed_by"].as_array().unwrap();
    assert!(named_by.iter().any(|edge| edge["kind"] == "Connection"), "{relations:#}");
    let needs = relations["needs"].as_array().unwrap();
    assert!(needs.iter().all(|edge| edge["presence"] == "present"), "{relations:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_absent_only_where_its_kind_is_live() {
    let yard = Yard::vlab().await;
    yard.fault(&Fault::Forbid { user: None, resource: Kind::Vpc.into() });
    let house = TestHouse::on(yard, |_| ()).await;
    until_true("switches to be live", || {
        house
            .state::<KindWatch>("watch/Switch")
            .is_some_and(|watch| watch.state == WatchState::Live)
    })
    .await;
    for way in ["", "/relations"] {
        ask(&house, &format!("objects/Switch/default/nobody{way}"))
            .await
            .is_problem(404, "no_object");
        ask(&house, &format!("objects/VPC/default/vpc-1{way}"))
            .await
            .is_problem(503, "not_observed");
    }
    let list = ask(&house, "objects?kind=VPC").await.json();
    assert_eq!((&list["observed"], &list["items"]), (&Value::Bool(false), &Value::Null));
}
