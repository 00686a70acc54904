//! Descriptions: the live link over HTTP. Its frames are described in `docs/protocol.md`.

use serde_json::{Value, json};

use super::about::{About, get, list, object, one_of, open, post, text, whole};

fn frames() -> Value {
    // A poll adds when to ask again.
    open(object(&[("frames", list(frame()))]))
}

/// Any frame, told by its `t`.
fn frame() -> Value {
    open(object(&[("t", text())]))
}

fn hello() -> Value {
    let hello = object(&[("t", one_of(&["hello"])), ("protocol", json!({"const": 1}))]);
    open(hello)
}

fn asks(about: About) -> About {
    let view = one_of(&["row", "full"]);
    about
        .query(
            "topic",
            text(),
            "What to follow, `objects/prod/Switch`, with `@epoch:version` to go on from a place",
        )
        .query("topics", text(), "The same, several with commas")
        .query("view", view, "Rows as lists show them, or whole objects")
}

fn wait() -> Value {
    let mut wait = whole();
    if let Some(map) = wait.as_object_mut() {
        map.insert("maximum".to_owned(), json!(25));
    }
    wait
}

pub(super) fn all() -> Vec<About> {
    let full = (429, "No place for another live link");
    let many = (413, "Too many topics");
    let stream = text();
    vec![
        get("/api/v1/live", "The live link over WebSocket, subprotocol `hnp.live.v1`")
            .done(101, "The link is open; say `hello`")
            .problem(426, "This is no request for a WebSocket")
            .problem(full.0, full.1),
        asks(get("/api/v1/live/sse", "The live link as server-sent events"))
            .answers_as(200, "Frames, one per event", "text/event-stream", stream.clone())
            .problem(many.0, many.1)
            .problem(full.0, full.1),
        post("/api/v1/live/sse", "The same, asked with a `hello` as its body")
            .takes(hello())
            .answers_as(200, "Frames, one per event", "text/event-stream", stream)
            .problem(full.0, full.1),
        asks(get("/api/v1/live/poll", "The live link, one answer at a time"))
            .query("wait", wait(), "Longest wait for news, in seconds")
            .answers(200, "Frames since the places that were named", frames())
            .problem(many.0, many.1)
            .problem(full.0, full.1),
        post("/api/v1/live/poll", "The same, asked with a `hello` as its body")
            .query("wait", wait(), "Longest wait for news, in seconds")
            .takes(hello())
            .answers(200, "Frames since the places that were named", frames())
            .problem(full.0, full.1),
        asks(get("/api/v1/live/snapshot", "What a live link would begin with"))
            .answers(200, "Frames up to `synced` of each topic", frames())
            .problem(many.0, many.1)
            .tagged(),
        post("/api/v1/live/snapshot", "The same, asked with a `hello` as its body")
            .takes(hello())
            .answers(200, "Frames up to `synced` of each topic", frames())
            .tagged(),
    ]
}
