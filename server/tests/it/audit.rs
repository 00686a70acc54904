//! The audit log, as admins read it over HTTP and in the browser.

use std::collections::BTreeSet;

use domain::{
    access::Means,
    audit::{Act, Checker, Deed, Doer, Link},
};
use engine::{clock::now_ms, store::directory::Order};
use serde_json::{Value, json};

use crate::house::{TestHouse, Yard};

/// A house in which `n` things were told, the third of each three refused.
async fn told(n: usize) -> TestHouse {
    let house = TestHouse::without_fabric(Yard::empty().await, |_| ()).await;
    for i in 0..n {
        let doer = Doer {
            user: Some(format!("user-{}", i % 2)),
            means: Means::Session,
            credential: Some("0123456789ab".into()),
            from: Some("192.0.2.7".into()),
        };
        let on = format!("user/<script>alert({i})</script>");
        let deed = if i % 3 == 2 {
            Deed::refused(doer, Act::Request, on, "=needs, \"the\" role\nadmin")
        } else {
            let (before, after) = (json!({"role": "viewer"}), json!({"role": "operator"}));
            Deed::done(doer, Act::RoleGrant, on)
                .on_fabric(&"prod".parse().unwrap())
                .changing(Some(before), Some(after))
        };
        house.directory.order(Order::Tell, &deed, now_ms()).await.unwrap();
    }
    house
}

async fn pages(house: &TestHouse, query: &str) -> Vec<Value> {
    let (mut entries, mut cursor) = (Vec::new(), String::new());
    loop {
        let answer = house.get(&format!("/api/v1/audit?{query}{cursor}")).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page = answer.json();
        entries.extend(page["entries"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return entries,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_read_newest_first_and_each_entry_once() {
    let house = told(9).await;
    let all = pages(&house, "limit=4").await;
    let seqs: Vec<u64> =
        all.iter().map(|entry| entry["seq"].as_str().unwrap().parse().unwrap()).collect();
    assert!(seqs.is_sorted_by(|a, b| a > b) && seqs.last() == Some(&1), "{seqs:?}");
    assert_eq!(seqs.iter().collect::<BTreeSet<_>>().len(), seqs.len());
    let newest = &all[0];
    assert_eq!(newest["outcome"], "refused");
    assert_eq!(newest["who"]["from"], "192.0.2.7");
    assert_eq!(all[1]["after"]["role"], "operator");
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_narrow_the_log_together() {
    let house = told(12).await;
    for (query, n) in [
        ("act=role-grant", 8),
        ("act=request&user=user-0", 2),
        ("user=USER-1&outcome=done", 4),
        ("fabric=prod", 8),
        ("q=alert(11)", 1),
        ("q=ALERT(11)&outcome=done", 0),
        ("since=2020-01-01&until=2020-01-02", 0),
    ] {
        let found = pages(&house, &format!("limit=3&{query}")).await;
        assert_eq!(found.len(), n, "{query}: {found:?}");
    }
    for (query, code) in
        [("outcome=ok", "bad_query"), ("cursor=7", "bad_cursor"), ("usr=x", "bad_query")]
    {
        house.get(&format!("/api/v1/audit?{query}")).await.is_problem(400, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_whole_can_be_checked_and_is_in_the_log_itself() {
    let house = told(450).await;
    let answer = house.get("/api/v1/audit/export?format=json").await;
    assert!(answer.header("content-disposition").contains("hnp-audit.json"));
    let exported = answer.json();
    assert_eq!(exported["complete"], true);
    let mut links: Vec<Link> = exported["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| Link {
            seq: entry["seq"].as_str().unwrap().parse().unwrap(),
            at_ms: entry["at_ms"].as_i64().unwrap(),
            text: entry["text"].as_str().unwrap().into(),
            digest: entry["digest"].as_str().unwrap().into(),
        })
        .collect();
    links.reverse();
    let mut checker = Checker::default();
    for link in &links {
        checker.check(link).unwrap();
    }
    assert!(checker.seq > 450);
    let log = pages(&house, "act=audit-export").await;
    assert_eq!(log.len(), 1);
    assert_eq!(log[0]["who"]["means"], "token");

    let table = house.get("/api/v1/audit/export?format=csv&act=request").await.body;
    assert!(table.starts_with("seq,time,user") && table.ends_with("end,,,,,,,,,,,,,\r\n"));
    assert!(table.contains("\"'=needs, \"\"the\"\" role\nadmin\""), "no formula: {table}");
    house.get("/api/v1/audit/export?format=xml").await.is_problem(400, "bad_query");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_says_how_far_the_log_is_whole() {
    let house = told(3).await;
    let state = house.get("/api/v1/audit/verify").await.json();
    assert_eq!(state["intact"], true, "{state}");
    let newest = pages(&house, "limit=1").await.remove(0);
    assert_eq!((&state["entries"], &state["head"]), (&newest["seq"], &newest["digest"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_log_as_text_and_keeps_its_filters() {
    let house = told(120).await;
    let page = house.get("/audit?user=user-1&outcome=done").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(!page.body.contains("<script>alert"), "what the log says is text");
    assert!(page.body.contains("&lt;script&gt;alert"), "{}", page.body);
    assert!(page.body.contains("data-chain=\"intact\""));
    assert!(page.body.contains("value=\"user-1\""), "the filter is kept");
    assert_eq!(page.body.matches("data-seq=").count(), 40);
    assert!(!page.body.contains("user-0"));
    let all = house.get("/audit").await;
    assert_eq!(all.body.matches("data-seq=").count(), 50);
    let before = all.body.split(">Older<").next().unwrap();
    let older = before.rsplit("href=\"").next().unwrap().split('"').next().unwrap();
    assert!(older.starts_with("/audit?cursor="), "{older}: {}", all.body);
    let older = older.replace("&amp;", "&");
    let second = house.get(&older).await;
    assert_eq!(second.body.matches("data-seq=").count(), 50);
    assert!(second.body.contains(">Newest<"));
    let wrong = house.get("/audit?since=soon").await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("2026-11-24T13:00:00Z"), "says what to write");
}
