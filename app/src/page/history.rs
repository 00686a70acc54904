//! The changes of an object that the server has seen, newest first, as differences.
//!
//! Invariant: an object without seen changes is not said to be unchanged.

use std::{collections::BTreeMap, sync::Arc};

use domain::{feed::Event, topic::FabricId};
use leptos::prelude::*;

use crate::{
    feeds::{Feed, Feeds, time_ms},
    ui::{diff::Diff, moment::Age, text::printable},
};

/// Most changes that are shown; older ones fall out.
const MOST: usize = 100;

/// The history of an object: what the page was told, continued by the fabric's feed.
#[component]
pub fn History(
    /// The fabric.
    fabric: FabricId,
    /// The object as events name it.
    subject: String,
    /// What the page was told, newest first.
    told: Vec<Event>,
    /// What time it is.
    now: Signal<i64>,
) -> impl IntoView {
    let feeds = Feeds::expect().all();
    let told: Vec<Arc<Event>> = told.into_iter().map(Arc::new).collect();
    let changes = Memo::new(move |_| {
        feeds.with(|feeds| {
            let seen = feeds.get(&fabric).into_iter().flat_map(Feed::newest);
            merged(&told, seen.filter(|event| event.subject.as_deref() == Some(&subject)))
        })
    });
    view! {
        <Show when=move || changes.with(Vec::is_empty)>
            <p class="muted">"No change is recorded."</p>
        </Show>
        <ol class="history">
            <For each=move || changes.get() key=|event| event.id.clone() children=move |event| view! { <Change event now/> }/>
        </ol>
    }
}

/// Both lists as one, each event once, newest first.
fn merged<'a>(
    told: &'a [Arc<Event>],
    seen: impl Iterator<Item = &'a Arc<Event>>,
) -> Vec<Arc<Event>> {
    let position = |event: &Arc<Event>| event.id.parse::<u64>().unwrap_or_default();
    let all: BTreeMap<u64, &Arc<Event>> =
        told.iter().chain(seen).map(|event| (position(event), event)).collect();
    all.into_values().rev().take(MOST).cloned().collect()
}

#[component]
fn Change(event: Arc<Event>, now: Signal<i64>) -> impl IntoView {
    let data = &event.data;
    let by = data.manager.as_deref().map(|manager| view! { <span class="muted">"by "<span class="mono">{printable(manager).into_owned()}</span></span> });
    let at = time_ms(&event).map(
        |at| view! { <span class="muted"><Age at=Signal::stored(at) now sentence=true/></span> },
    );
    let gap = data.found_how().map(|how| view! { <span class="muted">{how}</span> });
    view! {
        <li>
            <div class="history-head"><strong>{event.kind.verb()}</strong>{by}{at}{gap}</div>
            <Diff changes=data.changes.clone() truncated=data.truncated/>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use domain::{
        feed::{EventData, EventType},
        state::Severity,
    };

    use super::*;

    fn event(id: u64) -> Arc<Event> {
        Arc::new(Event {
            specversion: "1.0".into(),
            id: id.to_string(),
            source: "/fabrics/demo".into(),
            kind: EventType::Updated,
            subject: Some("VPC/default/a".into()),
            time: "2026-11-23T12:00:00Z".into(),
            data: EventData {
                link: None,
                severity: Severity::Info,
                message: String::new(),
                version: None,
                manager: None,
                changes: Vec::new(),
                truncated: 0,
                after_gap: false,
                after_downtime: false,
            },
        })
    }

    #[test]
    fn told_and_seen_are_merged_without_doubles_newest_first() {
        let told = [event(9), event(4)];
        let seen = [event(12), event(10), event(9)];
        let ids: Vec<_> = merged(&told, seen.iter()).iter().map(|event| event.id.clone()).collect();
        assert_eq!(ids, ["12", "10", "9", "4"]);
    }
}
