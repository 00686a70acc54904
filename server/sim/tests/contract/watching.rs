//! Watches.

use anyhow::{Context, ensure};
use serde_json::json;

use crate::{
    difference::Difference,
    subject::{Subject, WIDGETS, widget},
};

crate::cases![
    a_watch_tells_every_change_after_its_version_in_order,
    a_watch_without_a_version_begins_with_what_is_there,
    a_selector_turns_changes_into_arrivals_and_departures,
    a_watch_ends_when_its_time_is_up,
    initial_events_end_with_a_bookmark,
    versions_grow_over_all_resources,
    a_forgotten_version_is_gone,
];

fn pair(what: &str, name: &str) -> (String, String) {
    (what.to_owned(), name.to_owned())
}

async fn a_watch_tells_every_change_after_its_version_in_order(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let from = s.get(WIDGETS).await?.expect(200)?.version().to_owned();
    let (path, _) = s.make(&name, json!({"size": 1})).await?;
    let mut watch = s.watch(WIDGETS, &format!("&resourceVersion={from}")).await?;
    ensure!(watch.event().await? == pair("ADDED", &name));
    s.merge(&path, &json!({"spec": {"size": 2}})).await?.expect(200)?;
    s.merge(&path, &json!({"spec": {"size": 2}})).await?.expect(200)?;
    let last = s
        .merge(&format!("{path}/status"), &json!({"status": {"phase": "x"}}))
        .await?
        .expect(200)?;
    s.delete(&path).await?.expect(200)?;
    ensure!(watch.event().await? == pair("MODIFIED", &name));
    let modified = watch.next().await?.context("an event")?;
    ensure!(modified["object"] == last.json, "the event carries the object whole");
    let deleted = watch.next().await?.context("an event")?;
    ensure!(deleted["type"] == "DELETED" && deleted["object"]["spec"]["size"] == 2, "{deleted}");
    let version = |text: &str| text.parse::<u64>().unwrap_or_default();
    let at = version(deleted["object"]["metadata"]["resourceVersion"].as_str().unwrap_or_default());
    ensure!(at > version(last.version()), "a deletion has a version of its own");
    Ok(())
}

async fn a_watch_without_a_version_begins_with_what_is_there(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let (path, _) = s.make(&name, json!({"size": 1})).await?;
    let mut watch = s.watch(WIDGETS, &format!("&fieldSelector=metadata.name%3D{name}")).await?;
    ensure!(watch.event().await? == pair("ADDED", &name));
    s.delete(&path).await?.expect(200)?;
    ensure!(watch.event().await? == pair("DELETED", &name));
    Ok(())
}

async fn a_selector_turns_changes_into_arrivals_and_departures(s: &Subject) -> anyhow::Result<()> {
    let (name, label) = (s.name(), s.name());
    let from = s.get(WIDGETS).await?.version().to_owned();
    let mut watch =
        s.watch(WIDGETS, &format!("&resourceVersion={from}&labelSelector=in%3D{label}")).await?;
    let (path, _) = s.make(&name, json!({"size": 1})).await?;
    let label_it = async |value: serde_json::Value| {
        s.merge(&path, &json!({"metadata": {"labels": {"in": value}}})).await?.expect(200)
    };
    label_it(json!(label)).await?;
    ensure!(watch.event().await? == pair("ADDED", &name));
    s.merge(&path, &json!({"spec": {"size": 2}})).await?.expect(200)?;
    ensure!(watch.event().await? == pair("MODIFIED", &name));
    label_it(json!("elsewhere")).await?;
    ensure!(watch.event().await? == pair("DELETED", &name));
    s.delete(&path).await?.expect(200)?;
    let (path, _) = s.make(&s.name(), json!({"size": 1})).await?;
    let seen =
        s.merge(&path, &json!({"metadata": {"labels": {"in": label}}})).await?.expect(200)?;
    ensure!(
        watch.event().await? == pair("ADDED", seen.text("/metadata/name")),
        "the deletion outside was not told"
    );
    Ok(())
}

