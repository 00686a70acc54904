//! A backend that answers from a fabric that is made up.

use std::{collections::BTreeMap, sync::Arc};

use app::{
    api::ApiError,
    backend::Backend,
    domain::{
        columns,
        diff::FieldChange,
        feed::{Event, EventData, EventType},
        kind::Kind,
        object::{ObjectKey, ObjectRef, Row},
        readiness::Readiness,
        report::{
            Edge, FabricSummary, FeedPart, ListPage, ListQuery, ListRow, Me, ObjectPage, Overview,
            Presence, Relations,
        },
        state::{
            Cause, Connectivity, FabricState, KindCount, KindWatch, Severity, SwitchReadiness,
            WatchState,
        },
        topic::FabricId,
        wire::{Cursor, Item},
    },
};
use async_trait::async_trait;
use serde_json::{Value, json};

/// When every page is read, Unix milliseconds.
pub(crate) const NOW: i64 = 1_795_477_405_000;

/// A made-up world.
#[derive(Clone, Default)]
pub(crate) struct World {
    pub(crate) fabrics: Vec<FabricSummary>,
    pub(crate) events: Vec<Event>,
    pub(crate) objects: BTreeMap<(Kind, ObjectKey), Value>,
    /// Who asks.
    pub(crate) me: Option<Me>,
    /// Everything fails with this.
    pub(crate) broken: Option<ApiError>,
}

pub(crate) fn demo() -> FabricId {
    "demo".parse().unwrap()
}

pub(crate) fn key(name: &str) -> ObjectKey {
    ObjectKey::new("default", name).unwrap()
}

fn cursor() -> Cursor {
    Cursor("e1".into(), 40)
}

pub(crate) fn watch(state: WatchState, reason: Option<&str>) -> KindWatch {
    KindWatch {
        state,
        since: NOW - 60_000,
        reason: reason.map(str::to_owned),
        attempt: 2,
        next_try: None,
        namespace: None,
        as_of: None,
    }
}

fn summary(state: Connectivity) -> FabricSummary {
    let state = FabricState {
        state,
        since: NOW - 120_000,
        cause: None,
        reason: None,
        next_try: None,
        server: "https://127.0.0.1:6443".into(),
        version: None,
        last_answer: None,
    };
    FabricSummary {
        id: demo(),
        at: cursor(),
        state,
        records: None,
        watches: BTreeMap::new(),
        counts: BTreeMap::new(),
        readiness: BTreeMap::new(),
    }
}

/// A fabric of which all is known; one switch is stuck.
pub(crate) fn connected() -> World {
    let mut fabric = summary(Connectivity::Connected);
    fabric.state.version = Some("v1.35.0".into());
    for &kind in Kind::ALL {
        fabric.watches.insert(kind, watch(WatchState::Live, None));
        fabric.counts.insert(kind, KindCount { objects: 0, unreadable: 0 });
    }
    let mut objects = BTreeMap::new();
    for at in 1..=7 {
        let name = format!("leaf-0{at}");
        let (state, reason) = match at {
            7 => (Readiness::Stuck, "applies generation 5 for 12 min"),
            _ => (Readiness::Ready, "generation 5 applied"),
        };
        fabric.readiness.insert(
            key(&name),
            SwitchReadiness { state, reason: reason.into(), since: Some(NOW - 5_000) },
        );
        objects.insert((Kind::Switch, key(&name)), switch(&name));
    }
    fabric.counts.insert(Kind::Switch, KindCount { objects: 7, unreadable: 0 });
    World {
        fabrics: vec![fabric],
        events: vec![updated(3, "Switch/default/leaf-01")],
        objects,
        me: None,
        broken: None,
    }
}

/// Somebody who administers everything.
pub(crate) fn admin() -> Me {
    Me {
        name: "ann".into(),
        role: "admin everywhere".into(),
        expires_ms: Some(NOW + 3_600_000),
        may_settings: true,
        may_audit: true,
    }
}

/// A fabric that never answered.
pub(crate) fn disconnected() -> World {
    let mut fabric = summary(Connectivity::Disconnected);
    fabric.state.cause = Some(Cause::Unauthorized);
    fabric.state.reason =
        Some("the API server refuses the credentials (401); check the token".into());
    fabric.state.next_try = Some(NOW + 3_000);
    for &kind in Kind::ALL {
        fabric.watches.insert(
            kind,
            watch(WatchState::Retrying, Some("the API server refuses the credentials (401)")),
        );
    }
    World { fabrics: vec![fabric], ..World::default() }
}

