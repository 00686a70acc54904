//! The switches of a fabric with what each waits for.
//!
//! Invariant: where no switch was listed, nothing is said about their number.

use domain::{kind::Kind, object::ObjectKey, topic::FabricId};
use leptos::prelude::*;

use crate::{
    fabrics::Known,
    links,
    ui::{
        moment::Age,
        status::{Status, Tone, readiness_word},
        text::printable,
    },
};

/// The table, or the word that nothing is known.
#[component]
pub fn SwitchesTable(
    /// The fabric.
    fabric: FabricId,
    /// What is known of it.
    known: Memo<Known>,
    /// What time it is.
    now: Signal<i64>,
) -> impl IntoView {
    let keys =
        Memo::new(move |_| known.with(|known| known.readiness.keys().cloned().collect::<Vec<_>>()));
    let is_empty = Memo::new(move |_| keys.with(Vec::is_empty));
    move || {
        if is_empty.get() {
            return view! { <Status tone=Tone::Unknown word="readiness unknown".to_owned()/> }
                .into_any();
        }
        let fabric = fabric.clone();
        let row = move |key: ObjectKey| view! { <Row href=links::object(&fabric, Kind::Switch, &key) key known now/> };
        view! {
            <div class="grid-scroll" data-natural="" tabindex="0" role="region" aria-label="Switches">
                <table class="grid">
                    <thead><tr>
                        <th scope="col">"Switch"</th>
                        <th scope="col">"Readiness"</th>
                        <th scope="col">"Since"</th>
                        <th scope="col">"Reason"</th>
                    </tr></thead>
                    <tbody><For each=move || keys.get() key=Clone::clone children=row/></tbody>
                </table>
            </div>
        }
        .into_any()
    }
}

#[component]
fn Row(href: String, key: ObjectKey, known: Memo<Known>, now: Signal<i64>) -> impl IntoView {
    let name = printable(key.name()).into_owned();
    let text = key.to_string();
    let ready = Memo::new(move |_| known.with(|known| known.readiness.get(&key).cloned()));
    let tone = Signal::derive(move || {
        ready.with(|ready| ready.as_ref().map_or(Tone::Unknown, |ready| ready.state.into()))
    });
    let word = Signal::derive(move || {
        ready
            .with(|ready| ready.as_ref().map_or("unknown", |ready| readiness_word(ready.state)))
            .to_owned()
    });
    let since = move || {
        ready
            .get()
            .and_then(|ready| ready.since)
            .map(|at| view! { <Age at=Signal::stored(at) now/> })
    };
    let reason = move || {
        ready.with(|ready| ready.as_ref().map(|ready| printable(&ready.reason).into_owned()))
    };
    view! {
        <tr data-kind="Switch" data-key=text>
            <td data-col="name"><a href=href>{name}</a></td>
            <td data-col="readiness"><Status tone word filled=true/></td>
            <td data-col="since">{since}</td>
            <td data-col="reason">{reason}</td>
        </tr>
    }
}
