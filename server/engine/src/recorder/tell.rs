//! What is told to people: events of the feed, one sentence each.

use domain::{
    diff::{Changes, Limits, agent_changes, changes},
    feed::{Event, EventData, EventType},
    kind::Kind,
    object::ObjectKey,
    state::{Connectivity, FabricState, KindWatch, Severity, WatchState},
    time::Timestamp,
    topic::FabricId,
};
use serde_json::Value;

use super::Changed;

/// Most fields that one event names, and most bytes of a value in it.
const LIMITS: Limits = Limits { items: 50, value_bytes: 512 };

/// Something to tell, before it has a position.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// What it tells.
    pub kind: EventType,
    /// `Kind/namespace/name`, a kind, or none for the fabric itself.
    pub subject: Option<String>,
    /// The event itself.
    pub data: EventData,
}

impl Told {
    /// A sentence without differences.
    pub(super) fn plain(
        kind: EventType,
        subject: Option<String>,
        severity: Severity,
        message: String,
    ) -> Self {
        Self { kind, subject, data: EventData::said(severity, message, None) }
    }

    /// The envelope.
    pub(super) fn event(self, fabric: &FabricId, position: u64, at_ms: i64) -> Event {
        Event {
            specversion: "1.0".to_owned(),
            id: position.to_string(),
            source: format!("/fabrics/{fabric}"),
            kind: self.kind,
            subject: self.subject,
            time: moment(at_ms),
            data: self.data,
        }
    }
}

fn moment(at_ms: i64) -> String {
    Timestamp::from_unix_ms(at_ms).map(|time| time.to_string()).unwrap_or_default()
}

/// Something about an object, as it is told.
pub(super) struct About<'a> {
    pub(super) kind: Kind,
    pub(super) key: &'a ObjectKey,
    pub(super) what: EventType,
    pub(super) version: String,
    pub(super) manager: Option<String>,
}

/// A change as it happened. Heartbeats and counters of Agents are no news.
pub(super) fn object(changed: &Changed, old: Option<&Value>, new: Option<&Value>) -> Option<Told> {
    let about = About {
        kind: changed.kind,
        key: &changed.key,
        what: what(old.is_some(), new.is_some()),
        version: changed.raw.clone(),
        manager: changed.manager.clone(),
    };
    let mut told = difference(about, old, new)?;
    told.data.after_gap = changed.after_gap;
    Some(told)
}

/// What became of an object that was or was not there.
pub(super) fn what(was: bool, is: bool) -> EventType {
    match (was, is) {
        (false, _) => EventType::Created,
        (true, true) => EventType::Updated,
        (true, false) => EventType::Deleted,
    }
}

/// A difference between two values of an object; none where there is no news.
pub(super) fn difference(
    about: About<'_>,
    old: Option<&Value>,
    new: Option<&Value>,
) -> Option<Told> {
    let found = match (about.kind, about.what) {
        (_, EventType::Created | EventType::Deleted) => Changes::default(),
        (Kind::Agent | Kind::GatewayAgent, _) => agent_changes(old, new, LIMITS),
        _ => changes(old, new, LIMITS),
    };
    let items: Vec<_> =
        found.items.into_iter().filter(|item| !is_bookkeeping(&item.pointer)).collect();
    if about.what == EventType::Updated && items.is_empty() {
        return None;
    }
    let severity =
        if about.what == EventType::Deleted { Severity::Warning } else { Severity::Info };
    let message = format!("{} {} {}", about.kind, shown(about.key), about.what.verb());
    let subject = Some(format!("{}/{}", about.kind, about.key));
    let mut told = Told::plain(about.what, subject, severity, message);
    told.data.version = Some(about.version);
    told.data.manager = about.manager;
    told.data.changes = items;
    told.data.truncated = found.truncated;
    Some(told)
}

/// The watch of a kind changed its state. Company that is not served is no news.
pub fn watch(kind: Kind, before: WatchState, watch: &KindWatch) -> Option<Told> {
    let severity = match watch.state {
        WatchState::Live => Severity::Info,
        WatchState::Retrying | WatchState::Forbidden | WatchState::Missing if kind.is_primary() => {
            Severity::Error
        }
        WatchState::Retrying | WatchState::Forbidden if before == WatchState::Live => {
            Severity::Warning
        }
        WatchState::Missing if before == WatchState::Live => Severity::Warning,
        _ => return None,
    };
    if watch.state == WatchState::Live
        && matches!(before, WatchState::Starting | WatchState::Listing)
    {
        return None;
    }
    let why = watch.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let message = format!("watch of {kind} is {}{why}", watch.state.word());
    Some(Told::plain(EventType::Watch, Some(kind.to_string()), severity, message))
}

/// The fabric's connectivity changed.
pub fn connectivity(before: Connectivity, state: &FabricState) -> Option<Told> {
    let severity = match state.state {
        Connectivity::Disconnected => Severity::Critical,
        Connectivity::Degraded => Severity::Error,
        Connectivity::Connected
        | Connectivity::Connecting
        | Connectivity::Unknown
        | Connectivity::Disabled => Severity::Info,
    };
    if before == Connectivity::Unknown && state.state == Connectivity::Connecting {
        return None;
    }
    let why = state.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
    Some(fabric(severity, format!("fabric is {}{why}", state.state.word())))
}

/// Something about the fabric itself.
pub fn fabric(severity: Severity, message: String) -> Told {
    Told::plain(EventType::Connectivity, None, severity, message)
}

/// The cluster's storage went back.
pub fn rewound(kind: Kind) -> Told {
    let message = format!(
        "{kind}: the cluster's storage went back to an older version; everything is read anew"
    );
    Told::plain(EventType::Watch, Some(kind.to_string()), Severity::Warning, message)
}

/// Who recorded before ended without a word.
pub(super) fn stopped(until_ms: Option<i64>) -> String {
    let until = until_ms.map(|at| format!(" after {}", moment(at))).unwrap_or_default();
    format!(
        "recording stopped without warning{until}; events told in its last moments may be missing here, changes of objects were found by comparing"
    )
}

/// The database takes records again.
pub(super) fn recovered(since_ms: i64, reason: &str) -> String {
    format!("recording works again; it failed from {}: {reason}", moment(since_ms))
}

/// More changed than is told one by one.
pub(super) fn and_more(kind: Kind, count: usize) -> Told {
    let message = format!("{count} more changes of {kind} were found by comparing");
    let mut told = Told::plain(EventType::Notice, Some(kind.to_string()), Severity::Info, message);
    told.data.after_downtime = true;
    told
}

/// People write objects in `default`, and only there: its name is noise.
fn shown(key: &ObjectKey) -> String {
    if key.namespace() == "default" { key.name().to_owned() } else { key.to_string() }
}

/// Fields that change with every write and say nothing by themselves.
fn is_bookkeeping(pointer: &str) -> bool {
    matches!(pointer, "/metadata/resourceVersion" | "/metadata/generation")
}
