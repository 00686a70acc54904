//! `kubectl` against the simulator: the daily commands, as an operator types them.
//!
//! Invariant: nothing outside of a temporary folder is read or written by `kubectl`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test ends where its expectation is not met, and says when it was skipped"
)]

use std::{
    fs,
    path::PathBuf,
    process::{Output, Stdio},
    time::Duration,
};

use sim::{Admission, Cluster, ContextEntry, Options, Tls, kubeconfig};
use tokio::{io::AsyncWriteExt, process::Command};
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long one command may take.
const PATIENCE: Duration = Duration::from_mins(1);

const SWITCH: &str = r"
apiVersion: wiring.githedgehog.com/v1beta1
kind: Switch
metadata: {name: leaf-01, namespace: default, labels: {row: a}}
spec: {role: server-leaf, profile: vs, description: first, asn: 65101}
";

struct Shell {
    home: PathBuf,
    _serving: DropGuard,
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.home));
    }
}

impl Shell {
    /// A cluster and a `kubectl` for it, where this machine has one.
    async fn open(name: &str) -> Option<Self> {
        if Command::new("kubectl")
            .arg("version")
            .arg("--client")
            .stdout(Stdio::null())
            .status()
            .await
            .is_err()
        {
            println!("skipped: {name}: kubectl is not on the path");
            return None;
        }
        let home = std::env::temp_dir().join(format!("hnp-kubectl-{}-{name}", std::process::id()));
        fs::create_dir_all(&home).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        let (tls, cancel) = (Tls::self_signed().unwrap(), CancellationToken::new());
        let entry = |token: &str| ContextEntry {
            name: token.to_owned(),
            server: server.clone(),
            ca_pem: Some(tls.ca_pem().to_owned()),
            token: token.to_owned(),
            namespace: "default".to_owned(),
        };
        let config = kubeconfig(&[entry("sim-admin"), entry("sim-reader")]);
        fs::write(home.join("config"), config).unwrap();
        let cluster =
            Cluster::new(Options { admission: Admission::Hedgehog, ..Options::default() });
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with the guard, at the end of the test"
        )]
        drop(tokio::spawn(cluster.serve_tls(listener, tls, cancel.clone())));
        Some(Self { home, _serving: cancel.drop_guard() })
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.env("HOME", &self.home).env("KUBECONFIG", self.home.join("config"));
        command.args(arguments).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that reads nothing may have ended already.
        drop(stdin.write_all(input.as_bytes()).await);
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap()
    }

    /// What a command that succeeds prints.
    async fn says(&self, line: &str) -> String {
        self.says_of(line, "").await
    }

    async fn says_of(&self, line: &str, input: &str) -> String {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = self.run(&arguments, input).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "kubectl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails complains of.
    async fn complains(&self, line: &str, input: &str) -> String {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = self.run(&arguments, input).await;
        assert!(!output.status.success(), "kubectl {line} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }
}

fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[tokio::test]
async fn objects_are_applied_shown_changed_and_deleted() {
    let Some(shell) = Shell::open("objects").await else { return };
    holds(&shell.says_of("apply -f -", SWITCH).await, &["leaf-01 created"]);
    holds(&shell.says_of("apply -f -", SWITCH).await, &["leaf-01 unchanged"]);
    holds(
        &shell.says("get sw").await,
        &["NAME", "PROFILE", "ROLE", "AGE", "leaf-01", "server-leaf"],
    );
    holds(&shell.says("get fabric").await, &["leaf-01"]);
    holds(
        &shell.says("get sw leaf-01 -o yaml").await,
        &["vlanNamespaces:", "- default", "generation: 1"],
    );
    let second = SWITCH.replace("first", "second");
    assert_eq!(shell.says_of("diff -f -", SWITCH).await, "", "nothing differs");
    holds(&shell.says_of("apply -f -", &second).await, &["leaf-01 configured"]);
    holds(&shell.says("get sw -o jsonpath={.items[0].spec.description}").await, &["second"]);
    shell.says(r#"patch sw leaf-01 --type=json -p [{"op":"replace","path":"/spec/description","value":"third"}]"#).await;
    shell.says("label sw leaf-01 row=b --overwrite").await;
    holds(
        &shell.says("get sw -l row=b,row!=a -o name").await,
        &["switch.wiring.githedgehog.com/leaf-01"],
    );
    let whole = shell.says("get sw leaf-01 -o yaml").await;
    holds(&shell.says_of("replace -f -", &whole.replace("third", "fourth")).await, &["replaced"]);
    holds(&shell.complains("replace -f -", &whole).await, &["the object has been modified"]);
    holds(&shell.says("delete sw leaf-01").await, &["deleted"]);
    holds(&shell.complains("get sw leaf-01", "").await, &["NotFound"]);
}

#[tokio::test]
async fn server_side_apply_names_the_conflicting_manager() {
    let Some(shell) = Shell::open("apply").await else { return };
    shell.says_of("apply --server-side -f -", SWITCH).await;
    shell.says(r#"patch sw leaf-01 --type=merge -p {"spec":{"description":"mine"}}"#).await;
    let refused = shell.complains("apply --server-side -f -", SWITCH).await;
    holds(&refused, &["conflict with \"kubectl-patch\"", ".spec.description"]);
    shell.says_of("apply --server-side --force-conflicts -f -", SWITCH).await;
    holds(
        &shell.says("get sw leaf-01 -o yaml --show-managed-fields").await,
        &["description: first", "operation: Apply"],
    );
}

#[tokio::test]
async fn mistakes_are_explained() {
    let Some(shell) = Shell::open("mistakes").await else { return };
    let typo = SWITCH.replace("description", "descriptoin");
    holds(&shell.complains("apply -f -", &typo).await, &["unknown field \"spec.descriptoin\""]);
    let wrong = SWITCH.replace("65101", "text");
    holds(
        &shell.complains("apply --validate=false -f -", &wrong).await,
        &["spec.asn", "must be of type integer"],
    );
    holds(&shell.says("explain switch.spec.description").await, &["FIELD: description <string>"]);
    let denied = shell.complains("--context=sim-reader create -f -", SWITCH).await;
    holds(&denied, &["User \"reader\" cannot create resource \"switches\""]);
}

#[tokio::test]
async fn discovery_and_built_in_resources_work() {
    let Some(shell) = Shell::open("discovery").await else { return };
    holds(&shell.says("api-resources").await, &["vpcs", "switches", "sw ", "leases", "configmaps"]);
    holds(&shell.says("create configmap foo --from-literal=a=b").await, &["created"]);
    holds(&shell.says("get cm foo -o jsonpath={.data.a}").await, &["b"]);
    holds(&shell.says("create namespace other").await, &["created"]);
    holds(&shell.says("get ns").await, &["kube-system", "other", "Active"]);
    holds(&shell.says("auth can-i delete switches.wiring.githedgehog.com").await, &["yes"]);
    holds(&shell.says("get crd").await, &["switches.wiring.githedgehog.com"]);
    holds(&shell.says("get --raw /readyz").await, &["ok"]);
}

#[tokio::test]
async fn a_watch_and_a_wait_see_a_change() {
    let Some(shell) = Shell::open("watch").await else { return };
    shell.says_of("apply -f -", SWITCH).await;
    let wait = shell.command(&[
        "wait",
        "--for=jsonpath={.spec.description}=later",
        "sw/leaf-01",
        "--timeout=50s",
    ]);
    let mut wait = { wait }.spawn().unwrap();
    shell.says(r#"patch sw leaf-01 --type=merge -p {"spec":{"description":"later"}}"#).await;
    assert!(tokio::time::timeout(PATIENCE, wait.wait()).await.unwrap().unwrap().success());
    let gone = shell.command(&["wait", "--for=delete", "sw/leaf-01", "--timeout=50s"]);
    let mut gone = { gone }.spawn().unwrap();
    shell.says("delete sw leaf-01 --wait=false").await;
    assert!(tokio::time::timeout(PATIENCE, gone.wait()).await.unwrap().unwrap().success());
}
