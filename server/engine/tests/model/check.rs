//! The promises, held against the truth at every step and in the end.
//!
//! Invariant: looks only; whatever a client shows is compared with a cluster's own history, not with what
//! the product believes.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    log::{Change, KeyLog, Resume},
    topic::{Selection, Topic},
    wire::{
        Cursor, ServerFrame, Want,
        labels::Labels,
        ledger::{Ledger, Phase},
        link::LinkState,
    },
};
use engine::hub::{Cell, filter::Filter, keyed::KeyedTopic, mailbox, session};
use serde_json::Value;

use super::{
    audit::{Broken, Promise},
    client::{Client, Conn, Unnoticed},
    cluster::{Cluster, KINDS, Stored, Timeline},
    replica::Replica,
    world::World,
};

/// Most names that live at once for long, per topic: what comes and goes unread leaves nothing.
const NAMES: usize = 8;

/// Which timeline of which cluster the epochs count.
#[derive(Debug, Default)]
pub(crate) struct Eras(BTreeMap<String, (usize, usize)>);

impl Eras {
    /// Notes the epochs that are in use.
    pub(crate) fn note(&mut self, clusters: &[Cluster], replicas: &[Replica]) {
        for replica in replicas {
            for (at, cluster) in clusters.iter().enumerate() {
                for of in 0..KINDS.len() {
                    let Some(topic) = replica.topic(cluster, of).filter(|topic| topic.is_listed())
                    else {
                        continue;
                    };
                    let epoch = topic.read(|log| log.epoch().to_string());
                    self.0.entry(epoch).or_insert((at, cluster.era()));
                }
            }
        }
    }

    fn timeline<'a>(&self, clusters: &'a [Cluster], epoch: &str) -> Option<&'a Timeline> {
        let (at, era) = self.0.get(epoch)?;
        Some(&clusters[*at].timelines[*era])
    }
}

/// The topic that a frame is about.
pub(crate) fn topic_of(frame: &ServerFrame) -> Option<&str> {
    match frame {
        ServerFrame::Snapshot { topic, .. }
        | ServerFrame::Synced { topic, .. }
        | ServerFrame::Keys { topic, .. }
        | ServerFrame::Ch { topic, .. }
        | ServerFrame::Evt { topic, .. }
        | ServerFrame::Gap { topic, .. }
        | ServerFrame::Revoke { topic, .. } => Some(topic),
        _ => None,
    }
}

fn filter(want: &Want) -> Filter {
    Filter {
        keys: want.keys.clone().map(|keys| keys.into_iter().collect()),
        labels: want.labels.as_deref().map(|labels| labels.parse::<Labels>().unwrap()),
    }
}

/// Whether a want selects an object: what the server's filter should say.
fn selects(want: &Want, key: &str, stored: &Stored) -> bool {
    want.keys.as_ref().is_none_or(|keys| keys.iter().any(|wanted| wanted == key))
        && (want.labels.is_none() || stored.leaf)
}

/// After a frame: what the place covers is held as it was, and the rest is some value of its past.
pub(crate) fn place(world: &mut World, at: usize, topic: &str) -> Result<(), Broken> {
    let client = &mut world.clients[at];
    let place = client.link.ledger(topic).and_then(Ledger::at).cloned();
    client.audit.stands(topic, place.as_ref())?;
    let client = &world.clients[at];
    let (Some(ledger), Some(want), Some(place)) =
        (client.link.ledger(topic), client.want(topic), place)
    else {
        return Ok(());
    };
    if ledger.phase() == Phase::Loading {
        return Ok(());
    }
    let Topic::Objects(_, kind) = World::parse(topic) else { return resumable(world, at, topic) };
    let Some(timeline) = world.eras.timeline(&world.clusters, &place.0) else {
        return Ok(());
    };
    for (key, held) in ledger.held() {
        let stored = timeline.value(kind, key, held.version);
        Promise::Order.holds(
            stored.is_some_and(|stored| *stored.seen(want.view) == *held.value),
            || {
                format!(
                    "{topic} {key}: what is held as {} never was that in {:?}: {}",
                    held.version,
                    want.view,
                    short(&held.value)
                )
            },
        )?;
    }
    for latest in timeline.latest(kind).filter(|latest| latest.version <= place.1) {
        let expected = latest.now.as_ref().filter(|stored| selects(want, &latest.key, stored));
        let held = ledger.held().get(&*latest.key);
        let (expected, held) = (expected.map(|_| latest.version), held.map(|held| held.version));
        Promise::NoGap.holds(expected == held, || {
            format!(
                "{topic} {}: at {} it is {expected:?}, and {held:?} is held",
                latest.key, place.1
            )
        })?;
    }
    resumable(world, at, topic)
}

