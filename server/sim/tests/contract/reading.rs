//! Getting and listing.

use anyhow::{Context, ensure};
use http::Request;
use kube::{
    Api,
    api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams},
    client::Body,
};
use serde_json::{Value, json};

use crate::{
    difference::Difference,
    subject::{Subject, WIDGETS, widget},
};

crate::cases![
    a_real_client_makes_reads_lists_and_deletes_an_object,
    all_pages_of_a_list_show_one_moment,
    a_list_can_be_read_at_an_exact_version,
    labels_and_fields_select,
    a_table_has_the_columns_of_the_definition,
    metadata_can_be_read_alone,
    what_is_not_there_is_not_found,
    everything_that_is_served_is_discovered,
    aggregated_discovery_and_openapi_name_the_resource,
];

async fn a_real_client_makes_reads_lists_and_deletes_an_object(s: &Subject) -> anyhow::Result<()> {
    let gvk = GroupVersionKind::gvk("contract.hnp.example", "v1", "Widget");
    let api: Api<DynamicObject> =
        Api::namespaced_with(s.admin.clone(), "default", &ApiResource::from_gvk(&gvk));
    let name = s.name();
    let object: DynamicObject = serde_json::from_value(widget(&name, json!({"size": 1})))?;
    let made = api.create(&PostParams::default(), &object).await?;
    let meta = &made.metadata;
    ensure!(meta.uid.is_some() && meta.creation_timestamp.is_some(), "{meta:?}");
    ensure!(meta.generation == Some(1), "{meta:?}");
    ensure!(made.data["spec"]["mode"] == "auto", "the default is filled in");
    let read = api.get(&name).await?;
    ensure!(read.metadata == made.metadata && read.data == made.data);
    let list = api.list(&ListParams::default()).await?;
    ensure!(list.items.iter().any(|item| item.metadata.name.as_deref() == Some(&name)));
    api.delete(&name, &DeleteParams::default()).await?;
    ensure!(api.get_opt(&name).await?.is_none());
    Ok(())
}

