//! The kinds of a fabric with the state of their watches.
//!
//! Invariant: a kind that was not listed has no number.

use domain::{kind::Kind, state::KindWatch, topic::FabricId};
use leptos::prelude::*;

use super::fabric_card::watch_title;
use crate::{
    fabrics::Known,
    links,
    ui::{
        moment::Age,
        status::{Status, Tone},
        text::printable,
    },
};

/// The table.
#[component]
pub fn KindsTable(
    /// The fabric.
    fabric: FabricId,
    /// What is known of it.
    known: Memo<Known>,
    /// What time it is.
    now: Signal<i64>,
) -> impl IntoView {
    let kinds =
        Memo::new(move |_| known.with(|known| known.watches.keys().copied().collect::<Vec<_>>()));
    let row = move |kind: Kind| view! { <Row kind href=links::list(&fabric, kind) known now/> };
    view! {
        <div class="grid-scroll" data-natural="" tabindex="0" role="region" aria-label="Kinds">
            <table class="grid">
                <thead><tr>
                    <th scope="col">"Kind"</th>
                    <th scope="col">"Watch"</th>
                    <th scope="col" data-form="number">"Objects"</th>
                    <th scope="col">"Since"</th>
                    <th scope="col">"Reason"</th>
                </tr></thead>
                <tbody><For each=move || kinds.get() key=|kind| *kind children=row/></tbody>
            </table>
        </div>
    }
}

#[component]
fn Row(kind: Kind, href: String, known: Memo<Known>, now: Signal<i64>) -> impl IntoView {
    let watch = Memo::new(move |_| known.with(|known| known.watches.get(&kind).cloned()));
    let tone = Signal::derive(move || {
        watch.with(|watch| watch.as_ref().map_or(Tone::Unknown, |watch| watch.state.into()))
    });
    let word = Signal::derive(move || {
        watch.with(|watch| watch.as_ref().map_or("unknown", |watch| watch.state.word())).to_owned()
    });
    let count = move || {
        known.with(|known| {
            known
                .counts
                .get(&kind)
                .map_or_else(|| "–".to_owned(), |count| count.objects.to_string())
        })
    };
    let since =
        move || watch.get().map(|watch| view! { <Age at=Signal::stored(watch.since) now/> });
    let title = move || watch.with(|watch| watch.as_ref().map(|watch| watch_title(kind, watch)));
    view! {
        <tr>
            <td data-col="name"><a href=href>{kind.about().name}</a></td>
            <td data-col="watch"><span data-kind=kind.about().name data-watch=move || word.get() title=title><Status tone word filled=true/></span></td>
            <td data-col="objects" data-form="number">{count}</td>
            <td data-col="since">{since}</td>
            <td data-col="reason">{move || watch.with(|watch| watch.as_ref().map(reason))}</td>
        </tr>
    }
}

fn reason(watch: &KindWatch) -> String {
    let namespace = watch
        .namespace
        .as_deref()
        .map(|namespace| format!("namespace {} only", printable(namespace)));
    let reason = watch.reason.as_deref().map(|reason| printable(reason).into_owned());
    [reason, namespace].into_iter().flatten().collect::<Vec<_>>().join("; ")
}