/// Whoever resumes from the place of this client, at any process that counts alike, ends with what is there.
fn resumable(world: &World, at: usize, topic: &str) -> Result<(), Broken> {
    let client = &world.clients[at];
    let (Some(ledger), Some(want)) = (client.link.ledger(topic), client.want(topic)) else {
        return Ok(());
    };
    let Some(place) = ledger.at() else { return Ok(()) };
    let filter = filter(want);
    for replica in &world.replicas {
        let Some(keyed) = replica.hub.keyed(&World::parse(topic)).filter(|keyed| keyed.is_listed())
        else {
            continue;
        };
        let mut resumed: BTreeMap<String, u64> =
            ledger.held().iter().map(|(key, held)| (key.clone(), held.version)).collect();
        match keyed.read(|log| log.since(Some((&place.0, place.1)))) {
            Resume::None(_) => continue,
            Resume::Log(changes) => apply(&mut resumed, changes, &filter),
            Resume::Keys(changes, live) => {
                apply(&mut resumed, changes, &filter);
                let live: BTreeSet<&str> = live.iter().map(AsRef::as_ref).collect();
                resumed.retain(|key, _| live.contains(key.as_str()));
            }
        }
        let mut there = versions(&keyed, &filter);
        // A client may know more of a key than a process that hears late.
        let late = newer(world, topic, &place.0, keyed.read(KeyLog::head));
        resumed.retain(|key, _| !late.contains(key));
        there.retain(|key, _| !late.contains(key));
        Promise::NoGap.holds(resumed == there, || {
            format!("{topic}: resumed from {place:?} it would be {resumed:?}, not {there:?}")
        })?;
    }
    Ok(())
}

/// Keys of which the cluster knows more than a process that is at `head`.
fn newer(world: &World, topic: &str, epoch: &str, head: u64) -> BTreeSet<String> {
    let Topic::Objects(_, kind) = World::parse(topic) else { return BTreeSet::new() };
    let timeline = world.eras.timeline(&world.clusters, epoch);
    let latest = timeline.into_iter().flat_map(|timeline| timeline.latest(kind));
    latest.filter(|latest| latest.version > head).map(|latest| latest.key.to_string()).collect()
}

fn apply(
    map: &mut BTreeMap<String, u64>,
    changes: Vec<Change<std::sync::Arc<engine::hub::payload::Payload>>>,
    filter: &Filter,
) {
    for change in changes {
        match change {
            Change::Put(entry) if filter.passes(&entry.key, &entry.value) => {
                map.insert(entry.key.to_string(), entry.version);
            }
            Change::Put(_) | Change::Gone(_) => {
                map.remove(&**change.key());
            }
        }
    }
}

fn versions(keyed: &KeyedTopic, filter: &Filter) -> BTreeMap<String, u64> {
    keyed.read(|log| {
        log.iter()
            .filter(|entry| filter.passes(&entry.key, &entry.value))
            .map(|entry| (entry.key.to_string(), entry.version))
            .collect()
    })
}

/// A topic was told to be complete: then it is shown so.
pub(crate) fn synced(world: &World, at: usize, topic: &str) -> Result<(), Broken> {
    let ledger = world.clients[at].link.ledger(topic);
    Promise::Loading.holds(ledger.is_none_or(|ledger| ledger.phase() == Phase::Synced), || {
        format!("{topic}: told to be complete, shown as loading")
    })
}

/// Something is about to be sent. Returns the feed that it is from, if it is from one.
pub(crate) fn said(text: &str, conn: &mut Conn, replicas: &[Replica]) -> Result<String, Broken> {
    let frame = ServerFrame::read(text).unwrap_or_else(|_| panic!("no frame: {text}"));
    let Some(topic) = topic_of(&frame) else { return Ok(String::new()) };
    let cell = replicas[conn.replica].hub.cell(&World::parse(topic));
    if cell.is_some() {
        conn.revoked.remove(topic);
    }
    if let ServerFrame::Revoke { topic, .. } = &frame {
        conn.revoked.insert(topic.clone());
        return Ok(String::new());
    }
    Promise::Rights.holds(!conn.revoked.contains(topic), || {
        format!("{topic} was revoked, and yet: {}", &text[..text.len().min(120)])
    })?;
    match cell {
        Some(Cell::Feed(feed)) => Ok(feed.newest(0).0.0),
        Some(Cell::Keyed(keyed)) => {
            if let ServerFrame::Synced { at: Cursor(epoch, _), .. } = &frame {
                let same = keyed.read(|log| **log.epoch() == **epoch);
                Promise::Loading.holds(!same || keyed.is_listed(), || {
                    format!("{topic}: called complete before it was listed")
                })?;
            }
            Ok(String::new())
        }
        None => Ok(String::new()),
    }
}

