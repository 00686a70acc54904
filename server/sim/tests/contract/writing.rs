//! Creating, replacing, patching, deleting.

use anyhow::{Context, ensure};
use http::Method;
use serde_json::{Value, json};

use crate::{
    difference::Difference,
    subject::{Reply, Subject, WIDGETS, widget},
};

crate::cases![
    a_name_can_be_generated,
    what_exists_cannot_be_made_again,
    a_stale_replacement_is_a_conflict,
    a_replacement_must_name_its_version,
    generations_count_changes_of_the_spec_alone,
    spec_and_status_are_written_apart,
    a_write_that_changes_nothing_gets_no_version,
    a_json_patch_is_carried_out_or_refused_as_a_whole,
    a_custom_resource_takes_no_strategic_merge_patch,
    a_dry_run_changes_nothing,
    an_invalid_object_is_refused_field_by_field,
    unknown_fields_are_dropped_and_told,
    names_and_types_must_fit_the_address,
    a_body_that_cannot_be_read_is_refused,
    preconditions_guard_a_deletion,
    finalizers_hold_an_object_back,
    a_collection_is_deleted_by_selector,
    an_object_needs_a_namespace_that_exists,
];

fn causes(reply: &Reply) -> Vec<(String, String)> {
    let causes = reply
        .json
        .pointer("/details/causes")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let text = |cause: &Value, key: &str| cause[key].as_str().unwrap_or_default().to_owned();
    causes.iter().map(|cause| (text(cause, "field"), text(cause, "reason"))).collect()
}

async fn a_name_can_be_generated(s: &Subject) -> anyhow::Result<()> {
    let mut object = widget("", json!({"size": 1}));
    object["metadata"] = json!({"generateName": "gen-"});
    let (one, two) = (
        s.post(WIDGETS, &object).await?.expect(201)?,
        s.post(WIDGETS, &object).await?.expect(201)?,
    );
    ensure!(
        one.text("/metadata/name").starts_with("gen-") && one.text("/metadata/name").len() == 9
    );
    ensure!(one.text("/metadata/name") != two.text("/metadata/name"));
    object["metadata"] = json!({});
    s.post(WIDGETS, &object).await?.refused(422, "Invalid")?;
    Ok(())
}

async fn what_exists_cannot_be_made_again(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    s.make(&name, json!({"size": 1})).await?;
    let again =
        s.post(WIDGETS, &widget(&name, json!({"size": 2}))).await?.refused(409, "AlreadyExists")?;
    ensure!(again.text("/details/name") == name);
    Ok(())
}

async fn a_stale_replacement_is_a_conflict(s: &Subject) -> anyhow::Result<()> {
    let (path, made) = s.make(&s.name(), json!({"size": 1})).await?;
    let mut object = made.json.clone();
    object["spec"]["size"] = json!(2);
    let replaced = s.put(&path, &object).await?.expect(200)?;
    ensure!(replaced.version().parse::<u64>()? > made.version().parse::<u64>()?);
    ensure!(replaced.text("/metadata/uid") == made.text("/metadata/uid"));
    object["spec"]["size"] = json!(3);
    s.put(&path, &object).await?.refused(409, "Conflict")?;
    ensure!(s.get(&path).await?.json["spec"]["size"] == 2);
    let mut foreign = replaced.json.clone();
    foreign["metadata"]["uid"] = json!("11111111-1111-4111-8111-111111111111");
    foreign["spec"]["size"] = json!(4);
    s.put(&path, &foreign).await?.refused(409, "Conflict")?;
    Ok(())
}

async fn a_replacement_must_name_its_version(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let (path, _) = s.make(&name, json!({"size": 1})).await?;
    let reply = s.put(&path, &widget(&name, json!({"size": 2}))).await?.refused(422, "Invalid")?;
    ensure!(causes(&reply)[0].0 == "metadata.resourceVersion", "{}", reply.json);
    Ok(())
}

async fn generations_count_changes_of_the_spec_alone(s: &Subject) -> anyhow::Result<()> {
    let (path, _) = s.make(&s.name(), json!({"size": 1})).await?;
    let generation = |reply: &Reply| reply.json["metadata"]["generation"].as_i64();
    let labelled =
        s.merge(&path, &json!({"metadata": {"labels": {"a": "b"}}})).await?.expect(200)?;
    ensure!(generation(&labelled) == Some(1));
    let status = s
        .merge(&format!("{path}/status"), &json!({"status": {"phase": "x"}}))
        .await?
        .expect(200)?;
    ensure!(
        generation(&status) == Some(1) && status.json["status"]["phase"] == "x",
        "{}",
        status.json
    );
    let changed = s.merge(&path, &json!({"spec": {"size": 2}})).await?.expect(200)?;
    ensure!(generation(&changed) == Some(2));
    Ok(())
}

