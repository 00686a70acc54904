//! What the keeper tells people: events of the feed, one sentence each.

use std::sync::Arc;

use domain::{
    diff::{Limits, agent_changes, changes},
    feed::{Event, EventData, EventType},
    kind::Kind,
    object::ObjectKey,
    state::{Connectivity, FabricState, KindWatch, Severity, WatchState},
    time::Timestamp,
    topic::FabricId,
};
use serde_json::Value;

use crate::{clock::now_ms, hub::feed::FeedTopic};

/// Most fields that one event names, and most bytes of a value in it.
const LIMITS: Limits = Limits { items: 50, value_bytes: 512 };

/// A change of an object.
pub(super) struct Change<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) what: EventType,
    pub(super) version: &'a str,
    pub(super) manager: Option<String>,
    pub(super) old: Option<&'a Value>,
    pub(super) new: Option<&'a Value>,
    pub(super) after_gap: bool,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Story {
    fabric: FabricId,
    feed: Arc<FeedTopic>,
}

impl Story {
    pub(super) fn new(fabric: FabricId, feed: Arc<FeedTopic>) -> Self {
        Self { fabric, feed }
    }

    /// An object changed. Heartbeats and counters of Agents are no news.
    pub(super) fn object(&self, kind: Kind, change: &Change<'_>) {
        let differences = match (kind, change.what) {
            (_, EventType::Created | EventType::Deleted) => domain::diff::Changes::default(),
            (Kind::Agent | Kind::GatewayAgent, _) => agent_changes(change.old, change.new, LIMITS),
            _ => changes(change.old, change.new, LIMITS),
        };
        let items: Vec<_> =
            differences.items.into_iter().filter(|item| !is_bookkeeping(&item.pointer)).collect();
        if change.what == EventType::Updated && items.is_empty() {
            return;
        }
        let severity =
            if change.what == EventType::Deleted { Severity::Warning } else { Severity::Info };
        let data = EventData {
            severity,
            message: format!("{kind} {} {}", shown(change.key), change.what.verb()),
            version: Some(change.version.to_owned()),
            manager: change.manager.clone(),
            changes: items,
            truncated: differences.truncated,
            after_gap: change.after_gap,
        };
        self.push(change.what, Some(format!("{kind}/{}", change.key)), data);
    }

    /// The watch of a kind changed its state. Company that is not served is no news.
    pub(super) fn watch(&self, kind: Kind, before: WatchState, watch: &KindWatch) {
        let severity = match watch.state {
            WatchState::Live => Severity::Info,
            WatchState::Retrying | WatchState::Forbidden | WatchState::Missing
                if kind.is_primary() =>
            {
                Severity::Error
            }
            WatchState::Retrying | WatchState::Forbidden if before == WatchState::Live => {
                Severity::Warning
            }
            WatchState::Missing if before == WatchState::Live => Severity::Warning,
            _ => return,
        };
        if watch.state == WatchState::Live
            && matches!(before, WatchState::Starting | WatchState::Listing)
        {
            return;
        }
        let why = watch.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let message = format!("watch of {kind} is {}{why}", watch.state.word());
        self.push(EventType::Watch, Some(kind.to_string()), plain(severity, message));
    }

    /// The fabric's connectivity changed.
    pub(super) fn connectivity(&self, before: Connectivity, state: &FabricState) {
        let severity = match state.state {
            Connectivity::Disconnected => Severity::Critical,
            Connectivity::Degraded => Severity::Error,
            Connectivity::Connected
            | Connectivity::Connecting
            | Connectivity::Unknown
            | Connectivity::Disabled => Severity::Info,
        };
        if before == Connectivity::Unknown && state.state == Connectivity::Connecting {
            return;
        }
        let why = state.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        self.fabric(severity, format!("fabric is {}{why}", state.state.word()));
    }

    /// Something about the fabric itself.
    pub(super) fn fabric(&self, severity: Severity, message: String) {
        self.push(EventType::Connectivity, None, plain(severity, message));
    }

    /// The cluster's storage went back.
    pub(super) fn rewound(&self, kind: Kind) {
        let message = format!(
            "{kind}: the cluster's storage went back to an older version; everything is read anew"
        );
        self.push(EventType::Watch, Some(kind.to_string()), plain(Severity::Warning, message));
    }

    fn push(&self, kind: EventType, subject: Option<String>, data: EventData) {
        let time =
            Timestamp::from_unix_ms(now_ms()).map(|time| time.to_string()).unwrap_or_default();
        let source = format!("/fabrics/{}", self.fabric);
        self.feed.push(|id| Event {
            specversion: "1.0".to_owned(),
            id: id.to_string(),
            source,
            kind,
            subject,
            time,
            data,
        });
    }
}

fn plain(severity: Severity, message: String) -> EventData {
    EventData {
        severity,
        message,
        version: None,
        manager: None,
        changes: Vec::new(),
        truncated: 0,
        after_gap: false,
    }
}

/// People write objects in `default`, and only there: its name is noise.
fn shown(key: &ObjectKey) -> String {
    if key.namespace() == "default" { key.name().to_owned() } else { key.to_string() }
}

/// Fields that change with every write and say nothing by themselves.
fn is_bookkeeping(pointer: &str) -> bool {
    matches!(pointer, "/metadata/resourceVersion" | "/metadata/generation")
}
