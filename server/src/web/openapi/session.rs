//! Descriptions: signing in and out.

use serde_json::Value;

use super::about::{
    About, delete, get, list, map_of, object, one_of, or_null, post, refer, text, time,
};

pub(super) fn all() -> Vec<About> {
    let credentials = object(&[("user", text()), ("password", text())]);
    let signed_in =
        object(&[("user", text()), ("roles", list(text())), ("expires", or_null(time()))]);
    vec![
        get("/api/v1/session", "Who am I, and what may I do").answers(
            200,
            "The caller",
            refer("Caller"),
        ),
        post("/api/v1/session", "Sign in with a password")
            .takes(credentials)
            .answers(200, "Signed in; the cookie `hnp_session` is set", signed_in)
            .problem(429, "Too many failed attempts; `Retry-After` says how long to wait"),
        delete("/api/v1/session", "Sign out")
            .done(204, "Signed out")
            .problem(409, "A token has no session"),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![(
        "Caller",
        object(&[
            ("user", or_null(text())),
            ("roles", list(text())),
            ("expires", or_null(time())),
            ("means", one_of(&["session", "token"])),
            ("may", list(text())),
            ("fabrics", map_of(list(text()))),
        ]),
    )]
}