async fn spec_and_status_are_written_apart(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let mut object = widget(&name, json!({"size": 1}));
    object["status"] = json!({"phase": "made"});
    let made = s.post(WIDGETS, &object).await?.expect(201)?;
    ensure!(made.json.get("status").is_none(), "a new object has no status: {}", made.json);
    let path = format!("{WIDGETS}/{name}");
    let both =
        json!({"spec": {"size": 9}, "status": {"phase": "x"}, "metadata": {"labels": {"l": "m"}}});
    let status = s.merge(&format!("{path}/status"), &both).await?.expect(200)?;
    ensure!(
        status.json["spec"]["size"] == 1 && status.json["status"]["phase"] == "x",
        "{}",
        status.json
    );
    let main = s
        .merge(&path, &json!({"spec": {"size": 2}, "status": {"phase": "y"}}))
        .await?
        .expect(200)?;
    ensure!(main.json["spec"]["size"] == 2 && main.json["status"]["phase"] == "x", "{}", main.json);
    let read = s.get(&format!("{path}/status")).await?.expect(200)?;
    ensure!(read.json == main.json);
    Ok(())
}

async fn a_write_that_changes_nothing_gets_no_version(s: &Subject) -> anyhow::Result<()> {
    let (path, made) = s.make(&s.name(), json!({"size": 1})).await?;
    let same = s.merge(&path, &json!({"spec": {"size": 1}})).await?.expect(200)?;
    ensure!(same.version() == made.version());
    let same = s.put(&path, &made.json).await?.expect(200)?;
    ensure!(same.version() == made.version());
    Ok(())
}

async fn a_json_patch_is_carried_out_or_refused_as_a_whole(s: &Subject) -> anyhow::Result<()> {
    let (path, _) = s.make(&s.name(), json!({"size": 1, "tags": ["a"]})).await?;
    let send = async |patch: Value| {
        s.ask(&s.admin, Method::PATCH, &path, "application/json-patch+json", &patch).await
    };
    let good = json!([
        {"op": "test", "path": "/spec/size", "value": 1},
        {"op": "add", "path": "/spec/tags/-", "value": "b"},
        {"op": "replace", "path": "/spec/size", "value": 5},
    ]);
    let patched = send(good).await?.expect(200)?;
    ensure!(patched.json["spec"]["tags"] == json!(["a", "b"]) && patched.json["spec"]["size"] == 5);
    let bad = json!([
        {"op": "replace", "path": "/spec/size", "value": 6},
        {"op": "test", "path": "/spec/size", "value": 1},
    ]);
    send(bad).await?.refused(422, "Invalid")?;
    ensure!(s.get(&path).await?.json["spec"]["size"] == 5);
    Ok(())
}

async fn a_custom_resource_takes_no_strategic_merge_patch(s: &Subject) -> anyhow::Result<()> {
    let (path, _) = s.make(&s.name(), json!({"size": 1})).await?;
    let mime = "application/strategic-merge-patch+json";
    let reply = s.ask(&s.admin, Method::PATCH, &path, mime, &json!({"spec": {"size": 2}})).await?;
    reply.refused(415, "UnsupportedMediaType")?;
    Ok(())
}

async fn a_dry_run_changes_nothing(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let object = widget(&name, json!({"size": 1}));
    let pretended = s.post(&format!("{WIDGETS}?dryRun=All"), &object).await?.expect(201)?;
    ensure!(pretended.json["spec"]["mode"] == "auto");
    let (path, made) = s.make(&name, json!({"size": 1})).await?;
    let pretended =
        s.merge(&format!("{path}?dryRun=All"), &json!({"spec": {"size": 2}})).await?.expect(200)?;
    ensure!(pretended.json["spec"]["size"] == 2);
    s.merge(&format!("{path}?dryRun=All"), &json!({"spec": {"size": 0}}))
        .await?
        .refused(422, "Invalid")?;
    s.delete(&format!("{path}?dryRun=All")).await?.expect(200)?;
    ensure!(s.get(&path).await?.expect(200)?.json == made.json);
    ensure!(s.merge(&format!("{path}?dryRun=Some"), &json!({})).await?.code == 422);
    Ok(())
}

