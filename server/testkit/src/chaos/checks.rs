//! The truth as the API server has it, and what a client's picture of it lacks.
//!
//! Invariant: what is compared with a client comes from the cluster itself; only the form of rows, which is the
//! server's own, comes from the server's snapshot, and that is compared with the cluster first.

use std::{collections::BTreeMap, net::SocketAddr, str::FromStr};

use anyhow::{Context, ensure};
use domain::{
    kind::Kind,
    wire::{
        ServerFrame, View, Want,
        labels::Labels,
        ledger::{Held, Phase},
        link::Link,
    },
};
use serde_json::Value;

use super::{FABRIC, ground::Ground};
use crate::{account, live_client::Seen};

/// Longest list of differences that is told of one topic.
const TOLD: usize = 5;

/// An object as the cluster has it, and its row as the server makes it.
#[derive(Debug)]
struct Object {
    version: u64,
    whole: Value,
    row: Value,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Truth {
    kinds: BTreeMap<&'static str, BTreeMap<String, Object>>,
}

impl Truth {
    /// Reads the cluster, and the rows from the server.
    pub(crate) async fn read(ground: &Ground, server: SocketAddr) -> anyhow::Result<Self> {
        let mut rows = rows(server).await?;
        let mut kinds = BTreeMap::new();
        for kind in Kind::ALL {
            let mut objects = BTreeMap::new();
            for whole in ground.cluster.list(*kind) {
                let text =
                    |pointer| whole.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let key = format!("{}/{}", text("/metadata/namespace"), text("/metadata/name"));
                let version: u64 = text("/metadata/resourceVersion").parse().unwrap_or_default();
                let row = rows.remove(&(topic(*kind), key.clone()));
                let (of_row, row) = row.with_context(|| format!("{kind} {key} is not served"))?;
                ensure!(of_row == version, "{kind} {key} is served as {of_row}, not {version}");
                objects.insert(key, Object { version, whole, row });
            }
            kinds.insert(kind.about().name, objects);
        }
        if let Some(((topic, key), _)) = rows.first_key_value() {
            anyhow::bail!("{topic} has a ghost: {key}");
        }
        Ok(Self { kinds })
    }

    /// What is wrong with a client's picture of what it wants.
    pub(crate) fn differences(&self, wants: &[Want], link: &Link, seen: &Seen) -> Vec<String> {
        let mut wrong = Vec::new();
        for want in wants.iter().filter(|want| want.topic.starts_with("objects/")) {
            let kinds: Vec<&str> = match want.topic.rsplit('/').next() {
                Some("*") | None => self.kinds.keys().copied().collect(),
                Some(kind) => vec![kind],
            };
            for kind in kinds {
                wrong.extend(self.of_topic(want, kind, link, seen));
            }
        }
        wrong
    }

    fn of_topic(&self, want: &Want, kind: &str, link: &Link, seen: &Seen) -> Vec<String> {
        let topic = format!("objects/{FABRIC}/{kind}");
        let expected = self.selected(want, kind);
        let Some(ledger) = link.ledger(&topic) else { return vec![format!("{topic}: not there")] };
        if ledger.phase() != Phase::Synced {
            return vec![format!("{topic}: still loading")];
        }
        let nothing = BTreeMap::new();
        let shown = seen.shown.get(&topic).map_or(&nothing, |shown| &shown.held);
        let mut wrong = compare(&expected, ledger.held(), want.view);
        if wrong.is_empty() {
            wrong = compare(&expected, shown, want.view);
            for wrong in &mut wrong {
                wrong.push_str(" (as shown, not as held)");
            }
        }
        let more = wrong.len().saturating_sub(TOLD);
        wrong.truncate(TOLD);
        if more > 0 {
            wrong.push(format!("and {more} more"));
        }
        wrong.into_iter().map(|wrong| format!("{topic}: {wrong}")).collect()
    }

    fn selected(&self, want: &Want, kind: &str) -> BTreeMap<&str, &Object> {
        let labels = want.labels.as_deref().and_then(|text| Labels::from_str(text).ok());
        let passes = |key: &String, object: &Object| {
            want.keys.as_ref().is_none_or(|keys| keys.contains(key))
                && labels.as_ref().is_none_or(|labels| labels.matches(&labels_of(&object.whole)))
        };
        let objects = self.kinds.get(kind).into_iter().flatten();
        objects
            .filter(|(key, object)| passes(key, object))
            .map(|(key, object)| (key.as_str(), object))
            .collect()
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let pairs = labels.into_iter().flatten();
    pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

fn compare(
    expected: &BTreeMap<&str, &Object>,
    held: &BTreeMap<String, Held>,
    view: View,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, object) in expected {
        match held.get(*key) {
            None => wrong.push(format!("{key} is missing")),
            Some(held) if held.version != object.version => {
                wrong.push(format!("{key} is {}, should be {}", held.version, object.version));
            }
            Some(held) if !same(&held.value, object, view) => {
                wrong.push(format!("{key} at {} has another value", held.version));
            }
            Some(_) => {}
        }
    }
    let ghosts = held.keys().filter(|key| !expected.contains_key(key.as_str()));
    wrong.extend(ghosts.map(|key| format!("{key} is deleted or not selected, and still there")));
    wrong
}

/// Whether a value is that of the object. Whole objects come without what nobody may see, so the parts count.
fn same(value: &Value, object: &Object, view: View) -> bool {
    match view {
        View::Row => *value == object.row,
        View::Full => ["/spec", "/metadata/labels", "/metadata/annotations", "/metadata/uid"]
            .iter()
            .all(|part| value.pointer(part) == object.whole.pointer(part)),
    }
}

fn topic(kind: Kind) -> String {
    format!("objects/{FABRIC}/{kind}")
}

/// Version and value of every row that the server has, by topic and key.
async fn rows(server: SocketAddr) -> anyhow::Result<BTreeMap<(String, String), (u64, Value)>> {
    let url = format!("http://{server}/api/v1/live/snapshot?topic=objects/{FABRIC}/*");
    let answer =
        account::http().get(url).send().await.and_then(reqwest::Response::error_for_status);
    let body: Value = answer.context("ask for the snapshot")?.json().await.context("read it")?;
    let frames = body.get("frames").and_then(Value::as_array).context("a snapshot has frames")?;
    let mut rows = BTreeMap::new();
    for frame in frames {
        let frame = ServerFrame::read(&frame.to_string());
        if let Ok(ServerFrame::Snapshot { topic, items, .. }) = frame {
            for item in items {
                rows.insert((topic.clone(), item.k), (item.v, item.o));
            }
        }
    }
    Ok(rows)
}
