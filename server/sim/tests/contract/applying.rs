//! Server-side apply: who owns which field.

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::{
    difference::Difference,
    subject::{Reply, Subject, WIDGETS, widget},
};

crate::cases![
    an_apply_makes_what_does_not_exist,
    a_field_of_another_manager_is_a_conflict_until_forced,
    a_field_no_longer_applied_goes_with_its_last_owner,
    items_of_a_keyed_list_have_owners_of_their_own,
    updates_are_recorded_too,
    an_apply_of_the_same_changes_nothing,
    an_apply_needs_a_manager,
];

fn managers(reply: &Reply) -> Vec<(String, String, Value)> {
    let list = reply.json["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let text = |entry: &Value, key: &str| entry[key].as_str().unwrap_or_default().to_owned();
    list.iter()
        .map(|entry| (text(entry, "manager"), text(entry, "operation"), entry["fieldsV1"].clone()))
        .collect()
}

fn fields(reply: &Reply, manager: &str) -> anyhow::Result<Value> {
    let found = managers(reply).into_iter().find(|(name, ..)| name == manager);
    Ok(found
        .with_context(|| {
            format!("{manager} owns nothing: {}", reply.json["metadata"]["managedFields"])
        })?
        .2)
}

async fn an_apply_makes_what_does_not_exist(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let made = s
        .apply(&path, "alpha", &widget(&name, json!({"size": 1, "free": {"a": 1}})))
        .await?
        .expect(201)?;
    ensure!(made.json["spec"]["mode"] == "auto");
    if !s.differs(Difference::SchemalessApply) {
        ensure!(
            fields(&made, "alpha")? == json!({"f:spec": {"f:free": {"f:a": {}}, "f:size": {}}}),
            "{}",
            made.json
        );
    }
    ensure!(managers(&made)[0].1 == "Apply");
    Ok(())
}

async fn a_field_of_another_manager_is_a_conflict_until_forced(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let of = |size: u32| widget(&name, json!({"size": size}));
    s.apply(&path, "alpha", &of(1)).await?.expect(201)?;
    let refused = s.apply(&path, "beta", &of(2)).await?.refused(409, "Conflict")?;
    ensure!(
        refused.json["details"]["causes"]
            == json!([{
                "reason": "FieldManagerConflict", "field": ".spec.size",
                "message": "conflict with \"alpha\"",
            }]),
        "{}",
        refused.json
    );
    let shared = s.apply(&path, "beta", &of(1)).await?.expect(200)?;
    ensure!(fields(&shared, "alpha")? == fields(&shared, "beta")?, "the same value is shared");
    let forced = s.apply(&format!("{path}?force=true"), "beta", &of(2)).await?.expect(200)?;
    ensure!(forced.json["spec"]["size"] == 2);
    let has_size = |(name, _, fields): &(String, String, Value)| {
        name == "alpha" && !fields["f:spec"]["f:size"].is_null()
    };
    ensure!(!managers(&forced).iter().any(has_size), "{}", forced.json);
    Ok(())
}

async fn a_field_no_longer_applied_goes_with_its_last_owner(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let with_note = widget(&name, json!({"size": 1, "note": "x"}));
    let without = widget(&name, json!({"size": 1}));
    s.apply(&path, "alpha", &with_note).await?.expect(201)?;
    s.apply(&path, "beta", &with_note).await?.expect(200)?;
    let one = s.apply(&path, "alpha", &without).await?.expect(200)?;
    ensure!(one.json["spec"]["note"] == "x", "beta still applies it");
    let two = s.apply(&path, "beta", &without).await?.expect(200)?;
    ensure!(two.json["spec"].get("note").is_none(), "{}", two.json);
    Ok(())
}

async fn items_of_a_keyed_list_have_owners_of_their_own(s: &Subject) -> anyhow::Result<()> {
    if s.differs(Difference::SchemalessApply) {
        return Ok(());
    }
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let with = |ports: Value| widget(&name, json!({"size": 1, "ports": ports}));
    s.apply(&path, "alpha", &with(json!([{"name": "a", "vlan": 1}]))).await?.expect(201)?;
    let two =
        s.apply(&path, "beta", &with(json!([{"name": "b", "vlan": 2}]))).await?.expect(200)?;
    ensure!(
        two.json["spec"]["ports"] == json!([{"name": "a", "vlan": 1}, {"name": "b", "vlan": 2}]),
        "{}",
        two.json
    );
    ensure!(
        fields(&two, "beta")?["f:spec"]["f:ports"]
            == json!({
                "k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:vlan": {}},
            })
    );
    let one = s.apply(&path, "alpha", &with(json!([]))).await?.expect(200)?;
    ensure!(one.json["spec"]["ports"] == json!([{"name": "b", "vlan": 2}]), "{}", one.json);
    let conflict = s
        .apply(&path, "alpha", &with(json!([{"name": "b", "vlan": 3}])))
        .await?
        .refused(409, "Conflict")?;
    ensure!(
        conflict.text("/details/causes/0/field") == ".spec.ports[name=\"b\"].vlan",
        "{}",
        conflict.json
    );
    Ok(())
}

