//! Descriptions: the audit log.

use domain::audit::Act;
use serde_json::{Value, json};

use super::about::{
    About, anything, digits, flag, get, like, list, map_of, object, one_of, or_null, page, refer,
    text, time,
};

fn acts() -> Value {
    json!({"type": "string", "enum": Act::ALL.into_iter().map(Act::word).collect::<Vec<_>>()})
}

fn outcomes() -> Value {
    one_of(&["done", "refused", "failed"])
}

fn narrowed(about: About) -> About {
    about
        .query("user", text(), "By this user")
        .query("act", acts(), "Of this act")
        .query("fabric", like("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"), "On this fabric")
        .query("outcome", outcomes(), "That ended so")
        .query("q", text(), "That hold this text anywhere")
        .query("since", text(), "From this day or moment on, UTC")
        .query("until", text(), "Up to this day or moment, UTC")
}

pub(super) fn all() -> Vec<About> {
    let whole = object(&[
        ("intact", flag()),
        ("entries", or_null(digits())),
        ("head", or_null(digest())),
        ("sealed_with", or_null(text())),
        ("why", or_null(text())),
    ]);
    let exported = object(&[("entries", list(map_of(anything()))), ("complete", flag())]);
    vec![
        narrowed(get("/api/v1/audit", "What was done and refused, the newest first"))
            .paged(500)
            .answers(200, "A page of entries", page("entries", refer("AuditEntry")))
            .tagged(),
        narrowed(get("/api/v1/audit/export", "The log as a file"))
            .query("format", one_of(&["json", "csv"]), "Form of the file")
            .answers_as(200, "A table, RFC 4180", "text/csv", text())
            .answers(200, "One document; its texts and digests are the chain", exported),
        get("/api/v1/audit/verify", "Whether the log is as it was written").answers(
            200,
            "What the check of every entry and of the seal found",
            whole,
        ),
    ]
}

fn digest() -> Value {
    like("^[0-9a-f]{64}$")
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let who = object(&[
        ("user", or_null(text())),
        ("means", one_of(&["none", "session", "token", "console"])),
        ("credential", or_null(text())),
        ("from", or_null(text())),
    ]);
    let entry = object(&[
        ("seq", digits()),
        ("time", or_null(time())),
        ("who", who),
        ("act", acts()),
        ("on", or_null(text())),
        ("fabric", or_null(text())),
        ("before", anything()),
        ("after", anything()),
        ("outcome", outcomes()),
        ("evidence", or_null(text())),
        ("digest", digest()),
    ]);
    vec![("AuditEntry", entry)]
}
