//! The command line, as people and scripts meet it.

use std::{collections::BTreeSet, path::Path};

use domain::kind::Kind;
use serde::Deserialize as _;
use serde_json::{Value, json};
use sim::Fault;
use testkit::account;
use tokio::net::TcpListener;

use crate::{
    house::{Answer, Folder, Yard, sign_in},
    process::{Ended, Hnp},
    socket::Client,
};

/// Asserts the form of an error: `error: what; cause: why; try: what to do`.
pub(crate) fn is_error(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let line = ended.err.lines().find(|line| line.starts_with("error: ")).unwrap_or_else(|| {
        panic!("no error line: {ended:?}");
    });
    assert!(line.contains("; cause: ") && line.contains("; try: "), "{line}");
    for part in parts {
        assert!(line.contains(part), "{part:?} in {line}");
    }
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect()
}

fn summary(lines: &[Value]) -> &Vec<Value> {
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "summary", "the summary comes last");
    assert_eq!(lines.iter().filter(|line| line["type"] == "summary").count(), 1);
    last["kinds"].as_array().unwrap()
}

/// Runs `hnp watch` until a line says this word, then asks it to end; what came before is not kept.
async fn watch_until(folder: &Path, arguments: &[&str], word: &str) -> Ended {
    let mut hnp = Hnp::start(folder, &[&["watch"], arguments].concat());
    hnp.until(|line| line.contains(word)).await;
    hnp.terminate();
    hnp.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_prints_each_event_and_ends_with_a_summary() {
    let yard = Yard::vlab().await;
    let arguments = ["watch", "--kubeconfig", "kubeconfig", "--for", "6s", "--json"];
    let mut hnp = Hnp::start(yard.folder.path(), &arguments);
    let mut seen = vec![hnp.line().await.unwrap()];
    let live = |lines: &[String]| lines.iter().filter(|line| line.contains("\"live\"")).count();
    while live(&seen) < Kind::primary().count() {
        seen.push(hnp.line().await.expect("it watches for six seconds"));
    }
    yard.clone_of(Kind::Switch, "probe", &json!({}));
    yard.patch(Kind::Switch, "probe", json!({"metadata": {"labels": {"a": "b"}}}));
    yard.cluster.delete(Kind::Switch, "default", "probe").unwrap();
    let ended = hnp.end().await;
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""));
    let seen = lines(&(seen.join("\n") + "\n" + &ended.out));
    let mut probe = Vec::new();
    for line in &seen {
        match line["type"].as_str().unwrap() {
            word @ ("added" | "modified" | "deleted") => {
                assert!(line["latency_ms"].is_number() && line["lag_ms"].is_null(), "{line}");
                assert!(line["version"].is_string() || line["version"].is_number(), "{line}");
                if line["kind"] == "Switch" && line["key"] == "default/probe" {
                    probe.push(word);
                }
            }
            "watch" => {
                assert!(line["kind"].is_string() && line["state"].is_string(), "{line}");
                assert!(line.as_object().unwrap().contains_key("reason"), "{line}");
            }
            "summary" => {}
            other => panic!("an undocumented line: {other}"),
        }
    }
    assert_eq!(probe, ["added", "modified", "deleted"]);
    let kinds = summary(&seen);
    for kind in Kind::primary() {
        let row = kinds.iter().find(|row| row["kind"] == kind.to_string()).unwrap();
        assert_eq!((&row["state"], &row["reason"]), (&json!("live"), &Value::Null), "{row}");
        assert_eq!(row["objects"], yard.cluster.count(kind), "{row}");
    }
    let switch = kinds.iter().find(|row| row["kind"] == "Switch").unwrap();
    assert!(switch["events"].as_u64().unwrap() >= 3, "{switch}");
    assert!(switch["p50_ms"].as_f64().unwrap() <= switch["p99_ms"].as_f64().unwrap(), "{switch}");
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_names_the_kind_that_is_not_live_and_why() {
    let yard = Yard::vlab().await;
    yard.fault(&Fault::Forbid { user: None, resource: Kind::Vpc.into() });
    yard.fault(&Fault::RemoveCrd { resource: Kind::External.into() });
    let arguments = ["watch", "--kubeconfig", "kubeconfig", "--for", "5s", "--json"];
    let ended = Hnp::run(yard.folder.path(), &arguments).await;
    assert_eq!(ended.code, Some(1), "{}", ended.err);
    let seen = lines(&ended.out);
    for row in summary(&seen) {
        let reason = row["reason"].as_str().unwrap_or_default();
        match row["kind"].as_str().unwrap() {
            "VPC" => {
                assert_eq!((&row["state"], &row["objects"]), (&json!("forbidden"), &Value::Null));
                assert!(reason.contains("vpcs"), "{row}");
            }
            "External" => {
                assert_eq!((&row["state"], &row["objects"]), (&json!("missing"), &Value::Null));
                assert!(reason.contains("externals"), "{row}");
            }
            "Switch" => assert_eq!(row["state"], "live", "the others do not mind"),
            _ => {}
        }
    }
    // A person sees the same.
    let arguments = ["--kubeconfig", "kubeconfig", "--kind", "vpcs"];
    let ended = watch_until(yard.folder.path(), &arguments, "forbidden").await;
    assert_eq!(ended.code, Some(1));
    let table = ended.out.lines().last().unwrap();
    assert!(table.contains("VPC") && table.contains("forbidden"), "{table}");
    let arguments = ["--kubeconfig", "kubeconfig", "--kind", "sw", "--json"];
    let ended = watch_until(yard.folder.path(), &arguments, "\"live\"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let seen = lines(&ended.out);
    assert!(seen.iter().all(|line| line["kind"] == "Switch" || line["type"] == "summary"));
    assert_eq!(summary(&seen).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_run_says_what_why_and_what_to_do() {
    let folder = Folder::new();
    folder.write("bad", b"not: [a kubeconfig");
    folder.write("wrong.toml", b"lisen = \"127.0.0.1:0\"\n");
    for file in ["absent", "bad"] {
        let ended = Hnp::run(folder.path(), &["watch", "--kubeconfig", file, "--for", "1s"]).await;
        is_error(&ended, 2, &[file]);
        let ended = Hnp::run(folder.path(), &["serve", "--kubeconfig", file]).await;
        is_error(&ended, 2, &[file]);
    }
    let ended = Hnp::run(folder.path(), &["serve", "--listen", "0.0.0.0:0"]).await;
    is_error(&ended, 2, &["0.0.0.0", "127.0.0.1"]);
    let ended = Hnp::run(folder.path(), &["demo", "--listen", "[::]:0"]).await;
    is_error(&ended, 2, &["[::]"]);
    let ended = Hnp::run(folder.path(), &["--config", "wrong.toml", "serve"]).await;
    is_error(&ended, 2, &["lisen", "`listen`", "wrong.toml"]);
    let ended = Hnp::run(folder.path(), &["watch", "--kubeconfig", "bad", "--kind", "pods"]).await;
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("VPCAttachment"), "it lists what there is: {}", ended.err);

    folder.write("garbage/hnp.db", &[b'x'; 4_096]);
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "garbage"];
    let ended = Hnp::run(folder.path(), &arguments).await;
    is_error(&ended, 1, &["garbage/hnp.db", "no SQLite database", "database_url"]);
    folder.write("a-file", b"where a folder is wanted");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--data-dir", "a-file/data"];
    is_error(&Hnp::run(folder.path(), &arguments).await, 1, &["a-file", "database_url"]);

    folder.write("data/demo-only", b"");
    let ended = Hnp::run(folder.path(), &["serve", "--listen", "127.0.0.1:0"]).await;
    is_error(&ended, 1, &["demo", "--data-dir"]);

    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let _keeper = TcpListener::bind(taken).await.unwrap();
    let address = taken.to_string();
    let arguments = ["serve", "--listen", &address, "--data-dir", "other"];
    is_error(&Hnp::run(folder.path(), &arguments).await, 1, &[&address, "in use", "--listen"]);
    folder.write("other/demo.kubeconfig", b"of a demo that runs");
    let arguments = ["demo", "--listen", &address, "--data-dir", "other"];
    is_error(&Hnp::run(folder.path(), &arguments).await, 1, &[&address, "in use", "--listen"]);
    let kept = std::fs::read_to_string(folder.path().join("other/demo.kubeconfig")).unwrap();
    assert_eq!(kept, "of a demo that runs", "who cannot start takes nothing from who runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_printed_with_where_each_value_came_from() {
    let folder = Folder::new();
    folder.write("hnp.toml", b"[limits]\nrate = 7\n");
    let arguments = ["serve", "--print-config", "--listen", "127.0.0.1:1"];
    let hnp = Hnp::start_with(folder.path(), &arguments, &[("HNP_LOG", "debug")]);
    let ended = hnp.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    let place = |key: &str| {
        let line = ended.out.lines().find(|line| line.starts_with(&format!("{key} = ")));
        line.unwrap_or_else(|| panic!("{key} in {}", ended.out)).to_owned()
    };
    assert!(place("listen").contains("127.0.0.1:1") && place("listen").contains("command line"));
    assert!(place("log").contains("HNP_LOG"));
    assert!(place("limits.rate").contains('7') && place("limits.rate").contains("hnp.toml"));
    assert!(place("data_dir").contains("default"));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_explains_itself_with_examples() {
    let folder = Folder::new();
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["watch"],
        &["check"],
        &["sim"],
        &["crds"],
        &["completions"],
    ] {
        let ended = Hnp::run(folder.path(), &[command, &["--help"]].concat()).await;
        assert_eq!(ended.code, Some(0));
        assert!(
            ended.out.contains("Example") && ended.out.contains("  hnp"),
            "{command:?}: {}",
            ended.out
        );
    }
    let ended = Hnp::run(folder.path(), &["completions", "bash"]).await;
    assert!(ended.out.contains("complete -F"), "{:.300}", ended.out);
    assert_eq!(Hnp::run(folder.path(), &["dance"]).await.code, Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn crds_are_yaml_with_every_kind() {
    let folder = Folder::new();
    let ended = Hnp::run(folder.path(), &["crds"]).await;
    assert_eq!(ended.code, Some(0));
    let mut kinds = BTreeSet::new();
    for document in serde_norway::Deserializer::from_str(&ended.out) {
        let crd = Value::deserialize(document).unwrap();
        assert_eq!(crd["kind"], "CustomResourceDefinition");
        kinds.insert(crd["spec"]["names"]["kind"].as_str().unwrap().to_owned());
    }
    let expected: BTreeSet<String> =
        Kind::ALL.iter().map(|kind| kind.about().name.to_owned()).collect();
    assert_eq!(kinds, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn sim_prints_its_kubeconfig_first_and_is_watched_with_it() {
    let folder = Folder::new();
    let arguments = ["sim", "--scale", "small", "--heartbeat", "0", "--churn", "0"];
    let mut sim = Hnp::start(folder.path(), &arguments);
    let path = sim.line().await.unwrap();
    assert_eq!(path, "data/sim.kubeconfig");
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(folder.path().join(&path)).unwrap().permissions(),
    );
    assert_eq!(mode & 0o777, 0o600, "only its owner reads it");
    let arguments = ["--kubeconfig", &path, "--json", "--kind", "Switch"];
    let ended = watch_until(folder.path(), &arguments, "\"live\"").await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(summary(&lines(&ended.out))[0]["objects"], 3);
    sim.terminate();
    assert_eq!(sim.end().await.code, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_demo_says_goodbye_to_its_clients_and_ends_within_seconds() {
    let folder = Folder::new();
    let arguments = ["demo", "--listen", "127.0.0.1:0", "--scale", "small", "--fabrics", "2"];
    let mut demo = Hnp::start(folder.path(), &arguments);
    let address = demo.address().await;
    for role in ["viewer", "operator", "admin"] {
        let session = account::http_as(sign_in(address, role, "hnp-demo").await);
        let who = Answer::of(session.get(format!("http://{address}/api/v1/session"))).await.json();
        assert_eq!((&who["user"], &who["roles"]), (&json!(role), &json!([role])));
    }
    let viewer = sign_in(address, "viewer", "hnp-demo").await;
    let topics = json!([{"topic": "objects/*/Switch"}]);
    let mut client = Client::hello_as(address, topics, &viewer).await;
    while client.at.len() < 2 {
        client.step().await;
    }
    let http = account::http_as(viewer);
    let page = Answer::of(http.get(format!("http://{address}/f/demo/switches"))).await;
    assert!(page.body.contains("data-key"));
    // One that never finishes its question does not keep it up either.
    let mut half = tokio::net::TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut half, b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
    let arguments = ["--fabric", "demo-2", "--kind", "Switch"];
    let watched = watch_until(folder.path(), &arguments, "live").await;
    assert_eq!(watched.code, Some(0), "{}", watched.err);

    let begin = tokio::time::Instant::now();
    demo.terminate();
    let frames = client.rest().await;
    let bye = frames.last().unwrap();
    assert_eq!((&bye["t"], &bye["code"]), (&json!("bye"), &json!(1012)));
    assert!(bye["reconnect_in_ms"].is_u64(), "clients are spread: {bye}");
    assert_eq!(client.closed, Some(1012));
    let ended = demo.end().await;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(begin.elapsed().as_secs() < 15, "{:?}", begin.elapsed());
    assert!(folder.path().join("data/demo/demo-only").exists());
    let ended = Hnp::run(folder.path(), &["serve", "--data-dir", "data/demo"]).await;
    is_error(&ended, 1, &["demo"]);
}