/// The connected fabric, but VPCs may not be read.
pub(crate) fn forbidden() -> World {
    let mut world = connected();
    let fabric = &mut world.fabrics[0];
    fabric.state.state = Connectivity::Degraded;
    fabric.watches.insert(
        Kind::Vpc,
        watch(WatchState::Forbidden, Some("may not list vpcs; grant it list and watch")),
    );
    fabric.counts.remove(&Kind::Vpc);
    world
}

pub(crate) fn switch(name: &str) -> Value {
    json!({
        "apiVersion": "wiring.githedgehog.com/v1beta1",
        "kind": "Switch",
        "metadata": {
            "name": name, "namespace": "default", "uid": "u-1", "generation": 5, "resourceVersion": "77",
            "creationTimestamp": "2026-11-20T10:00:00Z", "labels": { "zone": "a" },
        },
        "spec": { "role": "server-leaf", "asn": 65101, "profile": "vs", "description": "on" },
    })
}

pub(crate) fn updated(id: u64, subject: &str) -> Event {
    Event {
        specversion: "1.0".into(),
        id: id.to_string(),
        source: "/fabrics/demo".into(),
        kind: EventType::Updated,
        subject: Some(subject.into()),
        time: "2026-11-23T23:43:15Z".into(),
        data: EventData {
            link: None,
            severity: Severity::Info,
            message: format!("{subject} updated"),
            version: Some("77".into()),
            manager: Some("kubectl".into()),
            changes: vec![FieldChange {
                pointer: "/spec/asn".into(),
                from: Some(json!(65100)),
                to: Some(json!(65101)),
            }],
            truncated: 0,
            after_gap: false,
            after_downtime: false,
        },
    }
}

impl World {
    pub(crate) fn backend(self) -> Arc<dyn Backend> {
        Arc::new(self)
    }

    fn fabric(&self, fabric: &FabricId) -> Result<FabricSummary, ApiError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let found = self.fabrics.iter().find(|known| known.id == *fabric).cloned();
        found.ok_or_else(|| ApiError::NoFabric { fabric: fabric.to_string() })
    }

    fn row(kind: Kind, object: &Value) -> Row {
        Row { cells: columns::cells(kind, object), ..Row::default() }
    }
}

#[async_trait]
impl Backend for World {
    async fn overview(&self) -> Result<Overview, ApiError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let part = FeedPart { at: Cursor("e1".into(), 9), events: self.events.clone() };
        let feeds = self.fabrics.iter().map(|fabric| (fabric.id.clone(), part.clone())).collect();
        Ok(Overview { now_ms: NOW, fabrics: self.fabrics.clone(), feeds, me: self.me.clone() })
    }

    async fn list(&self, fabric: FabricId, kind: Kind, _: ListQuery) -> Result<ListPage, ApiError> {
        let fabric = self.fabric(&fabric)?;
        let known = fabric.counts.contains_key(&kind);
        let of_kind = self.objects.iter().filter(|((of, _), _)| *of == kind);
        let rows: Vec<_> = of_kind
            .map(|((_, key), object)| ListRow {
                key: key.clone(),
                uid: "u-1".into(),
                version: 40,
                row: Self::row(kind, object),
            })
            .collect();
        let total = known.then_some(rows.len());
        Ok(ListPage {
            now_ms: NOW,
            fabric,
            kind,
            at: cursor(),
            total,
            matched: total,
            rows,
            partial: false,
            bad_query: None,
        })
    }

    async fn object(
        &self,
        fabric: FabricId,
        kind: Kind,
        key: ObjectKey,
    ) -> Result<ObjectPage, ApiError> {
        let summary = self.fabric(&fabric)?;
        let found = self.objects.get(&(kind, key.clone()));
        let item =
            found.map(|object| Item { k: key.to_string(), uid: None, v: 40, o: object.clone() });
        let object = ObjectRef { kind, key: key.clone() };
        let subject = object.to_string();
        Ok(ObjectPage {
            now_ms: NOW,
            fabric: summary,
            at: cursor(),
            row: found.map(|object| Self::row(kind, object)),
            item,
            relations: self.relations(fabric, kind, key).await?,
            history: self
                .events
                .iter()
                .rev()
                .filter(|event| event.subject.as_ref() == Some(&subject))
                .cloned()
                .collect(),
            object,
        })
    }

    async fn relations(&self, _: FabricId, _: Kind, _: ObjectKey) -> Result<Relations, ApiError> {
        let edge = |kind, name: &str, presence| Edge {
            field: "/spec/profile".into(),
            object: ObjectRef { kind, key: key(name) },
            part: None,
            presence,
        };
        Ok(Relations {
            unreadable: None,
            needs: vec![edge(Kind::SwitchProfile, "vs", Presence::Absent)],
            needed_by: vec![edge(Kind::Connection, "c-1", Presence::Present)],
            unknown: vec![Kind::Gateway],
        })
    }
}
