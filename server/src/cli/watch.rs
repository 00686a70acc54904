//! `hnp watch`: a watch in the terminal, with its latency; the very engine that the console runs on.

use std::{collections::BTreeMap, io::Write as _, path::PathBuf, sync::Arc, time::Duration};

use clap::Args as ClapArgs;
use domain::{
    feed::EventType,
    kind::Kind,
    state::{KindWatch, WatchState},
    topic::{FabricId, Topic},
};
use engine::{cluster::kubeconfig, fabric, hub::Hub, keeper::Tapped};
use serde_json::json;
use tokio::{sync::mpsc, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Failure, Outcome, configure, runtime, serve::process_epoch};
use crate::{config::Flags, run::asked_to_stop, telemetry};

/// Observations that wait to be printed; beyond, the watch waits.
const TAPPED: usize = 4_096;
/// Latencies kept per kind for the percentiles: the newest ones.
const MOST_LATENCIES: usize = 100_000;

/// Arguments of `hnp watch`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp watch --kubeconfig ~/.kube/config\n  hnp watch --fabric demo --kind Switch --kind Agent --for 60s\n  hnp watch --kubeconfig prod.yaml --for 10s --json\n\nExit code: 0 every kind is live; 1 a kind is not; 2 it could not run."
)]
pub(super) struct Args {
    /// Watch the current context of this kubeconfig
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "fabric",
        required_unless_present = "fabric"
    )]
    kubeconfig: Option<PathBuf>,
    /// Context to use instead of the current one
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Watch a demo fabric by its name (its kubeconfig lies in the data folder)
    #[arg(long, value_name = "NAME")]
    fabric: Option<String>,
    /// Only these kinds (as the API spells them); default: all
    #[arg(long = "kind", value_name = "KIND", value_parser = parse_kind)]
    kinds: Vec<Kind>,
    /// Stop after this time, such as 60s or 5m; default: when interrupted
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
    duration: Option<Duration>,
    /// One JSON object per line
    #[arg(long)]
    json: bool,
    /// Where data lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

fn parse_kind(text: &str) -> Result<Kind, String> {
    let same = |kind: &&Kind| {
        let about = kind.about();
        about.name.eq_ignore_ascii_case(text)
            || about.plural.eq_ignore_ascii_case(text)
            || about.short_names.contains(&text)
    };
    Kind::ALL.iter().find(same).copied().ok_or_else(|| {
        format!(
            "there is no kind `{text}`; known: {}",
            Kind::ALL.iter().map(|kind| kind.about().name).collect::<Vec<_>>().join(", ")
        )
    })
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is no duration; write 500ms, 60s, 5m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: u64 = number.parse().map_err(|_| refuse())?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        "h" => Ok(Duration::from_secs(number * 3600)),
        _ => Err(refuse()),
    }
}

pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let (config, _) =
        configure(&Flags { file, data_dir: args.data_dir.clone(), ..Flags::default() })?;
    telemetry::init("error", config.log_format);
    let (path, context) = match (&args.kubeconfig, &args.fabric) {
        (Some(path), _) => (path.clone(), args.context.clone()),
        (None, fabric) => (config.data_dir.join("demo.kubeconfig"), fabric.clone()),
    };
    let work = async {
        let target = kubeconfig::target(&path, context.as_deref()).await?;
        watch(args, target).await
    };
    runtime()?.block_on(work).map_err(|error| Failure {
        code: 2,
        error,
        advice: "check the path of the kubeconfig and the name of the context",
    })
}

/// What was seen of one kind.
#[derive(Debug, Default)]
struct Tally {
    events: u64,
    latencies_us: Vec<u64>,
}

async fn watch(args: &Args, target: kubeconfig::Target) -> anyhow::Result<u8> {
    let kinds = if args.kinds.is_empty() { Kind::ALL.to_vec() } else { args.kinds.clone() };
    let (tap, mut tapped) = mpsc::channel(TAPPED);
    let (hub, tasks, cancel) = (Arc::new(Hub::new()), TaskTracker::new(), CancellationToken::new());
    let id = FabricId::from_context(&target.context);
    fabric::start(
        fabric::Plan { tap: Some(tap), ..fabric::Plan::new(id.clone(), target).only(&kinds) },
        &hub,
        &process_epoch(),
        &tasks,
        &cancel,
    );
    let until = args.duration.map(|duration| Instant::now() + duration);
    let mut tallies: BTreeMap<Kind, Tally> = BTreeMap::new();
    let printer = Printer { json: args.json };
    let mut stop = std::pin::pin!(asked_to_stop(cancel.child_token()));
    loop {
        let overdue = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let seen = tokio::select! {
            _ = &mut stop => break,
            () = overdue => break,
            seen = tapped.recv() => seen,
        };
        let Some(seen) = seen else { break };
        if let Tapped::Object { kind, us, .. } = &seen {
            let tally = tallies.entry(*kind).or_default();
            tally.events += 1;
            if tally.latencies_us.len() < MOST_LATENCIES {
                tally.latencies_us.push(*us);
            }
        }
        if !printer.print(&seen) {
            break;
        }
    }
    let rows: Vec<Summary> = kinds
        .iter()
        .map(|kind| summary(&hub, &id, *kind, tallies.remove(kind).unwrap_or_default()))
        .collect();
    printer.summary(&rows);
    tapped.close();
    cancel.cancel();
    tasks.close();
    tasks.wait().await;
    // Company that the cluster does not serve is no failure.
    let failed = |row: &&Summary| {
        row.watch.state != WatchState::Live
            && (row.kind.is_primary() || args.kinds.contains(&row.kind))
    };
    Ok(u8::from(rows.iter().any(|row| failed(&row))))
}