async fn an_invalid_object_is_refused_field_by_field(s: &Subject) -> anyhow::Result<()> {
    let spec = json!({"size": 101, "color": "blue", "code": "abc1", "tags": ["a", "b", "c"]});
    let reply = s.post(WIDGETS, &widget(&s.name(), spec)).await?.refused(422, "Invalid")?;
    let mut fields: Vec<_> = causes(&reply).into_iter().collect();
    fields.sort();
    let wanted = [
        ("spec.code", "FieldValueInvalid"),
        ("spec.color", "FieldValueNotSupported"),
        ("spec.size", "FieldValueInvalid"),
        ("spec.tags", "FieldValueTooMany"),
    ];
    let is: Vec<_> =
        fields.iter().map(|(field, reason)| (field.as_str(), reason.as_str())).collect();
    for (field, reason) in wanted {
        ensure!(
            is.iter()
                .any(|(has, why)| *has == field && (*why == reason || *why == "FieldValueInvalid")),
            "{field}: {is:?}"
        );
    }
    ensure!(reply.text("/details/kind") == "Widget");
    let reply = s
        .post(WIDGETS, &widget(&s.name(), json!({"color": "red"})))
        .await?
        .refused(422, "Invalid")?;
    ensure!(
        causes(&reply) == [("spec.size".to_owned(), "FieldValueRequired".to_owned())],
        "{}",
        reply.json
    );
    for bad in [
        json!({"size": "x"}),
        json!({"size": 1, "extra": {"a": 1}}),
        json!({"size": 1, "target": []}),
        json!({"size": 5_000_000_000_u64}),
    ] {
        s.post(WIDGETS, &widget(&s.name(), bad)).await?.refused(422, "Invalid")?;
    }
    for good in [
        json!({"size": 1, "target": "http"}),
        json!({"size": 1, "target": 80}),
        json!({"size": 1, "free": {"a": [1, {"b": null}]}}),
    ] {
        s.make(&s.name(), good).await?;
    }
    Ok(())
}

async fn unknown_fields_are_dropped_and_told(s: &Subject) -> anyhow::Result<()> {
    let object = |name: &str| widget(name, json!({"size": 1, "bogus": 1, "free": {"kept": 1}}));
    let made = s
        .post(&format!("{WIDGETS}?fieldValidation=Ignore"), &object(&s.name()))
        .await?
        .expect(201)?;
    ensure!(
        made.json["spec"].get("bogus").is_none() && made.json["spec"]["free"]["kept"] == 1,
        "{}",
        made.json
    );
    if s.differs(Difference::NoFieldValidation) {
        return Ok(());
    }
    let warned = s
        .post(&format!("{WIDGETS}?fieldValidation=Warn"), &object(&s.name()))
        .await?
        .expect(201)?;
    let warning =
        warned.headers.get("warning").and_then(|value| value.to_str().ok()).context("a warning")?;
    ensure!(warning.contains("299") && warning.contains("spec.bogus"), "{warning}");
    let name = s.name();
    let refused = s
        .post(&format!("{WIDGETS}?fieldValidation=Strict"), &object(&name))
        .await?
        .refused(400, "BadRequest")?;
    ensure!(refused.text("/message").contains("unknown field \"spec.bogus\""), "{}", refused.json);
    ensure!(s.get(&format!("{WIDGETS}/{name}")).await?.code == 404);
    Ok(())
}

async fn names_and_types_must_fit_the_address(s: &Subject) -> anyhow::Result<()> {
    let (path, made) = s.make(&s.name(), json!({"size": 1})).await?;
    let mut other = made.json.clone();
    other["metadata"]["name"] = json!("other");
    s.put(&path, &other).await?.refused(400, "BadRequest")?;
    let mut other = widget(&s.name(), json!({"size": 1}));
    other["metadata"]["namespace"] = json!("elsewhere");
    s.post(WIDGETS, &other).await?.refused(400, "BadRequest")?;
    let mut other = widget(&s.name(), json!({"size": 1}));
    other["kind"] = json!("Gadget");
    s.post(WIDGETS, &other).await?.refused(422, "Invalid")?;
    let mut other = widget(&s.name(), json!({"size": 1}));
    other["apiVersion"] = json!("contract.hnp.example/v9");
    s.post(WIDGETS, &other).await?.refused(400, "BadRequest")?;
    s.post(WIDGETS, &widget("Not_A_Name", json!({"size": 1}))).await?.refused(422, "Invalid")?;
    let mut other = widget(&s.name(), json!({"size": 1}));
    other["metadata"]["labels"] = json!({"a": "not a label"});
    s.post(WIDGETS, &other).await?.refused(422, "Invalid")?;
    Ok(())
}