async fn updates_are_recorded_too(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let made = s
        .post(
            &format!("{WIDGETS}?fieldManager=maker"),
            &widget(&name, json!({"size": 1, "note": "x"})),
        )
        .await?
        .expect(201)?;
    let spec = &fields(&made, "maker")?["f:spec"];
    ensure!(spec["f:size"] == json!({}) && spec["f:note"] == json!({}), "{spec}");
    let edited = s
        .merge(&format!("{path}?fieldManager=editor"), &json!({"spec": {"note": "y"}}))
        .await?
        .expect(200)?;
    ensure!(fields(&edited, "editor")? == json!({"f:spec": {"f:note": {}}}), "{}", edited.json);
    ensure!(fields(&edited, "maker")?["f:spec"].get("f:note").is_none());
    let status = format!("{path}/status?fieldManager=prober");
    let probed = s.merge(&status, &json!({"status": {"phase": "up"}})).await?.expect(200)?;
    ensure!(fields(&probed, "prober")?["f:status"]["f:phase"] == json!({}), "{}", probed.json);
    let refused = s
        .apply(&path, "alpha", &widget(&name, json!({"size": 1, "note": "z"})))
        .await?
        .refused(409, "Conflict")?;
    let message = refused.text("/details/causes/0/message");
    ensure!(
        message.starts_with("conflict with \"editor\" using contract.hnp.example/v1"),
        "{}",
        refused.json
    );
    Ok(())
}

async fn an_apply_of_the_same_changes_nothing(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let path = format!("{WIDGETS}/{name}");
    let object = widget(&name, json!({"size": 1, "extra": {"a": "b"}}));
    let made = s.apply(&path, "alpha", &object).await?.expect(201)?;
    let again = s.apply(&path, "alpha", &object).await?.expect(200)?;
    ensure!(again.version() == made.version(), "{} {}", again.json, made.json);
    let pretended = s
        .apply(&format!("{path}?dryRun=All"), "alpha", &widget(&name, json!({"size": 3})))
        .await?
        .expect(200)?;
    ensure!(pretended.json["spec"]["size"] == 3 && s.get(&path).await?.json["spec"]["size"] == 1);
    Ok(())
}

async fn an_apply_needs_a_manager(s: &Subject) -> anyhow::Result<()> {
    let name = s.name();
    let object = widget(&name, json!({"size": 1}));
    let path = format!("{WIDGETS}/{name}");
    let mime = "application/apply-patch+yaml";
    s.ask(&s.admin, http::Method::PATCH, &path, mime, &object).await?.refused(422, "Invalid")?;
    let mut owned = object.clone();
    owned["metadata"]["managedFields"] = json!([{"manager": "x", "operation": "Apply", "apiVersion": "contract.hnp.example/v1",
        "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {}}, "time": "2026-01-01T00:00:00Z"}]);
    s.apply(&path, "alpha", &owned).await?.expect(400)?;
    Ok(())
}
