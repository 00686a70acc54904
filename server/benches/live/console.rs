//! What a console says about itself: probes, metrics, pages.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use domain::kind::Kind;
use tokio::time::sleep;

use crate::process::Console;

/// How long a fabric may take to be live.
const LIVE_WITHIN: Duration = Duration::from_secs(90);

/// The metrics page.
pub(crate) async fn metrics(http: &reqwest::Client, address: &str) -> anyhow::Result<String> {
    let answer = http.get(format!("http://{address}/metrics")).send().await.context("metrics")?;
    answer.text().await.context("metrics")
}

/// Waits for the first 200 of `/readyz`; milliseconds since the process was started.
pub(crate) async fn ready(http: &reqwest::Client, console: &Console) -> anyhow::Result<f64> {
    let url = format!("http://{}/readyz", console.address);
    while console.process.started.elapsed() < LIVE_WITHIN {
        if http.get(&url).send().await.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(since_start(console));
        }
        sleep(Duration::from_millis(2)).await;
    }
    bail!("not ready within {LIVE_WITHIN:?}")
}

/// Waits until all twelve kinds are live and so many objects are held; milliseconds since the start, and objects.
pub(crate) async fn live(
    http: &reqwest::Client,
    console: &Console,
    least: usize,
) -> anyhow::Result<(f64, usize)> {
    let lines: Vec<String> =
        Kind::primary().map(|kind| format!("kind=\"{kind}\",state=\"live\"}}")).collect();
    while console.process.started.elapsed() < LIVE_WITHIN {
        let text = metrics(http, &console.address).await?;
        let objects = text
            .lines()
            .filter(|line| line.starts_with("hnp_objects{"))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok())
            .sum();
        if objects >= least && lines.iter().all(|line| text.contains(line)) {
            return Ok((since_start(console), objects));
        }
        sleep(Duration::from_millis(10)).await;
    }
    bail!("not live within {LIVE_WITHIN:?}")
}

fn since_start(console: &Console) -> f64 {
    console.process.started.elapsed().as_secs_f64() * 1e3
}

/// Counts of the buckets of a stage of the live path, by upper bound in milliseconds; cumulative.
pub(crate) fn buckets(metrics: &str, stage: &str) -> BTreeMap<u64, (f64, u64)> {
    let head = format!("hnp_event_latency_seconds_bucket{{stage=\"{stage}\",le=\"");
    let bucket = |line: &str| {
        let (bound, count) = line.strip_prefix(&head)?.split_once("\"} ")?;
        let ms = bound.parse::<f64>().unwrap_or(f64::INFINITY) * 1e3;
        Some((ms, count.trim().parse::<u64>().ok()?))
    };
    (0..).zip(metrics.lines().filter_map(bucket)).collect()
}

/// Upper bound in milliseconds of the bucket below which a share of what happened between two readings lies.
pub(crate) fn bound(before: &str, after: &str, stage: &str, share: f64) -> Option<f64> {
    let before = buckets(before, stage);
    let grown: Vec<(f64, u64)> = buckets(after, stage)
        .into_iter()
        .map(|(at, (ms, count))| (ms, count - before.get(&at).map_or(0, |(_, count)| *count)))
        .collect();
    let (_, total) = *grown.last()?;
    let wanted = total as f64 * share;
    grown.into_iter().find(|(_, count)| total > 0 && *count as f64 >= wanted).map(|(ms, _)| ms)
}

/// A counter of the metrics page.
pub(crate) fn counter(metrics: &str, name: &str) -> f64 {
    let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok();
    metrics.lines().find_map(value).unwrap_or_default()
}

/// Milliseconds and bytes of an answer, as it comes over the wire.
pub(crate) async fn fetch(
    http: &reqwest::Client,
    url: &str,
    encoding: &str,
) -> anyhow::Result<(f64, f64, String)> {
    let begun = Instant::now();
    let answer = http.get(url).header("accept-encoding", encoding).send().await.context("fetch")?;
    let answer = answer.error_for_status().context("fetch")?;
    let encoding = answer
        .headers()
        .get("content-encoding")
        .and_then(|word| word.to_str().ok())
        .unwrap_or("none")
        .to_owned();
    let body = answer.bytes().await.context("fetch")?;
    Ok((begun.elapsed().as_secs_f64() * 1e3, body.len() as f64, encoding))
}