async fn a_watch_ends_when_its_time_is_up(s: &Subject) -> anyhow::Result<()> {
    let mut watch = s.watch(WIDGETS, "&timeoutSeconds=1&labelSelector=never%3Dthere").await?;
    ensure!(watch.next().await?.is_none());
    Ok(())
}

async fn initial_events_end_with_a_bookmark(s: &Subject) -> anyhow::Result<()> {
    if s.differs(Difference::NoWatchList) {
        return Ok(());
    }
    let label = s.name();
    let mut object = widget(&s.name(), json!({"size": 1}));
    object["metadata"]["labels"] = json!({"initial": label});
    let made = s.post(WIDGETS, &object).await?.expect(201)?;
    let query =
        format!("&sendInitialEvents=true&allowWatchBookmarks=true&labelSelector=initial%3D{label}");
    let unmatched = s.watch(WIDGETS, &query).await;
    ensure!(unmatched.is_err(), "it needs resourceVersionMatch");
    let mut watch = s.watch(WIDGETS, &format!("{query}&resourceVersionMatch=NotOlderThan")).await?;
    ensure!(watch.event().await? == pair("ADDED", made.text("/metadata/name")));
    let mark = watch.next().await?.context("a bookmark")?;
    ensure!(mark["type"] == "BOOKMARK", "{mark}");
    ensure!(
        mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"] == "true",
        "{mark}"
    );
    ensure!(mark["object"]["kind"] == "Widget", "{mark}");
    let at: u64 =
        mark["object"]["metadata"]["resourceVersion"].as_str().context("a version")?.parse()?;
    ensure!(at >= made.version().parse::<u64>()?);
    let path = format!("{WIDGETS}/{}", made.text("/metadata/name"));
    s.delete(&path).await?.expect(200)?;
    ensure!(watch.event().await? == pair("DELETED", made.text("/metadata/name")));
    Ok(())
}

async fn versions_grow_over_all_resources(s: &Subject) -> anyhow::Result<()> {
    let (_, one) = s.make(&s.name(), json!({"size": 1})).await?;
    let group = format!("{}.hnp.example", s.name());
    s.define(&crate::subject::widgets(&group)).await?;
    let definition = s
        .get(&format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.{group}"))
        .await?;
    let (_, two) = s.make(&s.name(), json!({"size": 1})).await?;
    let version = |text: &str| text.parse::<u64>().unwrap_or_default();
    ensure!(
        version(one.version()) < version(definition.version()),
        "{} {}",
        one.version(),
        definition.version()
    );
    ensure!(version(definition.version()) < version(two.version()));
    let list = s.get(&format!("/apis/{group}/v1/widgets")).await?.expect(200)?;
    ensure!(
        version(list.version()) >= version(two.version()),
        "an empty list knows the newest version too"
    );
    Ok(())
}

async fn a_forgotten_version_is_gone(s: &Subject) -> anyhow::Result<()> {
    for _ in 0..3 {
        s.make(&s.name(), json!({"size": 1})).await?;
    }
    let page = s.get(&format!("{WIDGETS}?limit=1")).await?.expect(200)?;
    let (token, old) = (page.text("/metadata/continue").to_owned(), page.version().to_owned());
    ensure!(!token.is_empty());
    s.make(&s.name(), json!({"size": 1})).await?;
    s.compact().await?;
    let exact = format!("{WIDGETS}?resourceVersion={old}&resourceVersionMatch=Exact&limit=500");
    // The real server may answer from a cache for a moment; that the version is gone comes about soon.
    let reply = s.get(&exact).await?;
    if !s.differs(Difference::CacheOutlivesCompaction) {
        reply.refused(410, "Expired")?;
        s.get(&format!("{WIDGETS}?limit=1&continue={token}")).await?.refused(410, "Expired")?;
    }
    let mut watch = s.watch(WIDGETS, "&resourceVersion=1").await?;
    let event = watch.next().await?.context("an event")?;
    ensure!(event["type"] == "ERROR" && event["object"]["code"] == 410, "{event}");
    ensure!(
        event["object"]["kind"] == "Status" && event["object"]["reason"] == "Expired",
        "{event}"
    );
    ensure!(watch.next().await?.is_none(), "the watch ends after it");
    Ok(())
}
