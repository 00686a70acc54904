//! Descriptions: objects of now and then, and what was recorded.

use serde_json::Value;

use super::about::{
    About, anything, digits, flag, get, kind, list, object, one_of, open, or_null, refer, shape,
    text, time, whole,
};

pub(super) fn all() -> Vec<About> {
    recorded().into_iter().chain(objects()).collect()
}

fn recorded() -> Vec<About> {
    let place = digits();
    let limit =
        serde_json::json!({"type": "integer", "minimum": 1, "maximum": 1000, "default": 100});
    let events = object(&[
        ("feed", or_null(text())),
        ("recorded", flag()),
        ("from", or_null(digits())),
        ("events", list(refer("Event"))),
        ("next", or_null(text())),
    ]);
    vec![
        get(
            "/api/v1/fabrics/{fabric}/events",
            "Events of a fabric, the newest first, or from a place on",
        )
        .query("since", place.clone(), "After this event, oldest first")
        .query("before", place.clone(), "Before this event")
        .query("type", text(), "Types with commas, `hnp.resource.updated`")
        .query("subject", text(), "About this, `Switch/default/leaf-01`")
        .query("limit", limit.clone(), "Most events in the answer")
        .answers(200, "CloudEvents 1.0, as they were told", events)
        .tagged(),
        get(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/history",
            "Every change of an object that was seen, the newest first",
        )
        .query("before", place, "Before this change")
        .query("limit", limit, "Most changes in the answer")
        .answers(
            200,
            "Changes",
            object(&[("changes", list(refer("Change"))), ("next", or_null(text()))]),
        )
        .tagged(),
    ]
}

fn objects() -> Vec<About> {
    let not_known = "Whether there is such an object is not known";
    vec![
        get("/api/v1/fabrics/{fabric}/objects", "Objects of a kind, by key, now or as of a moment")
            .needs("kind", kind(), "The kind")
            .query("at", text(), "A moment: `now`, a time, or `v` and a version")
            .query("q", text(), "Of those held now: what occurs in their name or a column")
            .query("label", text(), "Of those held now: a label selector")
            .query("sort", text(), "Columns with commas, `-` before one that is descending")
            .paged(1_000)
            .answers(200, "A page of objects", refer("Objects"))
            .problem(
                410,
                "What was at that moment is no longer kept, or the list cannot be gone on with",
            )
            .tagged(),
        get(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}",
            "An object as it is held now",
        )
        .answers(200, "The object", refer("Object"))
        .problem(503, not_known)
        .tagged(),
        get(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/relations",
            "What an object names, and what names it",
        )
        .answers(200, "Both ways", refer("Relations"))
        .problem(503, not_known)
        .tagged(),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let item = shape(
        &[("key", text()), ("version", digits()), ("uid", text()), ("object", anything())],
        &["key", "version", "object"],
    );
    let objects = shape(
        &[
            ("kind", kind()),
            ("at", or_null(text())),
            ("observed", flag()),
            ("changed", or_null(time())),
            ("total", whole()),
            ("matched", whole()),
            ("items", or_null(list(item))),
            ("next", or_null(text())),
        ],
        &["kind", "at", "observed", "items", "next"],
    );
    let event = open(object(&[
        ("specversion", one_of(&["1.0"])),
        ("id", text()),
        ("source", text()),
        ("type", text()),
        ("time", time()),
    ]));
    let change = object(&[
        ("seq", digits()),
        ("time", or_null(time())),
        ("version", digits()),
        ("uid", text()),
        ("found", text()),
        ("manager", or_null(text())),
        ("op", one_of(&["put", "patch", "gone"])),
        ("value", anything()),
    ]);
    let known = [("Event", event), ("Objects", objects), ("Change", change)];
    known.into_iter().chain(single()).collect()
}

/// Of one object.
fn single() -> [(&'static str, Value); 2] {
    let one = object(&[
        ("kind", kind()),
        ("key", text()),
        ("uid", text()),
        ("version", digits()),
        ("observed", flag()),
        ("object", anything()),
    ]);
    let edge = object(&[
        ("field", text()),
        ("kind", kind()),
        ("key", text()),
        ("part", or_null(text())),
        ("presence", one_of(&["present", "absent", "unknown"])),
    ]);
    let relations = object(&[
        ("needs", list(edge.clone())),
        ("needed_by", list(edge)),
        ("unknown", list(kind())),
        ("unreadable", or_null(text())),
    ]);
    [("Object", one), ("Relations", relations)]
}
