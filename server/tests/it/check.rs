//! `hnp check`: what is well, what is not, and what to do about it.

use serde_json::Value;
use tokio::net::TcpListener;

use testkit::account::TOKEN;

use crate::{
    house::{Folder, Yard},
    process::Hnp,
    tls::Authority,
};

/// The finding about an area.
fn about<'a>(report: &'a Value, area: &str) -> &'a Value {
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|found| found["area"] == area);
    found.unwrap_or_else(|| panic!("nothing about {area} in {report}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_answers_is_well_and_its_token_is_in_no_finding() {
    let yard = Yard::vlab().await;
    let arguments = ["check", "--kubeconfig", "kubeconfig", "--json"];
    let free = [("HNP_LISTEN", "127.0.0.1:0")];
    let ended = Hnp::start_with(yard.folder.path(), &arguments, &free).end().await;
    assert_eq!(ended.code, Some(0), "{} {}", ended.out, ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["ok"], true);
    for (area, outcome) in [
        ("configuration", "ok"),
        ("listen address", "ok"),
        ("database", "skipped"),
        ("data folder", "skipped"),
        ("Kubernetes API", "ok"),
        ("credentials", "ok"),
        ("kinds and rights", "ok"),
    ] {
        assert_eq!(about(&report, area)["outcome"], outcome, "{area}: {report}");
    }
    assert!(!yard.folder.path().join("data").exists(), "looking makes nothing");
    let token = yard.cluster.tokens().of_user("admin").unwrap().secret.clone();
    assert!(!ended.out.contains(&token) && !ended.out.contains(TOKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_well_is_named_with_what_to_do() {
    let folder = Folder::new();
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let entry = sim::ContextEntry {
        name: "gone".into(),
        server: format!("http://{gone}"),
        ca_pem: None,
        token: "planted".into(),
        namespace: "default".into(),
    };
    folder.write("kubeconfig", sim::kubeconfig(&[entry]).as_bytes());
    Authority::new().write(&folder);
    folder.write("tls.key", Authority::new().key.as_bytes());
    folder.write("data/hnp.db", &[b'x'; 4_096]);
    let text = format!(
        "listen = \"{}\"\n[tls]\ncert_file = \"tls.crt\"\nkey_file = \"tls.key\"\n",
        taken.local_addr().unwrap()
    );
    folder.write("hnp.toml", text.as_bytes());
    let arguments = ["check", "--kubeconfig", "kubeconfig"];
    let ended = Hnp::run(folder.path(), &[&arguments[..], &["--json"]].concat()).await;
    assert_eq!(ended.code, Some(1), "{} {}", ended.out, ended.err);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(report["ok"], false);
    for (area, outcome, says) in [
        ("listen address", "warning", "in use"),
        ("TLS", "failed", "does not belong to"),
        ("database", "failed", "no SQLite database"),
        ("connection", "failed", "refused"),
        ("credentials", "skipped", ""),
    ] {
        let found = about(&report, area);
        assert_eq!(found["outcome"], outcome, "{area}: {report}");
        assert!(found["says"].as_str().unwrap().contains(says), "{area}: {found}");
        let advised = found["remedy"].as_str().is_some_and(|remedy| remedy.len() > 10);
        assert_eq!(advised, outcome != "skipped", "{found}");
    }
    let ended = Hnp::run(folder.path(), &arguments).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.out.contains("try: ") && ended.out.contains("3 failed"), "{}", ended.out);
    assert!(!ended.out.contains("planted"), "{}", ended.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fabric_that_nobody_registered_is_not_well() {
    let folder = Folder::new();
    let mut hnp = Hnp::start(folder.path(), &["serve", "--listen", "127.0.0.1:0"]);
    hnp.address().await;
    hnp.terminate();
    assert_eq!(hnp.end().await.code, Some(0));
    let free = [("HNP_LISTEN", "127.0.0.1:0")];
    let check = |arguments: &[&str]| {
        let arguments = [&["check", "--json"], arguments].concat();
        Hnp::start_with(folder.path(), &arguments, &free).end()
    };
    let ended = check(&["--fabric", "prod"]).await;
    assert_eq!(ended.code, Some(1), "{}", ended.out);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert!(about(&report, "fabrics")["says"].as_str().unwrap().contains("prod"), "{report}");
    let ended = check(&[]).await;
    assert_eq!(ended.code, Some(0), "{}", ended.out);
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(about(&report, "database")["outcome"], "ok");
    assert_eq!(about(&report, "accounts")["outcome"], "warning");
}
