//! The desk: what pages ask, answered from the hub's topics where they lie.
//!
//! Invariant: nothing is answered that was not observed; where nothing was, the answer says so. What the
//! person before the desk may not see does not exist for them.

use std::{collections::BTreeMap, sync::Arc};

use app::{
    api::ApiError,
    backend::Backend,
    table::{self, Line, query::Query},
};
use async_trait::async_trait;
use domain::{
    access::{Action, Subject},
    feed::Event as DomainEvent,
    kind::Kind,
    object::{ObjectKey, ObjectRef},
    references,
    report::{
        EMBEDDED_EVENTS, EMBEDDED_ROWS, Edge, FabricSummary, FeedPart, ListPage, ListQuery,
        ListRow, Me, ObjectPage, Overview, Presence, Relations,
    },
    state::{KindCount, SwitchReadiness, WatchState},
    topic::{FabricId, Topic},
    wire::{Cursor, Item},
};
use engine::{
    clock::now_ms,
    hub::{Hub, keyed::KeyedTopic},
    store::EventQuery,
};
use serde::de::DeserializeOwned;

use crate::{records::Archive, registrar::caller::Caller};

/// Most changes that an object page shows.
const HISTORY: usize = 100;
/// Most edges that an object page lists in each direction.
const MOST_EDGES: usize = 2_000;

/// See the module.
#[derive(Debug, Clone)]
pub struct Desk {
    hub: Arc<Hub>,
    records: Option<Archive>,
    caller: Caller,
}

impl Desk {
    /// A desk before this hub and these records, for somebody.
    pub fn new(hub: Arc<Hub>, records: Option<Archive>, caller: Caller) -> Self {
        Self { hub, records, caller }
    }

    /// The topic of a fabric, if there is such a fabric for who asks.
    fn visible(&self, topic: &Topic) -> Result<Arc<KeyedTopic>, ApiError> {
        let visible = self.caller.viewer().sees(topic);
        let topic_there = visible.then(|| self.hub.keyed(topic)).flatten();
        topic_there.ok_or_else(|| {
            let fabric = topic.fabric().map_or_else(String::new, ToString::to_string);
            ApiError::NoFabric { fabric }
        })
    }

    /// The newest events about an object, newest first: what is held, continued by what is recorded.
    async fn history(&self, fabric: &FabricId, object: &ObjectRef) -> Vec<DomainEvent> {
        let held = self.hub.feed(fabric).map(|feed| feed.about(object.kind, &object.key, HISTORY));
        let mut events: Vec<DomainEvent> =
            held.unwrap_or_default().iter().map(|event| (**event).clone()).collect();
        let Some(records) = &self.records else { return events };
        let query = EventQuery {
            before: events.last().and_then(|oldest| oldest.id.parse().ok()),
            subject: Some(object.to_string()),
            newest_first: true,
            limit: HISTORY.saturating_sub(events.len()),
            ..EventQuery::default()
        };
        if query.limit == 0 {
            return events;
        }
        match records.events(fabric, query).await {
            Ok(older) => {
                events.extend(
                    older.iter().filter_map(|event| serde_json::from_str(&event.text).ok()),
                );
            }
            // The page says by the fabric's state that records fail.
            Err(error) => tracing::warn!(%fabric, %error, "older events could not be read"),
        }
        events
    }

    fn summary(&self, fabric: &FabricId) -> Result<FabricSummary, ApiError> {
        let topic = self.visible(&Topic::State(fabric.clone()))?;
        let (at, texts) = topic.read(|log| {
            let texts: BTreeMap<Arc<str>, Arc<str>> = log
                .iter()
                .map(|entry| (Arc::clone(&entry.key), Arc::clone(&entry.value.row)))
                .collect();
            (Cursor(log.epoch().to_string(), log.head()), texts)
        });
        let state = read(&texts, "connectivity").ok_or_else(|| ApiError::Internal {
            message: "a fabric without connectivity".to_owned(),
        })?;
        let by_kind = |prefix: &str| {
            Kind::ALL.iter().map(|kind| (*kind, format!("{prefix}/{kind}"))).collect::<Vec<_>>()
        };
        let readiness = texts.iter().filter_map(|(key, text)| {
            Some((key.strip_prefix("readiness/")?.parse().ok()?, parse::<SwitchReadiness>(text)?))
        });
        Ok(FabricSummary {
            id: fabric.clone(),
            at,
            state,
            records: read(&texts, "records"),
            watches: by_kind("watch")
                .into_iter()
                .filter_map(|(kind, key)| Some((kind, read(&texts, &key)?)))
                .collect(),
            counts: by_kind("counts")
                .into_iter()
                .filter_map(|(kind, key)| Some((kind, read::<KindCount>(&texts, &key)?)))
                .collect(),
            readiness: readiness.collect(),
        })
    }

