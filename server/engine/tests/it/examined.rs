//! The test of a connection, and the reasons of a fabric that runs: each mistake is told from the others,
//! with evidence and what to do.

use std::time::Duration;

use domain::{
    connection::{
        Access, Examination, Outcome, PlanInput, Secret, Stage, TlsFault, WatchPlan,
        report::Served, rights::Verb,
    },
    kind::Kind,
    state::Cause,
};
use engine::{
    cluster::{
        access,
        examine::{self, Asked, PROGRESS},
        kubeconfig::Permissions,
    },
    fabric::{Plan, Reach},
};
use kube::{
    Client,
    api::{Api, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde::Deserialize as _;
use serde_json::Value;
use sim::{Cluster, Fault, Options, Tls, Validity, fault::Answer};
use testkit::{RealServer, User, Variant};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::house::{PATIENCE, Watched, until};

/// A cluster over TLS, with a certificate of the test's choice.
struct Secured {
    cluster: Cluster,
    url: String,
    tls: Tls,
    cancel: CancellationToken,
}

impl Secured {
    async fn start(names: &[&str], validity: Validity) -> Self {
        Self::with(Options::default(), names, validity).await
    }

    async fn with(options: Options, names: &[&str], validity: Validity) -> Self {
        let cluster = Cluster::new(Options { crds: domain::crd::crds(), ..options });
        let tls = Tls::of(names, validity).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (serving, cancel) = (cluster.clone(), CancellationToken::new());
        let (until, served) = (cancel.clone(), tls.clone());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's token")]
        tokio::spawn(async move { serving.serve_tls(listener, served, until).await });
        Self { cluster, url, tls, cancel }
    }

    async fn well() -> Self {
        Self::start(&["localhost", "127.0.0.1"], Validity::Now).await
    }

    fn token(&self, user: &str) -> String {
        self.cluster.tokens().of_user(user).unwrap().secret.clone()
    }

    fn access(&self) -> Access {
        direct(&self.url, Some(self.tls.ca_pem()), &self.token("admin"))
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn direct(server: &str, ca_pem: Option<&str>, token: &str) -> Access {
    Access::Direct {
        server: server.parse().unwrap(),
        ca_pem: ca_pem.map(str::to_owned),
        token: Secret::new(token),
        tls_server_name: None,
    }
}

async fn examine(access: &Access, plan: &WatchPlan) -> Examination {
    let made = access::target(access, Permissions::NONE).await;
    let examined = examine::examine(&made, Asked { plan, canary: false }, None);
    let examined = timeout(PATIENCE, examined).await.unwrap();
    let stages: Vec<Stage> = examined.steps.iter().map(|step| step.stage).collect();
    assert_eq!(stages.len(), Stage::ALL.len(), "every stage is said once: {stages:?}");
    examined
}

fn outcome(examined: &Examination, stage: Stage) -> Outcome {
    examined.steps.iter().find(|step| step.stage == stage).unwrap().outcome
}

fn fact<'a>(examined: &'a Examination, stage: Stage, name: &str) -> &'a str {
    let step = examined.steps.iter().find(|step| step.stage == stage).unwrap();
    let fact = step.evidence.iter().find(|fact| fact.name == name);
    fact.map_or("", |fact| fact.value.as_str())
}

/// What a running fabric says of the same access, once it names this cause.
async fn reason_of(access: &Access, cause: Cause) -> String {
    let reach = Reach::from(access::target(access, Permissions::NONE).await);
    let engine = Watched::begin(Plan::of("test".parse().unwrap(), reach, WatchPlan::default()));
    let mut reason = String::new();
    until("the cause to be named", || {
        let state = engine.connectivity();
        if state.cause != Some(cause) {
            return Err(state);
        }
        reason = state.reason.unwrap_or_default();
        Ok(())
    })
    .await;
    engine.end().await;
    reason
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_well_has_evidence_for_it() {
    let secured = Secured::well().await;
    let made = access::target(&secured.access(), Permissions::NONE).await;
    let (progress, mut steps) = mpsc::channel(PROGRESS);
    let plan = WatchPlan::default();
    let examined =
        examine::examine(&made, Asked { plan: &plan, canary: true }, Some(&progress)).await;
    drop(progress);
    assert_eq!(examined.outcome(), Outcome::Ok, "{:#?}", examined.trouble());
    assert_eq!(examined.grant, None);
    assert!(fact(&examined, Stage::Certificate, "protocol").starts_with("TLS 1."));
    assert_eq!(fact(&examined, Stage::Certificate, "names"), "localhost, 127.0.0.1");
    assert!(fact(&examined, Stage::Certificate, "issuer").contains("HNP simulator CA"));
    assert!(!fact(&examined, Stage::Identity, "uid").is_empty());
    assert_eq!(examined.kinds.len(), Kind::ALL.len());
    assert!(examined.version.is_some());
    let mut heard = Vec::new();
    while let Some(step) = steps.recv().await {
        heard.push(step);
    }
    assert_eq!(heard, examined.steps, "progress is what the report says");
    let text = serde_json::to_string(&examined).unwrap();
    assert!(!text.contains(&secured.token("admin")), "no credential is in a report");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_authority_a_wrong_name_and_wrong_dates_are_told_apart() {
    let here: &[&str] = &["localhost", "127.0.0.1"];
    let other = Tls::self_signed().unwrap();
    for (names, validity, ca, fault, says) in [
        (here, Validity::Now, Some(&other), TlsFault::Authority, "HNP simulator CA"),
        (&["api.example.net"][..], Validity::Now, None, TlsFault::Name, "api.example.net"),
        (here, Validity::Over, None, TlsFault::Expired, "2001-01-01"),
        (here, Validity::NotYet, None, TlsFault::NotYetValid, "2090-01-01"),
    ] {
        let secured = Secured::start(names, validity).await;
        let ca = ca.unwrap_or(&secured.tls).ca_pem().to_owned();
        let access = direct(&secured.url, Some(&ca), &secured.token("admin"));
        let examined = examine(&access, &WatchPlan::default()).await;
        let step = examined.trouble().unwrap();
        assert_eq!((step.stage, step.tls), (Stage::Certificate, Some(fault)), "{step:#?}");
        assert_eq!(step.cause, Some(Cause::Tls));
        assert!(step.says.contains(says) && step.remedy.is_some(), "{step:#?}");
        assert_eq!(outcome(&examined, Stage::Connection), Outcome::Ok);
        assert_eq!(outcome(&examined, Stage::Answer), Outcome::Skipped);
        let reason = reason_of(&access, Cause::Tls).await;
        assert!(reason.contains(says), "the running fabric says it too: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_name_makes_a_certificate_fit() {
    let secured = Secured::start(&["api.example.net"], Validity::Now).await;
    let Access::Direct { server, ca_pem, token, .. } = secured.access() else { panic!() };
    let tls_server_name = Some("api.example.net".to_owned());
    let access = Access::Direct { server, ca_pem, token, tls_server_name };
    assert_eq!(examine(&access, &WatchPlan::default()).await.outcome(), Outcome::Ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_wrong_is_a_warning_and_degrades_a_running_fabric() {
    let late = sim::Clock::new(|| {
        let now = u64::try_from(engine::clock::now_ms()).unwrap();
        std::time::UNIX_EPOCH + Duration::from_millis(now - 600_000)
    });
    let options = Options { clock: late, ..Options::default() };
    let secured = Secured::with(options, &["127.0.0.1"], Validity::Now).await;
    let examined = examine(&secured.access(), &WatchPlan::default()).await;
    let step = examined.trouble().unwrap();
    assert_eq!((step.stage, step.outcome), (Stage::Clock, Outcome::Warning), "{step:#?}");
    assert_eq!(step.cause, Some(Cause::ClockSkew));
    assert!(step.says.contains("behind"), "{}", step.says);
    let reason = reason_of(&secured.access(), Cause::ClockSkew).await;
    assert!(reason.contains("behind"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_answer_or_does_not_speak_our_language_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nobody = format!("https://{}", closed.local_addr().unwrap());
    drop(closed);
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = format!("https://{}", plain.local_addr().unwrap());
    #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = plain.accept().await {
            let _ =
                tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad\r\n\r\n").await;
        }
    });
    for (server, stage, cause) in [
        ("https://no-such-host.invalid:6443", Stage::Name, Cause::Dns),
        (nobody.as_str(), Stage::Connection, Cause::Tcp),
        (deaf.as_str(), Stage::Certificate, Cause::Tls),
    ] {
        let examined = examine(&direct(server, None, "t"), &WatchPlan::default()).await;
        let step = examined.trouble().unwrap();
        assert_eq!((step.stage, step.cause), (stage, Some(cause)), "{step:#?}");
        assert!(step.remedy.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_hangs_takes_no_longer_than_it_may() {
    let secured = Secured::well().await;
    secured.cluster.fault(&Fault::Hang { resource: None }).unwrap();
    let begun = std::time::Instant::now();
    let examined = examine(&secured.access(), &WatchPlan::default()).await;
    assert!(begun.elapsed() < examine::WHOLE + Duration::from_secs(15), "{:?}", begun.elapsed());
    let step = examined.trouble().unwrap();
    assert_eq!((step.stage, step.cause), (Stage::Answer, Some(Cause::Timeout)), "{step:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_are_no_matter_of_the_network() {
    let secured = Secured::well().await;
    let access = direct(&secured.url, Some(secured.tls.ca_pem()), "planted");
    let examined = examine(&access, &WatchPlan::default()).await;
    let step = examined.trouble().unwrap();
    assert_eq!((step.stage, step.cause), (Stage::Credentials, Some(Cause::Unauthorized)));
    assert_eq!(outcome(&examined, Stage::Answer), Outcome::Ok);
    assert!(!serde_json::to_string(&examined).unwrap().contains("planted"));
    secured.cluster.fault(&Fault::AnswerAll { with: Answer::ServerError }).unwrap();
    let examined = examine(&secured.access(), &WatchPlan::default()).await;
    let step = examined.trouble().unwrap();
    assert_eq!((step.stage, step.cause), (Stage::Answer, Some(Cause::ServerError)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_served_and_what_is_forbidden_are_told_apart() {
    let secured = Secured::well().await;
    secured.cluster.fault(&Fault::RemoveCrd { resource: Kind::External.into() }).unwrap();
    secured.cluster.fault(&Fault::Forbid { user: None, resource: Kind::Vpc.into() }).unwrap();
    let examined = examine(&secured.access(), &WatchPlan::default()).await;
    assert_eq!(examined.trouble().unwrap().cause, Some(Cause::Forbidden));
    let of = |kind| examined.kinds.iter().find(|found| found.kind == kind).unwrap();
    assert_eq!(of(Kind::External).served, Served::No);
    assert_eq!(of(Kind::Vpc).lacks[0].verbs, Verb::READ.into());
    assert_eq!(of(Kind::Switch).lacks, []);
    let grant = examined.grant.as_deref().unwrap();
    assert!(grant.contains("vpcs") && !grant.contains("switches") && !grant.contains("externals"));
    for kind in Kind::ALL.iter().filter(|kind| **kind != Kind::External) {
        secured.cluster.fault(&Fault::RemoveCrd { resource: (*kind).into() }).unwrap();
    }
    let examined = examine(&secured.access(), &WatchPlan::default()).await;
    let step = examined.trouble().unwrap();
    assert_eq!((step.outcome, step.cause), (Outcome::Failed, Some(Cause::Version)), "{step:#?}");
}

async fn apply(client: &Client, document: &Value) {
    let (group, version) = document["apiVersion"].as_str().unwrap().split_once('/').unwrap();
    let kind = document["kind"].as_str().unwrap();
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(group, version, kind),
        &format!("{}s", kind.to_ascii_lowercase()),
    );
    let name = document["metadata"]["name"].as_str().unwrap();
    let api: Api<DynamicObject> = match document["metadata"]["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.patch(name, &PatchParams::apply("test").force(), &Patch::Apply(document)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_server_is_satisfied_by_exactly_the_manifest_that_was_offered() {
    let Some(server) = RealServer::start(Variant::Full).await.unwrap() else { return };
    server.install_crds(&domain::crd::crds()).await.unwrap();
    let admin = server.client(User::Admin).await.unwrap();
    let pasted = |user| Access::Kubeconfig {
        text: Secret::new(std::fs::read_to_string(server.kubeconfig(user)).unwrap()),
        context: None,
    };
    for namespaces in [vec![], vec!["default".to_owned(), "kube-system".to_owned()]] {
        let input = PlanInput { enabled: true, namespaces, ..PlanInput::default() };
        let plan = WatchPlan::parse(&input).unwrap();
        // Each round asks as somebody who has no right at all.
        let user = if plan.namespaces.is_empty() { User::Nobody } else { User::Reader };
        let examined = examine(&pasted(user), &plan).await;
        let step = examined.trouble().unwrap();
        assert_eq!((step.stage, step.cause), (Stage::Rights, Some(Cause::Forbidden)), "{step:#?}");
        assert_eq!(outcome(&examined, Stage::Credentials), Outcome::Ok);
        let grant = examined.grant.unwrap();
        assert!(grant.contains(&format!("\"{}\"", user.name())), "{grant}");
        for document in serde_norway::Deserializer::from_str(&grant) {
            apply(&admin, &Value::deserialize(document).unwrap()).await;
        }
        // A server's authorizer learns of a new role by a watch of its own.
        let mut examined = examine(&pasted(user), &plan).await;
        for _ in 0..100 {
            if examined.grant.is_none() {
                break;
            }
            examined = examine(&pasted(user), &plan).await;
        }
        assert_eq!(examined.grant, None);
        assert_eq!(outcome(&examined, Stage::Rights), Outcome::Ok, "{:#?}", examined.trouble());
        let reach = Reach::from(access::target(&pasted(user), Permissions::NONE).await);
        let engine = Watched::begin(Plan::of("test".parse().unwrap(), reach, plan));
        engine.twelve_live().await;
        engine.end().await;
    }
    let wrong = std::fs::read_to_string(server.kubeconfig(User::Admin)).unwrap();
    let wrong = wrong.replace(": admin-of-the-testkit", ": nobody-knows-this");
    let examined = examine(
        &Access::Kubeconfig { text: Secret::new(wrong), context: None },
        &WatchPlan::default(),
    )
    .await;
    assert_eq!(examined.trouble().unwrap().cause, Some(Cause::Unauthorized));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_access_reviews_is_tried_instead() {
    let Some(server) = RealServer::start(Variant::Crd).await.unwrap() else { return };
    server.install_crds(&domain::crd::crds()).await.unwrap();
    let text = std::fs::read_to_string(server.kubeconfig(User::Admin)).unwrap();
    let access = Access::Kubeconfig { text: Secret::new(text), context: None };
    let examined = examine(&access, &WatchPlan::default()).await;
    let lacks = examined.kinds.iter().flat_map(|found| &found.lacks).count();
    assert_eq!(lacks, 0);
    assert!(examined.steps.iter().all(|step| step.outcome != Outcome::Failed), "{examined:#?}");
    assert_eq!(outcome(&examined, Stage::Rights), Outcome::Warning, "get and watch are not known");
}