async fn a_body_that_cannot_be_read_is_refused(s: &Subject) -> anyhow::Result<()> {
    let not_json = Value::String("x".to_owned());
    let reply = s.post(WIDGETS, &not_json).await?;
    ensure!(reply.code == 400, "{}", reply.json);
    let reply = s.ask(&s.admin, Method::POST, WIDGETS, "text/plain", &json!({})).await?;
    ensure!(reply.code == 415, "{}", reply.json);
    let large = json!({"size": 1, "note": "x".repeat(4 << 20)});
    let reply = s.post(WIDGETS, &widget(&s.name(), large)).await?;
    ensure!(reply.code == 413, "{}", reply.json);
    Ok(())
}

async fn preconditions_guard_a_deletion(s: &Subject) -> anyhow::Result<()> {
    let (path, made) = s.make(&s.name(), json!({"size": 1})).await?;
    let delete = async |preconditions: Value| {
        let body =
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions});
        s.ask(&s.admin, Method::DELETE, &path, "application/json", &body).await
    };
    delete(json!({"uid": "11111111-1111-4111-8111-111111111111"}))
        .await?
        .refused(409, "Conflict")?;
    delete(json!({"resourceVersion": "1"})).await?.refused(409, "Conflict")?;
    let gone = delete(json!({"uid": made.text("/metadata/uid")})).await?.expect(200)?;
    ensure!(
        gone.text("/status") == "Success"
            && gone.text("/details/uid") == made.text("/metadata/uid"),
        "{}",
        gone.json
    );
    Ok(())
}

async fn finalizers_hold_an_object_back(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let mut object = widget(&name, json!({"size": 1}));
    object["metadata"]["finalizers"] = json!(["contract.hnp.example/hold"]);
    s.post(WIDGETS, &object).await?.expect(201)?;
    let path = format!("{WIDGETS}/{name}");
    let marked = s.delete(&path).await?.expect(200)?;
    ensure!(!marked.text("/metadata/deletionTimestamp").is_empty(), "{}", marked.json);
    s.get(&path).await?.expect(200)?;
    s.merge(&path, &json!({"metadata": {"finalizers": null}})).await?.expect(200)?;
    s.get(&path).await?.refused(404, "NotFound")?;
    Ok(())
}

async fn a_collection_is_deleted_by_selector(s: &Subject) -> anyhow::Result<()> {
    let label = s.name();
    let mut kept = String::new();
    for set in [label.as_str(), label.as_str(), "other"] {
        let name = s.name();
        let mut object = widget(&name, json!({"size": 1}));
        object["metadata"]["labels"] = json!({"gone": set});
        s.post(WIDGETS, &object).await?.expect(201)?;
        kept = format!("{WIDGETS}/{name}");
    }
    s.delete(&format!("{WIDGETS}?labelSelector=gone%3D{label}")).await?.expect(200)?;
    let left = s.get(&format!("{WIDGETS}?labelSelector=gone%3D{label}")).await?.expect(200)?;
    ensure!(left.json["items"] == json!([]), "{}", left.json);
    s.get(&kept).await?.expect(200)?;
    Ok(())
}

async fn an_object_needs_a_namespace_that_exists(s: &Subject) -> anyhow::Result<()> {
    if s.differs(Difference::NoNamespaces) {
        return Ok(());
    }
    let place = WIDGETS.replace("default", "contract-space");
    let object = widget("x", json!({"size": 1}));
    s.post(&place, &object).await?.refused(404, "NotFound")?;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "contract-space"}});
    let made = s.post("/api/v1/namespaces", &namespace).await?.expect(201)?;
    ensure!(made.text("/status/phase") == "Active", "{}", made.json);
    s.post(&place, &object).await?.expect(201)?;
    let everywhere = s.get("/apis/contract.hnp.example/v1/widgets?fieldSelector=metadata.namespace%3Dcontract-space").await?;
    ensure!(
        everywhere.json["items"].as_array().is_some_and(|items| items.len() == 1),
        "{}",
        everywhere.json
    );
    s.delete("/api/v1/namespaces/default").await?.refused(403, "Forbidden")?;
    Ok(())
}