    fn objects(&self, fabric: &FabricId, kind: Kind) -> Result<Arc<KeyedTopic>, ApiError> {
        self.visible(&Topic::Objects(fabric.clone(), kind))
    }

    fn presence(&self, fabric: &FabricId, summary: &FabricSummary, object: &ObjectRef) -> Presence {
        let there = self
            .objects(fabric, object.kind)
            .is_ok_and(|topic| topic.read(|log| log.get(&object.key.to_string()).is_some()));
        let live =
            summary.watches.get(&object.kind).is_some_and(|watch| watch.state == WatchState::Live);
        match (live, there) {
            (false, _) => Presence::Unknown,
            (true, true) => Presence::Present,
            (true, false) => Presence::Absent,
        }
    }

    fn relate(
        &self,
        fabric: &FabricId,
        summary: &FabricSummary,
        object: &ObjectRef,
    ) -> Result<Relations, ApiError> {
        let topic = self.objects(fabric, object.kind)?;
        let (outgoing, unreadable) = topic.read(|log| {
            let entry = log.get(&object.key.to_string());
            let meta = entry.and_then(|entry| entry.value.meta.as_ref());
            (
                meta.map(|meta| meta.references.clone()),
                meta.and_then(|meta| meta.row.unreadable.clone()),
            )
        });
        let mut needs: Vec<Edge> = outgoing
            .unwrap_or_default()
            .into_iter()
            .map(|reference| Edge {
                presence: self.presence(fabric, summary, &reference.to),
                field: reference.field,
                object: reference.to,
                part: reference.part,
            })
            .collect();
        needs.truncate(MOST_EDGES);
        let mut relations =
            Relations { needs, needed_by: Vec::new(), unknown: Vec::new(), unreadable };
        for kind in references::may_be_named_by(object.kind) {
            let watch = summary.watches.get(&kind).map(|watch| watch.state);
            match watch {
                Some(WatchState::Live) => {}
                // Company that the cluster does not serve cannot need anything.
                Some(WatchState::Missing) if !kind.is_primary() => continue,
                _ => relations.unknown.push(kind),
            }
            let presence =
                if watch == Some(WatchState::Live) { Presence::Present } else { Presence::Unknown };
            let topic = self.objects(fabric, kind)?;
            topic.read(|log| {
                let metas = log.iter().filter_map(|entry| entry.value.meta.as_ref());
                for meta in metas {
                    for reference in
                        meta.references.iter().filter(|reference| reference.to == *object)
                    {
                        if relations.needed_by.len() < MOST_EDGES {
                            let from = ObjectRef { kind, key: meta.key.clone() };
                            relations.needed_by.push(Edge {
                                field: reference.field.clone(),
                                object: from,
                                part: reference.part.clone(),
                                presence,
                            });
                        }
                    }
                }
            });
        }
        Ok(relations)
    }
}

#[async_trait]
impl Backend for Desk {
    fn me(&self) -> Option<Me> {
        let may = |action| self.caller.who.may(action, Subject::House);
        Some(Me {
            name: self.caller.user.as_ref()?.to_string(),
            role: self.caller.who.rights.to_string(),
            expires_ms: self.caller.expires_ms,
            may_settings: true,
            may_audit: may(Action::ReadAudit),
        })
    }