/// The last line of a kind.
struct Summary {
    kind: Kind,
    watch: KindWatch,
    objects: Option<usize>,
    events: u64,
    p50_us: Option<u64>,
    p99_us: Option<u64>,
}

fn summary(hub: &Hub, fabric: &FabricId, kind: Kind, mut tally: Tally) -> Summary {
    tally.latencies_us.sort_unstable();
    let last = tally.latencies_us.len().saturating_sub(1);
    let state = hub.keyed(&Topic::State(fabric.clone()));
    let watch = state.and_then(|topic| {
        topic.read(|log| {
            log.get(&format!("watch/{kind}"))
                .and_then(|entry| serde_json::from_str(&entry.value.row).ok())
        })
    });
    let objects =
        hub.keyed(&Topic::Objects(fabric.clone(), kind)).filter(|topic| topic.is_listed());
    Summary {
        kind,
        watch: watch.unwrap_or(KindWatch {
            state: WatchState::Starting,
            since: 0,
            reason: None,
            attempt: 0,
            next_try: None,
            namespace: None,
            as_of: None,
        }),
        objects: objects.map(|topic| topic.read(domain::log::KeyLog::len)),
        events: tally.events,
        p50_us: tally.latencies_us.get(last / 2).copied(),
        p99_us: tally.latencies_us.get(last * 99 / 100).copied(),
    }
}

struct Printer {
    json: bool,
}

impl Printer {
    /// Prints an observation; false when nobody reads any more.
    fn print(&self, seen: &Tapped) -> bool {
        let line = match seen {
            Tapped::Object { kind, key, change, version, us } => {
                let word = match change {
                    EventType::Created => "added",
                    EventType::Deleted => "deleted",
                    EventType::Updated
                    | EventType::Connectivity
                    | EventType::Watch
                    | EventType::Notice
                    | EventType::Job => "modified",
                };
                if self.json {
                    json!({"type": word, "kind": kind, "key": key, "version": version, "latency_ms": ms(*us), "lag_ms": null}).to_string()
                } else {
                    format!(
                        "{word:<9}{:<20}{:<45} v{version:<12}{:.3} ms",
                        kind.to_string(),
                        key.to_string(),
                        ms(*us)
                    )
                }
            }
            Tapped::Watch(kind, watch) => {
                if self.json {
                    json!({"type": "watch", "kind": kind, "state": watch.state, "reason": watch.reason}).to_string()
                } else {
                    format!(
                        "watch    {:<20}{} {}",
                        kind.to_string(),
                        watch.state.word(),
                        watch.reason.as_deref().unwrap_or_default()
                    )
                }
            }
        };
        writeln!(std::io::stdout().lock(), "{line}").is_ok()
    }

    fn summary(&self, rows: &[Summary]) {
        let mut out = std::io::stdout().lock();
        if self.json {
            let kinds: Vec<_> = rows
                .iter()
                .map(|row| json!({"kind": row.kind, "state": row.watch.state, "reason": row.watch.reason, "objects": row.objects, "events": row.events, "p50_ms": row.p50_us.map(ms), "p99_ms": row.p99_us.map(ms)}))
                .collect();
            let _ = writeln!(out, "{}", json!({"type": "summary", "kinds": kinds}));
            return;
        }
        let _ = writeln!(
            out,
            "\n{:<20}{:<11}{:>8}{:>8}{:>11}{:>11}  reason",
            "kind", "watch", "objects", "events", "p50 ms", "p99 ms"
        );
        for row in rows {
            let number =
                |us: Option<u64>| us.map_or("–".to_owned(), |us| format!("{:.3}", ms(us)));
            let objects = row.objects.map_or("–".to_owned(), |objects| objects.to_string());
            let reason = row.watch.reason.as_deref().unwrap_or_default();
            let _ = writeln!(
                out,
                "{:<20}{:<11}{objects:>8}{:>8}{:>11}{:>11}  {reason}",
                row.kind.to_string(),
                row.watch.state.word(),
                row.events,
                number(row.p50_us),
                number(row.p99_us)
            );
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^52 µs")]
fn ms(us: u64) -> f64 {
    us as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        assert_eq!(parse_duration("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5m"), Ok(Duration::from_mins(5)));
        for text in ["", "s", "1d", "-1s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn kinds_are_found_by_name_plural_or_short_name() {
        for text in ["Switch", "switch", "switches", "sw"] {
            assert_eq!(parse_kind(text), Ok(Kind::Switch));
        }
        assert!(parse_kind("pod").unwrap_err().contains("VPCAttachment"));
    }
}