/// A ping arrived: what was swallowed before it is counted by now.
pub(crate) fn loss_was_noticed(client: &mut Client) -> Result<(), Broken> {
    let lost = client.link.status(0).lost;
    let Some(conn) = &mut client.conn else { return Ok(()) };
    match std::mem::replace(&mut conn.unnoticed, Unnoticed::Nothing) {
        Unnoticed::Changes { lost: before } => Promise::Loss.holds(lost > before, || {
            "changes were swallowed, a ping came, and nothing counts as lost".to_owned()
        }),
        Unnoticed::Nothing | Unnoticed::Something => Ok(()),
    }
}

/// Whatever holds at any moment.
pub(crate) fn present(world: &mut World) -> Result<(), Broken> {
    logs(world)?;
    for (at, client) in world.clients.iter().enumerate() {
        let lost = client.link.status(world.now).lost;
        Promise::Loss.holds(lost <= client.swallowed, || {
            format!("{lost} count as lost, {} were swallowed", client.swallowed)
        })?;
        let Some(conn) = &client.conn else { continue };
        bounds(world, client, conn)?;
        let live = matches!(client.link.status(world.now).state, LinkState::Live { .. });
        if live && conn.is_idle() && conn.unnoticed == Unnoticed::Nothing {
            agrees(world, at)?;
        }
    }
    Ok(())
}

/// What a process holds of a key only becomes newer.
fn logs(world: &mut World) -> Result<(), Broken> {
    for replica in &world.replicas {
        for (cluster, of) in
            world.clusters.iter().flat_map(|c| (0..KINDS.len()).map(move |of| (c, of)))
        {
            let Some(keyed) = replica.topic(cluster, of) else { continue };
            let name = format!("process {} {} {}", replica.process, cluster.fabric, KINDS[of]);
            let (known, newest) = world.newest.entry(name.clone()).or_default();
            keyed.read(|log| {
                if **known != **log.epoch() {
                    *known = log.epoch().to_string();
                    newest.clear();
                }
                log.iter().try_for_each(|entry| {
                    let before = newest.insert(entry.key.to_string(), entry.version);
                    Promise::Order
                        .holds(before.is_none_or(|before| before <= entry.version), || {
                            format!("{name} {}: {} came after {before:?}", entry.key, entry.version)
                        })
                })
            })?;
        }
    }
    Ok(())
}

fn bounds(world: &World, client: &Client, conn: &Conn) -> Result<(), Broken> {
    let Some(session) = &conn.session else { return Ok(()) };
    let hub = &world.replicas[conn.replica].hub;
    let mut most = 0;
    for topic in
        client.wants.keys().flat_map(|topic| hub.select(&topic.parse::<Selection>().unwrap()))
    {
        most += match hub.cell(&topic) {
            Some(Cell::Keyed(keyed)) => {
                let held = client.link.ledger(&topic.to_string());
                keyed.read(KeyLog::len) + NAMES + held.map_or(0, |ledger| ledger.held().len())
            }
            Some(Cell::Feed(_)) => mailbox::MOST_EVENTS,
            None => 0,
        };
    }
    // Subscriptions whose end the server has not heard of yet.
    most += 2 * (mailbox::MOST_EVENTS + NAMES);
    let waiting = session.mailbox().n_waiting();
    Promise::Bounds
        .holds(waiting <= most, || format!("{waiting} wait for a client that can see {most}"))
}

/// Nothing is under way, and the link is live: what is shown as complete is what the server has.
fn agrees(world: &World, at: usize) -> Result<(), Broken> {
    let client = &world.clients[at];
    let Some(conn) = &client.conn else { return Ok(()) };
    let hub = &world.replicas[conn.replica].hub;
    for (topic, ledger) in client.link.ledgers() {
        let (Some(want), Phase::Synced) = (client.want(topic), ledger.phase()) else { continue };
        // From before a loss, a change of mind or a cut: the next ping tells what becomes of it.
        if ledger.at().is_none() || (ledger.is_resuming() && !conn.pinged) {
            continue;
        }
        let Some(keyed) = hub.keyed(&World::parse(topic)) else {
            return Err(Broken {
                promise: Promise::Rights,
                how: format!("{topic} is shown as complete; the server has no such topic"),
            });
        };
        // Of another connection, while this server reads it yet.
        if !conn.synced.contains(topic) && !keyed.is_listed() {
            continue;
        }
        Promise::Loading.holds(keyed.is_listed(), || {
            format!("{topic} is shown as complete; the server has not read it yet")
        })?;
        let (mut held, mut there) = (held(ledger), versions(&keyed, &filter(want)));
        let epoch = ledger.at().map_or("", |place| place.0.as_str());
        let late = newer(world, topic, epoch, keyed.read(KeyLog::head));
        held.retain(|key, _| !late.contains(key));
        there.retain(|key, _| !late.contains(key));
        Promise::Convergence.holds(held == there, || {
            format!("{topic}: {held:?} is shown, {there:?} is there, nothing is under way")
        })?;
    }
    Ok(())
}