    async fn overview(&self) -> Result<Overview, ApiError> {
        let fabrics = self
            .hub
            .fabrics()
            .iter()
            .filter(|fabric| self.caller.who.sees(fabric))
            .map(|fabric| self.summary(fabric))
            .collect::<Result<Vec<_>, _>>()?;
        let feeds = fabrics.iter().filter_map(|fabric| {
            let (at, events) = self.hub.feed(&fabric.id)?.newest(EMBEDDED_EVENTS);
            Some((
                fabric.id.clone(),
                FeedPart { at, events: events.iter().map(|event| (**event).clone()).collect() },
            ))
        });
        Ok(Overview { now_ms: now_ms(), feeds: feeds.collect(), fabrics })
    }

    async fn list(
        &self,
        fabric: FabricId,
        kind: Kind,
        query: ListQuery,
    ) -> Result<ListPage, ApiError> {
        let summary = self.summary(&fabric)?;
        let topic = self.objects(&fabric, kind)?;
        let listed = topic.is_listed();
        let asked = Query::compile(kind, &query);
        let (at, lines) = topic.read(|log| {
            let lines: Vec<(u64, Arc<str>, Line)> = log
                .iter()
                .filter_map(|entry| {
                    let meta = entry.value.meta.as_ref()?;
                    let readiness = summary
                        .readiness
                        .get(&meta.key)
                        .filter(|_| kind == Kind::Switch)
                        .map(|readiness| readiness.state);
                    let line =
                        Line { key: meta.key.clone(), row: Arc::clone(&meta.row), readiness };
                    Some((entry.version, Arc::clone(&entry.value.uid), line))
                })
                .collect();
            (Cursor(log.epoch().to_string(), log.head()), lines)
        });
        let total = lines.len();
        let versions: BTreeMap<ObjectKey, (u64, Arc<str>)> = lines
            .iter()
            .map(|(version, uid, line)| (line.key.clone(), (*version, Arc::clone(uid))))
            .collect();
        let selected =
            table::select(lines.into_iter().map(|(_, _, line)| line), &asked, EMBEDDED_ROWS);
        let rows = selected.first.into_iter().filter_map(|line| {
            let (version, uid) = versions.get(&line.key)?;
            Some(ListRow {
                key: line.key,
                uid: uid.to_string(),
                version: *version,
                row: (*line.row).clone(),
            })
        });
        let known = |n| listed.then_some(n);
        Ok(ListPage {
            now_ms: now_ms(),
            kind,
            at,
            total: known(total),
            matched: known(selected.matched),
            rows: rows.collect(),
            partial: !listed || total > EMBEDDED_ROWS || selected.matched < total,
            bad_query: asked.problem().map(str::to_owned),
            fabric: summary,
        })
    }

    async fn object(
        &self,
        fabric: FabricId,
        kind: Kind,
        key: ObjectKey,
    ) -> Result<ObjectPage, ApiError> {
        let summary = self.summary(&fabric)?;
        let topic = self.objects(&fabric, kind)?;
        let text = key.to_string();
        let (at, entry) = topic
            .read(|log| (Cursor(log.epoch().to_string(), log.head()), log.get(&text).cloned()));
        let item = entry.as_ref().and_then(|entry| {
            let o = serde_json::from_str(&entry.value.full).ok()?;
            Some(Item {
                k: text.clone(),
                uid: Some(entry.value.uid.to_string()),
                v: entry.version,
                o,
            })
        });
        let row = entry.and_then(|entry| entry.value.meta.as_ref().map(|meta| (*meta.row).clone()));
        let object = ObjectRef { kind, key };
        let relations = self.relate(&fabric, &summary, &object)?;
        let history = self.history(&fabric, &object).await;
        Ok(ObjectPage {
            now_ms: now_ms(),
            fabric: summary,
            object,
            at,
            item,
            row,
            relations,
            history,
        })
    }

    async fn relations(
        &self,
        fabric: FabricId,
        kind: Kind,
        key: ObjectKey,
    ) -> Result<Relations, ApiError> {
        let summary = self.summary(&fabric)?;
        self.relate(&fabric, &summary, &ObjectRef { kind, key })
    }
}

fn read<T: DeserializeOwned>(texts: &BTreeMap<Arc<str>, Arc<str>>, key: &str) -> Option<T> {
    parse(texts.get(key)?)
}

fn parse<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}
