//! What an object needs and what needs it.
//!
//! Invariant: "absent" is only said where the kind is live; a list that may lack something says so.

use domain::{
    object::ObjectRef,
    report::{Edge, Presence, Relations},
    topic::FabricId,
};
use leptos::prelude::*;

use crate::{
    api::read_relations,
    feeds::fabric_of,
    links,
    live::Live,
    ui::{
        card::{Card, Part},
        status::{Shape, Tone},
        text::printable,
    },
};

/// Relations of an object, read anew after events of its fabric, at most once a second.
pub fn relations(fabric: &FabricId, object: ObjectRef, told: Relations) -> Memo<Relations> {
    let reread = {
        let fabric = fabric.clone();
        Action::new(move |(): &()| read_relations(fabric.clone(), object.kind, object.key.clone()))
    };
    reread_on_events(fabric.clone(), reread);
    Memo::new(move |_| match reread.value().get() {
        Some(Ok(relations)) => relations,
        _ => told.clone(),
    })
}

/// Shows what an object needs and what needs it.
#[component]
pub fn RelationsCard(
    /// The fabric.
    fabric: FabricId,
    /// Both ways.
    relations: Memo<Relations>,
) -> impl IntoView {
    let fabric = StoredValue::new(fabric);
    let needs = move || {
        fabric.with_value(|fabric| relations.with(|relations| edges(fabric, &relations.needs)))
    };
    let needed_by = move || {
        fabric.with_value(|fabric| relations.with(|relations| edges(fabric, &relations.needed_by)))
    };
    let unknown = move || relations.with(unknown_text);
    view! {
        <Card title="Relations">
            <Part title="Needs">{needs}</Part>
            <Part title="Needed by">
                {needed_by}
                {move || unknown().map(|text| view! { <p class="muted">{text}</p> })}
            </Part>
        </Card>
    }
}

/// Marks the relations as old with each event of the fabric, and reads them with the next tick of the clock.
fn reread_on_events(fabric: FabricId, reread: Action<(), Result<Relations, crate::api::ApiError>>) {
    let (live, old) = (Live::expect(), StoredValue::new(false));
    live.on_event(move |topic, event| {
        if event.subject.is_some() && fabric_of(topic).as_ref() == Some(&fabric) {
            old.set_value(true);
        }
    });
    Effect::new(move |_| {
        live.now().track();
        if old.get_value() && !reread.pending().get_untracked() {
            old.set_value(false);
            reread.dispatch(());
        }
    });
}

fn unknown_text(relations: &Relations) -> Option<String> {
    let kinds: Vec<_> = relations.unknown.iter().map(|kind| kind.about().label).collect();
    (!kinds.is_empty()).then(|| format!("○ not known for: {}", kinds.join(", ")))
}

const fn presence(presence: Presence) -> (Tone, &'static str) {
    match presence {
        Presence::Present => (Tone::Ok, "present"),
        Presence::Absent => (Tone::Error, "absent"),
        Presence::Unknown => (Tone::Unknown, "unknown"),
    }
}

fn edges(fabric: &FabricId, edges: &[Edge]) -> AnyView {
    if edges.is_empty() {
        return view! { <p class="muted">"–"</p> }.into_any();
    }
    let edge = |edge: &Edge| {
        let (tone, word) = presence(edge.presence);
        let name = printable(&edge.object.key.to_string()).into_owned();
        let part = edge.part.as_deref().map(|part| format!(" · {}", printable(part)));
        let absent = (edge.presence != Presence::Present).then(|| format!(" {word}"));
        view! {
            <li data-presence=word>
                <Shape tone word=word.to_owned()/>
                <span>{edge.object.kind.about().name}" "<a class="mono" href=links::reference(fabric, &edge.object)>{name}</a>{part}{absent}</span>
                <span class="field">{printable(&edge.field).into_owned()}</span>
            </li>
        }
    };
    view! { <ul class="edges">{edges.iter().map(edge).collect_view()}</ul> }.into_any()
}
