//! Descriptions: users, their sessions and tokens, one's own password.

use serde_json::Value;

use super::about::{
    About, delete, flag, get, like, list, map_of, object, one_of, or_null, page, patch, post, put,
    refer, shape, text, time,
};

fn password() -> Value {
    serde_json::json!({"type": "string", "writeOnly": true})
}

fn sessions() -> Value {
    object(&[("sessions", list(refer("Session"))), ("next", or_null(text()))])
}

pub(super) fn all() -> Vec<About> {
    users().into_iter().chain(own()).collect()
}

fn users() -> Vec<About> {
    let new = shape(
        &[("name", text()), ("password", password()), ("rights", refer("Rights"))],
        &["name", "password"],
    );
    let changes =
        shape(&[("enabled", flag()), ("rights", refer("Rights")), ("password", password())], &[]);
    let last = "Nobody with the role admin would be left";
    let place = "Made; `Location` says where it is";
    vec![
        get("/api/v1/users", "Users, by name")
            .query("q", text(), "With this in their name")
            .paged(1_000)
            .answers(200, "A page of users", page("users", refer("User"))),
        post("/api/v1/users", "Make a user")
            .takes(new)
            .answers(201, place, refer("User"))
            .problem(409, "There is a user of this name, or there are too many"),
        get("/api/v1/users/{user}", "A user").answers(200, "The user", refer("User")).tagged(),
        patch("/api/v1/users/{user}", "Change a user: whether they may sign in, rights, password")
            .takes(changes)
            .guarded()
            .answers(200, "The user as it is now", refer("User"))
            .problem(409, last),
        delete("/api/v1/users/{user}", "Remove a user with their sessions and tokens")
            .guarded()
            .done(204, "Removed")
            .problem(409, last),
        get("/api/v1/users/{user}/sessions", "Sessions of a user").answers(
            200,
            "Sessions",
            sessions(),
        ),
        delete("/api/v1/users/{user}/sessions", "End all sessions of a user").done(204, "Ended"),
        delete("/api/v1/users/{user}/sessions/{id}", "End a session of a user").done(204, "Ended"),
    ]
}

fn own() -> Vec<About> {
    let new = shape(
        &[
            ("label", text()),
            ("rights", or_null(refer("Rights"))),
            ("expires_in", or_null(like("^[0-9]+[dhm]$"))),
        ],
        &["label"],
    );
    let passwords = object(&[("current", password()), ("new", password())]);
    vec![
        get(
            "/api/v1/tokens",
            "API tokens, the newest first: one's own, or as an admin those of others",
        )
        .query("user", text(), "Of this user; `*`: of all")
        .paged(1_000)
        .answers(200, "A page of tokens", page("tokens", refer("Token")))
        .problem(403, "Tokens of others are for admins")
        .problem(404, "There is no such user"),
        post("/api/v1/tokens", "Make an API token for oneself")
            .takes(new)
            .answers(201, "Made; `token` is told this once", refer("NewToken"))
            .problem(409, "There are too many"),
        get("/api/v1/tokens/{id}", "A token").answers(200, "The token", refer("Token")),
        delete("/api/v1/tokens/{id}", "Revoke a token").done(204, "Revoked"),
        get("/api/v1/sessions", "One's own sessions").answers(200, "Sessions", sessions()),
        delete("/api/v1/sessions", "End one's own sessions but this one").done(204, "Ended"),
        delete("/api/v1/sessions/{id}", "End one of one's own sessions").done(204, "Ended"),
        put("/api/v1/password", "Change one's own password; the other sessions end")
            .takes(passwords)
            .done(204, "Changed")
            .problem(409, "This user has no password here")
            .problem(429, "Too many failed attempts; `Retry-After` says how long to wait"),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let role = one_of(&["viewer", "operator", "admin"]);
    let rights = shape(&[("everywhere", or_null(role.clone())), ("fabrics", map_of(role))], &[]);
    let user = object(&[
        ("name", text()),
        ("enabled", flag()),
        ("rights", refer("Rights")),
        ("roles", list(text())),
        ("source", one_of(&["password", "oidc", "none"])),
        // `provider`: whatever is set here holds until they sign in the next time.
        ("roles_from", one_of(&["here", "provider"])),
        ("created", or_null(time())),
        ("seen", or_null(time())),
    ]);
    let session = object(&[
        ("id", text()),
        ("user", text()),
        ("current", flag()),
        ("created", or_null(time())),
        ("seen", or_null(time())),
        ("expires", or_null(time())),
        ("from", or_null(text())),
        ("agent", or_null(text())),
    ]);
    let token = [
        ("id", text()),
        ("user", text()),
        ("label", text()),
        ("state", one_of(&["active", "expired", "revoked"])),
        ("rights", refer("Rights")),
        ("roles", list(text())),
        ("created", or_null(time())),
        ("expires", or_null(time())),
        ("used", or_null(time())),
        ("revoked", or_null(time())),
    ];
    let made: Vec<(&str, Value)> = token.iter().cloned().chain([("token", text())]).collect();
    vec![
        ("Rights", rights),
        ("User", user),
        ("Session", session),
        ("Token", object(&token)),
        ("NewToken", object(&made)),
    ]
}
