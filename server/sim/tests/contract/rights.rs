//! Who may do what.

use anyhow::ensure;
use http::Method;
use serde_json::{Value, json};

use crate::{
    difference::Difference,
    subject::{Subject, WIDGETS, widget},
};

crate::cases![
    a_token_that_nobody_knows_is_refused,
    a_reader_reads_and_does_not_write,
    who_has_no_rights_is_told_what_is_missing,
    everybody_may_ask_what_they_may_do,
    health_is_answered,
];

async fn a_token_that_nobody_knows_is_refused(s: &Subject) -> anyhow::Result<()> {
    for path in [WIDGETS, "/apis", "/api"] {
        s.ask(&s.stranger, Method::GET, path, "", &Value::Null)
            .await?
            .refused(401, "Unauthorized")?;
    }
    Ok(())
}

async fn a_reader_reads_and_does_not_write(s: &Subject) -> anyhow::Result<()> {
    s.ask(&s.reader, Method::GET, WIDGETS, "", &Value::Null).await?.expect(200)?;
    let object = widget(&s.name(), json!({"size": 1}));
    let reply = s
        .ask(&s.reader, Method::POST, WIDGETS, "application/json", &object)
        .await?
        .refused(403, "Forbidden")?;
    let message = "widgets.contract.hnp.example is forbidden: User \"reader\" cannot create resource \"widgets\" \
                   in API group \"contract.hnp.example\" in the namespace \"default\"";
    ensure!(reply.text("/message").starts_with(message), "{}", reply.json);
    Ok(())
}

async fn who_has_no_rights_is_told_what_is_missing(s: &Subject) -> anyhow::Result<()> {
    let reply = s
        .ask(&s.nobody, Method::GET, WIDGETS, "", &Value::Null)
        .await?
        .refused(403, "Forbidden")?;
    ensure!(reply.text("/message").contains("cannot list resource \"widgets\""), "{}", reply.json);
    ensure!(reply.text("/details/kind") == "widgets");
    Ok(())
}

async fn everybody_may_ask_what_they_may_do(s: &Subject) -> anyhow::Result<()> {
    if s.differs(Difference::NoAccessReview) {
        return Ok(());
    }
    for (client, verb, allowed) in [
        (&s.admin, "delete", true),
        (&s.reader, "watch", true),
        (&s.reader, "delete", false),
        (&s.nobody, "list", false),
    ] {
        let attributes = json!({"namespace": "default", "verb": verb, "group": "contract.hnp.example", "resource": "widgets"});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer =
            s.ask(client, Method::POST, path, "application/json", &review).await?.expect(201)?;
        ensure!(answer.json["status"]["allowed"] == allowed, "{verb}: {}", answer.json);
    }
    Ok(())
}

async fn health_is_answered(s: &Subject) -> anyhow::Result<()> {
    for path in ["/healthz", "/livez", "/readyz"] {
        ensure!(s.get(path).await?.expect(200)?.json == "ok", "{path}");
    }
    Ok(())
}
