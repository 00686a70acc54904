//! Descriptions: the registered fabrics, tests of their connections, and jobs.

use serde_json::{Value, json};

use super::about::{
    About, anything, delete, flag, get, list, object, one_of, open, or_null, page, patch, post,
    refer, shape, text, time, whole,
};

fn secret() -> Value {
    json!({"type": "string", "writeOnly": true})
}

/// How a cluster is reached, as it is entered.
fn access() -> Value {
    let kubeconfig = shape(
        &[
            ("kind", one_of(&["kubeconfig"])),
            ("kubeconfig", secret()),
            ("context", or_null(text())),
        ],
        &["kind", "kubeconfig"],
    );
    let direct = shape(
        &[
            ("kind", one_of(&["direct"])),
            ("server", text()),
            ("authority", or_null(text())),
            ("token", secret()),
            ("tls_server_name", or_null(text())),
        ],
        &["kind", "server", "token"],
    );
    let inside = object(&[("kind", one_of(&["in_cluster"]))]);
    json!({"oneOf": [kubeconfig, direct, inside]})
}

fn watch() -> Value {
    shape(
        &[
            ("kinds", or_null(list(text()))),
            ("namespaces", list(text())),
            ("labels", or_null(text())),
        ],
        &[],
    )
}

fn waits(about: About) -> About {
    let wait = json!({"type": "integer", "minimum": 0, "maximum": 25});
    about.query("wait", wait, "Longest wait until it is over, in seconds")
}

fn tested(about: About) -> About {
    waits(about)
        .answers(200, "It is over", refer("Job"))
        .answers(202, "It is under way; `Location` says where it is told", refer("Job"))
        .problem(429, "Too many tests are under way")
}

pub(super) fn all() -> Vec<About> {
    let new = shape(
        &[
            ("name", text()),
            ("access", refer("AccessInput")),
            ("watch", refer("WatchInput")),
            ("enabled", flag()),
        ],
        &["name", "access"],
    );
    let change = shape(
        &[("access", refer("AccessInput")), ("watch", refer("WatchInput")), ("enabled", flag())],
        &[],
    );
    let trial =
        shape(&[("access", refer("AccessInput")), ("watch", refer("WatchInput"))], &["access"]);
    let given = "It was given on the command line and cannot be changed here, or the name is taken";
    vec![
        get("/api/v1/fabrics", "Fabrics that the caller sees, by name").paged(1_000).answers(
            200,
            "A page of fabrics",
            page("fabrics", refer("Fabric")),
        ),
        post("/api/v1/fabrics", "Register a fabric; its cluster need not be there yet")
            .takes(new)
            .answers(201, "Registered", refer("Fabric"))
            .problem(409, given),
        get("/api/v1/fabrics/{fabric}", "A fabric")
            .answers(200, "The fabric", refer("Fabric"))
            .tagged(),
        patch("/api/v1/fabrics/{fabric}", "Change how a fabric is connected or watched")
            .takes(change.clone())
            .guarded()
            .answers(200, "The fabric as it is now", refer("Fabric"))
            .problem(409, given),
        delete("/api/v1/fabrics/{fabric}", "Remove a fabric with all that was recorded of it")
            .query("dryRun", flag(), "Only say what would be lost")
            .guarded()
            .answers(200, "What was lost", lost())
            .problem(409, given),
        tested(post("/api/v1/fabrics/{fabric}/test", "Test a fabric, as it is or with changes"))
            .may_take(change),
        tested(post("/api/v1/connections/test", "Test a connection that is not registered"))
            .takes(trial),
        get("/api/v1/jobs", "One's own jobs, the newest first").answers(
            200,
            "Jobs",
            object(&[("jobs", list(refer("Job")))]),
        ),
        waits(get("/api/v1/jobs/{job}", "A job")).answers(200, "The job", refer("Job")),
    ]
}

fn lost() -> Value {
    let token = object(&[("user", text()), ("label", text())]);
    let lost = object(&[
        ("events", whole()),
        ("changes", whole()),
        ("bytes", whole()),
        ("since", or_null(time())),
        ("roles", list(text())),
        ("tokens", list(token)),
    ]);
    object(&[("fabric", text()), ("lost", lost)])
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let fabric = shape(
        &[
            ("name", text()),
            ("enabled", flag()),
            ("source", one_of(&["registered", "command_line"])),
            ("connectivity", text()),
            ("since", or_null(time())),
            ("cause", or_null(text())),
            ("reason", or_null(text())),
            ("version", or_null(text())),
            ("kinds", object(&[("live", whole()), ("watched", whole())])),
            // For operators of the fabric; never a credential.
            ("access", open(object(&[("kind", text()), ("verified", flag())]))),
            ("watch", open(object(&[]))),
            ("created", or_null(time())),
            ("changed", or_null(time())),
            ("revision", whole()),
        ],
        &["name", "enabled", "source", "connectivity", "kinds"],
    );
    let job = shape(
        &[
            ("id", text()),
            ("state", text()),
            ("fabric", text()),
            ("started_ms", whole()),
            ("ended_ms", whole()),
            ("steps", list(open(object(&[])))),
            ("outcome", text()),
            ("report", anything()),
            ("url", text()),
        ],
        &["id", "state", "started_ms", "steps"],
    );
    vec![("AccessInput", access()), ("WatchInput", watch()), ("Fabric", fabric), ("Job", job)]
}
