//! Custom resource definitions: made, used, taken away.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::subject::{Subject, widget, widgets};

crate::cases![
    a_definition_brings_its_resource_and_takes_it_away,
    two_groups_may_have_the_same_kind,
    a_broken_definition_is_refused,
    a_changed_schema_counts_at_once,
];

const BASE: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

async fn a_definition_brings_its_resource_and_takes_it_away(s: &Subject) -> anyhow::Result<()> {
    let group = format!("{}.hnp.example", s.name());
    let list = format!("/apis/{group}/v1/namespaces/default/widgets");
    ensure!(s.get(&list).await?.code == 404);
    s.define(&widgets(&group)).await?;
    let definition = s.get(&format!("{BASE}/widgets.{group}")).await?.expect(200)?;
    let conditions = definition.json["status"]["conditions"].as_array().context("conditions")?;
    ensure!(
        conditions.iter().any(|c| c["type"] == "Established" && c["status"] == "True"),
        "{conditions:?}"
    );
    let mut object = widget("a", json!({"size": 1}));
    object["apiVersion"] = json!(format!("{group}/v1"));
    s.post(&list, &object).await?.expect(201)?;
    let mut watch = s.watch(&list, "").await?;
    ensure!(watch.event().await?.0 == "ADDED");
    s.delete(&format!("{BASE}/widgets.{group}")).await?.expect(200)?;
    ensure!(watch.event().await? == ("DELETED".to_owned(), "a".to_owned()));
    s.until(async || Ok(s.get(&list).await?.code == 404)).await.context("it is still served")?;
    s.until(async || Ok(s.get(&format!("{BASE}/widgets.{group}")).await?.code == 404)).await?;
    // A server may tell that it ends the watch, or just end it; it does not go on.
    while let Some(event) = watch.next().await? {
        ensure!(event["type"] == "ERROR" || event["type"] == "DELETED", "{event}");
    }
    s.define(&widgets(&group)).await?;
    let again = s.get(&list).await?.expect(200)?;
    ensure!(again.json["items"] == json!([]), "the objects do not come back");
    Ok(())
}

async fn two_groups_may_have_the_same_kind(s: &Subject) -> anyhow::Result<()> {
    let group = format!("{}.hnp.example", s.name());
    s.define(&widgets(&group)).await?;
    let name = s.name();
    let mut object = widget(&name, json!({"size": 9}));
    object["apiVersion"] = json!(format!("{group}/v1"));
    let path = format!("/apis/{group}/v1/namespaces/default/widgets");
    s.post(&path, &object).await?.expect(201)?;
    let (ours, _) = s.make(&name, json!({"size": 1})).await?;
    ensure!(s.get(&ours).await?.json["spec"]["size"] == 1);
    ensure!(s.get(&format!("{path}/{name}")).await?.json["spec"]["size"] == 9);
    s.delete(&ours).await?.expect(200)?;
    s.get(&format!("{path}/{name}")).await?.expect(200)?;
    Ok(())
}

async fn a_broken_definition_is_refused(s: &Subject) -> anyhow::Result<()> {
    let mut misnamed = widgets("broken.hnp.example");
    misnamed["metadata"]["name"] = json!("other.broken.hnp.example");
    s.post(BASE, &misnamed).await?.refused(422, "Invalid")?;
    let mut unstored = widgets("broken.hnp.example");
    unstored["spec"]["versions"][0]["storage"] = json!(false);
    s.post(BASE, &unstored).await?.refused(422, "Invalid")?;
    Ok(())
}

async fn a_changed_schema_counts_at_once(s: &Subject) -> anyhow::Result<()> {
    let group = format!("{}.hnp.example", s.name());
    s.define(&widgets(&group)).await?;
    let path = format!("/apis/{group}/v1/namespaces/default/widgets?dryRun=All");
    let mut object = widget("a", json!({"size": 200}));
    object["apiVersion"] = json!(format!("{group}/v1"));
    s.post(&path, &object).await?.refused(422, "Invalid")?;
    let maximum = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum";
    let change = json!([{"op": "replace", "path": maximum, "value": 500}]);
    let of = format!("{BASE}/widgets.{group}");
    let mime = "application/json-patch+json";
    s.ask(&s.admin, http::Method::PATCH, &of, mime, &change).await?.expect(200)?;
    s.until(async || Ok(s.post(&path, &object).await?.code == 201))
        .await
        .context("the new schema does not count")?;
    let _: Value = s.get(&of).await?.expect(200)?.json;
    Ok(())
}