fn names(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().into_iter().flatten();
    items.map(|item| item["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Makes four labelled widgets and gives the label and their names.
async fn four(s: &Subject) -> anyhow::Result<(String, Vec<String>)> {
    let label = s.name();
    let mut made = Vec::new();
    for _ in 0..4 {
        let name = format!("{label}-{}", s.name());
        let mut object = widget(&name, json!({"size": 1}));
        object["metadata"]["labels"] = json!({"set": label, "odd": (made.len() % 2).to_string()});
        s.post(WIDGETS, &object).await?.expect(201)?;
        made.push(name);
    }
    made.sort();
    Ok((label, made))
}

async fn all_pages_of_a_list_show_one_moment(s: &Subject) -> anyhow::Result<()> {
    let (label, made) = four(s).await?;
    let base = format!("{WIDGETS}?labelSelector=set%3D{label}&limit=2");
    let first = s.get(&base).await?.expect(200)?;
    ensure!(names(&first.json) == made[..2], "{}", first.json);
    let token = first.text("/metadata/continue").to_owned();
    ensure!(!token.is_empty());
    s.delete(&format!("{WIDGETS}/{}", made[3])).await?.expect(200)?;
    let mut late = widget(&format!("{label}-z"), json!({"size": 1}));
    late["metadata"]["labels"] = json!({"set": label});
    s.post(WIDGETS, &late).await?.expect(201)?;
    let second = s.get(&format!("{base}&continue={token}")).await?.expect(200)?;
    ensure!(
        names(&second.json) == made[2..],
        "the deleted one is still shown, the new one is not: {}",
        second.json
    );
    ensure!(second.version() == first.version());
    ensure!(second.text("/metadata/continue").is_empty());
    let bad = s.get(&format!("{WIDGETS}?limit=2&continue=nonsense")).await?;
    ensure!(bad.code == 400, "{}", bad.json);
    Ok(())
}

async fn a_list_can_be_read_at_an_exact_version(s: &Subject) -> anyhow::Result<()> {
    let (label, made) = four(s).await?;
    let base = format!("{WIDGETS}?labelSelector=set%3D{label}");
    let then = s.get(&base).await?.expect(200)?;
    s.delete(&format!("{WIDGETS}/{}", made[0])).await?.expect(200)?;
    let exact = format!("{base}&resourceVersion={}&resourceVersionMatch=Exact", then.version());
    let exact = s.get(&exact).await?.expect(200)?;
    ensure!(names(&exact.json) == made && exact.version() == then.version(), "{}", exact.json);
    ensure!(names(&s.get(&base).await?.json) == made[1..]);
    let alone = s.get(&format!("{base}&resourceVersionMatch=Exact")).await?;
    alone.refused(422, "Invalid")?;
    let unread = s.get(&format!("{base}&resourceVersion=x")).await?;
    let failure = s.differs(Difference::UnreadableVersionIsAFailure);
    ensure!(unread.code == if failure { 500 } else { 400 }, "{}", unread.json);
    Ok(())
}

async fn labels_and_fields_select(s: &Subject) -> anyhow::Result<()> {
    let (label, made) = four(s).await?;
    for (selector, count) in [
        (format!("set={label},odd=1"), 2),
        (format!("set={label},odd!=1"), 2),
        (format!("set in (x,{label}),odd notin (0)"), 2),
        (format!("set={label},!odd"), 0),
        (format!("set={label},odd"), 4),
    ] {
        let encoded = selector
            .replace('=', "%3D")
            .replace(' ', "%20")
            .replace(',', "%2C")
            .replace('!', "%21");
        let list = s.get(&format!("{WIDGETS}?labelSelector={encoded}")).await?.expect(200)?;
        ensure!(names(&list.json).len() == count, "{selector}: {:?}", names(&list.json));
    }
    let one = s
        .get(&format!("{WIDGETS}?fieldSelector=metadata.name%3D{}", made[0]))
        .await?
        .expect(200)?;
    ensure!(names(&one.json) == made[..1]);
    s.get(&format!("{WIDGETS}?fieldSelector=spec.size%3D1")).await?.refused(400, "BadRequest")?;
    s.get(&format!("{WIDGETS}?labelSelector=a%20b")).await?.refused(400, "BadRequest")?;
    Ok(())
}

async fn a_table_has_the_columns_of_the_definition(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let (path, _) = s.make(&name, json!({"size": 7})).await?;
    let accept = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    for path in [path, format!("{WIDGETS}?fieldSelector=metadata.name%3D{name}")] {
        let request = Request::get(path).header("accept", accept).body(Body::empty())?;
        let table = s.send(&s.admin, request).await?.expect(200)?.json;
        ensure!(table["kind"] == "Table", "{table}");
        let columns: Vec<_> = table["columnDefinitions"]
            .as_array()
            .context("columns")?
            .iter()
            .map(|c| &c["name"])
            .collect();
        ensure!(columns == ["Name", "Size"], "{columns:?}");
        ensure!(table["rows"][0]["cells"] == json!([name, 7]), "{table}");
        ensure!(table["rows"][0]["object"]["kind"] == "PartialObjectMetadata", "{table}");
    }
    Ok(())
}

async fn metadata_can_be_read_alone(s: &Subject) -> anyhow::Result<()> {
    let (path, _) = s.make(&s.name(), json!({"size": 7})).await?;
    let accept = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
    let request = Request::get(path).header("accept", accept).body(Body::empty())?;
    let object = s.send(&s.admin, request).await?.expect(200)?.json;
    ensure!(object["kind"] == "PartialObjectMetadata" && object.get("spec").is_none(), "{object}");
    let request = Request::get(WIDGETS).header("accept", "application/xml").body(Body::empty())?;
    ensure!(s.send(&s.admin, request).await?.code == 406);
    Ok(())
}

async fn what_is_not_there_is_not_found(s: &Subject) -> anyhow::Result<()> {
    let reply = s.get(&format!("{WIDGETS}/gone")).await?.refused(404, "NotFound")?;
    ensure!(
        reply.text("/details/kind") == "widgets" && reply.text("/details/name") == "gone",
        "{}",
        reply.json
    );
    ensure!(s.get("/apis/contract.hnp.example/v1/gadgets").await?.code == 404);
    ensure!(s.get("/apis/contract.hnp.example/v2/widgets").await?.code == 404);
    ensure!(s.get("/nowhere").await?.code == 404);
    s.delete(&format!("{WIDGETS}/gone")).await?.refused(404, "NotFound")?;
    s.merge(&format!("{WIDGETS}/gone"), &json!({})).await?.refused(404, "NotFound")?;
    Ok(())
}

async fn everything_that_is_served_is_discovered(s: &Subject) -> anyhow::Result<()> {
    let group = "contract.hnp.example";
    // Discovery follows the definitions with some delay.
    let lists_groups = !s.differs(Difference::NoGroupList);
    s.until(async || {
        let groups = s.get("/apis").await?.expect(200)?.json;
        Ok(!lists_groups
            || groups["groups"]
                .as_array()
                .is_some_and(|list| list.iter().any(|entry| entry["name"] == group)))
    })
    .await?;
    let page = s.get(&format!("/apis/{group}/v1")).await?.expect(200)?.json;
    let resources = page["resources"].as_array().context("resources")?;
    let find = |name: &str| resources.iter().find(|entry| entry["name"] == name).cloned();
    let widgets = find("widgets").context("widgets")?;
    ensure!(widgets["namespaced"] == true && widgets["kind"] == "Widget", "{widgets}");
    for verb in ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    {
        ensure!(
            widgets["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|has| has == verb)),
            "{verb}"
        );
    }
    ensure!(find("widgets/status").is_some());
    Ok(())
}

async fn aggregated_discovery_and_openapi_name_the_resource(s: &Subject) -> anyhow::Result<()> {
    if s.differs(Difference::NoAggregatedDiscovery) {
        return Ok(());
    }
    let wanted = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    s.until(async || {
        let request = Request::get("/apis")
            .header("accept", format!("{wanted},application/json"))
            .body(Body::empty())?;
        let page = s.send(&s.admin, request).await?.expect(200)?;
        let mime = page
            .headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        ensure!(mime.contains("APIGroupDiscoveryList"), "{mime}");
        let items = page.json["items"].as_array().cloned().unwrap_or_default();
        Ok(items.iter().any(|item| {
            item["metadata"]["name"] == "contract.hnp.example"
                && item["versions"][0]["resources"][0]["resource"] == "widgets"
        }))
    })
    .await?;
    let index = "apis/contract.hnp.example/v1";
    s.until(async || Ok(s.get("/openapi/v3").await?.json["paths"].get(index).is_some())).await?;
    let url = s.get("/openapi/v3").await?.json["paths"][index]["serverRelativeURL"]
        .as_str()
        .context("url")?
        .to_owned();
    let document = s.get(&url).await?.expect(200)?.json;
    let schemas = document["components"]["schemas"].as_object().context("schemas")?;
    let widget = schemas.get("example.hnp.contract.v1.Widget").context("the schema of widgets")?;
    ensure!(
        widget["properties"]["spec"]["properties"]["size"]["maximum"] == json!(100),
        "{widget}"
    );
    ensure!(widget["x-kubernetes-group-version-kind"][0]["kind"] == "Widget");
    Ok(())
}
