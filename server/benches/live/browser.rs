//! The browser's part: a program of its own, since it drives Chromium; its rows join the table.

use std::path::Path;

use serde_json::Value;
use testkit::account;
use tokio::{process::Command, time::timeout};

use crate::{
    report::{Report, Row},
    rest::site,
};

/// How long it may take.
const DONE_WITHIN: std::time::Duration = std::time::Duration::from_secs(150);

/// Measures a list in Chromium; what is not there is said and left out.
pub(crate) async fn measure(report: &mut Report, address: &str, kubeconfig: &Path) {
    if site().is_none() {
        return report
            .skip("the browser's part: HNP_SITE names no built client; run `make client`");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../end2end/bench/rows.mjs");
    let mut command = Command::new("node");
    command
        .arg(script)
        .args(["--console", &format!("http://{address}"), "--kubeconfig"])
        .arg(kubeconfig)
        .args(["--user", account::NAME, "--password", account::PASSWORD])
        .kill_on_drop(true);
    let output = match timeout(DONE_WITHIN, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) => {
            return report.skip(format!("the browser's part: node cannot be started: {error}"));
        }
        Err(_) => {
            return report.skip(format!("the browser's part: not done within {DONE_WITHIN:?}"));
        }
    };
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(rows) = rows.as_array() else {
        let why = String::from_utf8_lossy(&output.stderr);
        return report.skip(format!(
            "the browser's part: {}",
            why.lines().next().unwrap_or("it said nothing")
        ));
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some(why) = said.lines().find(|line| line.starts_with("stopped: ")) {
        report.skip(format!("the rest of the browser's part: {why}"));
    }
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
        let runs: Vec<f64> = row
            .get("runs")
            .and_then(Value::as_array)
            .map(|runs| runs.iter().filter_map(Value::as_f64).collect())
            .unwrap_or_default();
        let unit = match text("unit") {
            "ms" => "ms",
            _ => "",
        };
        let made = Row::new("Chromium, a list of 10,000 rows", text("what"), unit, runs)
            .note(text("note"));
        report.add(match row.get("budget").and_then(Value::as_f64) {
            Some(budget) => made.at_most(budget),
            None => made,
        });
    }
}