fn held(ledger: &Ledger) -> BTreeMap<String, u64> {
    ledger.held().iter().map(|(key, held)| (key.clone(), held.version)).collect()
}

/// In the end, with everything healed: each client shows what its wants say, and nothing else.
pub(crate) fn finally(world: &World) -> Result<(), Broken> {
    for (at, client) in world.clients.iter().enumerate() {
        let live = matches!(client.link.status(world.now).state, LinkState::Live { .. });
        Promise::Convergence.holds(live, || format!("client {at} does not come back"))?;
        let Some(conn) = &client.conn else { continue };
        let replica = &world.replicas[conn.replica];
        for want in client.wants.values() {
            for topic in replica.hub.select(&want.topic.parse::<Selection>().unwrap()) {
                ended(world, client, replica, want, &topic)?;
            }
        }
    }
    Ok(())
}

fn ended(
    world: &World,
    client: &Client,
    replica: &Replica,
    want: &Want,
    topic: &Topic,
) -> Result<(), Broken> {
    let name = topic.to_string();
    let ledger = client.link.ledger(&name);
    let whole = ledger.filter(|ledger| ledger.phase() == Phase::Synced);
    match topic {
        // Nobody in the model is a person.
        Topic::Me => Ok(()),
        Topic::Feed(fabric) => {
            let Cursor(epoch, head) = replica.hub.feed(fabric).unwrap().newest(0).0;
            let last = client.audit.last_event(&name, &epoch).unwrap_or_default();
            Promise::Bounds.holds(last == head, || {
                format!("{name}: {last} was told last, {head} is the newest")
            })
        }
        Topic::State(_) => {
            let keyed = replica.hub.keyed(topic).unwrap();
            let there: BTreeMap<String, Value> = keyed.read(|log| {
                log.iter()
                    .map(|entry| {
                        (entry.key.to_string(), serde_json::from_str(&entry.value.row).unwrap())
                    })
                    .collect()
            });
            compare(&name, whole, &there)
        }
        Topic::Objects(fabric, kind) => {
            let cluster = world.clusters.iter().find(|cluster| cluster.fabric == *fabric).unwrap();
            if !KINDS.contains(kind) {
                return Promise::Loading.holds(whole.is_none(), || {
                    format!("{name} was never read, and is shown as complete")
                });
            }
            let there = cluster
                .live(*kind)
                .filter(|(key, stored)| selects(want, key, stored))
                .map(|(key, stored)| (key.to_string(), stored.seen(want.view).clone()))
                .collect();
            compare(&name, whole, &there)
        }
    }
}

fn compare(
    name: &str,
    whole: Option<&Ledger>,
    there: &BTreeMap<String, Value>,
) -> Result<(), Broken> {
    let Some(ledger) = whole else {
        return Err(Broken {
            promise: Promise::Loading,
            how: format!("{name}: still loading, though {} are there", there.len()),
        });
    };
    let held: BTreeMap<String, Value> =
        ledger.held().iter().map(|(key, held)| (key.clone(), (*held.value).clone())).collect();
    Promise::Convergence.holds(held == *there, || {
        let differs = |map: &BTreeMap<String, Value>, other: &BTreeMap<String, Value>| {
            map.iter()
                .filter(|(key, value)| other.get(*key) != Some(value))
                .map(|(key, value)| format!("{key}={}", short(value)))
                .collect::<Vec<_>>()
        };
        format!("{name}: shown {:?}, there {:?}", differs(&held, there), differs(there, &held))
    })
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(160).collect()
}

/// Gives a client what the server puts into a page: whole topics with their place.
pub(crate) fn seed(client: &mut Client, replica: &Replica) {
    for want in client.wants.values().filter(|want| want.topic.starts_with("objects/")) {
        let mut items = Vec::new();
        for text in session::snapshot(&replica.hub, session::Viewer::house(), vec![want.clone()]) {
            match ServerFrame::read(&text).unwrap() {
                ServerFrame::Snapshot { items: part, .. } => items.extend(part),
                ServerFrame::Synced { topic, at, .. } => {
                    client.link.seed(&topic, Ledger::seeded(at, std::mem::take(&mut items)));
                }
                _ => {}
            }
        }
    }
}
