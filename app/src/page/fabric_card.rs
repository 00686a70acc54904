//! A fabric at a glance: is anything wrong, where, since when.
//!
//! Invariant: a figure that was not observed is absent or "–"; nothing is green that was not seen.

use std::collections::BTreeMap;

use domain::{
    kind::Kind,
    object::ObjectKey,
    readiness::Readiness,
    state::{
        Connectivity, FabricState, KindWatch, RecordState, Recording, SwitchReadiness, WatchState,
    },
    topic::FabricId,
};
use leptos::prelude::*;

use crate::{
    fabrics::{Fabrics, Known},
    feeds::Feeds,
    links,
    ui::{
        bar::{Bar, Share},
        card::Part,
        moment::{Age, seconds_until},
        spark::{Spark, buckets},
        status::{Status, Tone, readiness_word},
        text::printable,
    },
};

/// The card of a fabric.
#[component]
pub fn FabricCard(
    /// The fabric.
    fabric: FabricId,
    /// What time it is.
    now: Signal<i64>,
    /// Whether its name is the heading of the page already.
    #[prop(optional)]
    untitled: bool,
    /// Whether it stands among many: it then says how it is and what is wrong, no more.
    #[prop(optional)]
    brief: bool,
) -> impl IntoView {
    let known = Fabrics::expect().watch(fabric.clone());
    let state = Memo::new(move |_| known.with(|known| known.state.clone()));
    let records =
        Memo::new(move |_| known.with(|known| known.records.clone().filter(worth_saying)));
    let tone = Signal::derive(move || {
        state.with(|state| state.as_ref().map_or(Tone::Unknown, |state| state.state.into()))
    });
    let word = Signal::derive(move || {
        state.with(|state| state.as_ref().map_or("unknown", |state| state.state.word()).to_owned())
    });
    let heading = if untitled {
        view! { <h2>"Connectivity"</h2> }.into_any()
    } else {
        view! { <h2><a class="mono" href=links::fabric(&fabric)>{fabric.to_string()}</a></h2> }
            .into_any()
    };
    let since = move || {
        state.get().map(|state| {
            // "for now" would be a promise.
            let word = move || if now.get() - state.since < 1_000 { " since " } else { " for " };
            view! { <span class="muted small">{word}<Age at=Signal::stored(state.since) now/></span> }
        })
    };
    let readiness = Memo::new(move |_| known.with(|known| known.readiness.clone()));
    let name = fabric.to_string();
    let (watches, activity) = if brief {
        (view! { <Tally known/> }.into_any(), None)
    } else {
        let watches = view! { <Watches fabric=fabric.clone() known/> }.into_any();
        let activity = view! { <Activity fabric state now/> }.into_any();
        (watches, Some(view! { <Part title="Events per minute">{activity}</Part> }))
    };
    let is_quiet = move |state: &FabricState| brief && state.state == Connectivity::Connected;
    view! {
        <article class="card" data-fabric=name data-tone=move || tone.get().name()
            data-connectivity=move || word.get() data-brief=brief.then_some("")>
            <div class="card-head">
                {heading}
                <span><Status tone word filled=true/>{since}</span>
            </div>
            {move || state.get().filter(|state| !is_quiet(state)).map(|state| view! { <Reasons state now/> })}
            {move || records.get().map(|records| view! { <Records records now/> })}
            <Part title="Switches"><SwitchBar readiness/></Part>
            <Part title="Kinds">{watches}</Part>
            {activity}
        </article>
    }
}

/// Address, and why it is not connected and what comes next.
#[component]
fn Reasons(state: FabricState, now: Signal<i64>) -> impl IntoView {
    let address = format!("{}{}", printable(&state.server), version(&state));
    let reason = state.reason.as_deref().map(|reason| printable(reason).into_owned());
    let next_try = state.next_try;
    let next = move || next_try.map(|at| next_text(at, now.get()));
    let last = state.last_answer.filter(|_| state.state != Connectivity::Connected);
    let next = next_try.map(|_| view! { <span>{next}</span> });
    let last = last.map(
        |at| view! { <span>"last answer "<Age at=Signal::stored(at) now sentence=true/></span> },
    );
    view! {
        <p class="fabric-address">{address}</p>
        {reason.map(|reason| view! { <p class="reason">{reason}</p> })}
        <p class="muted fabric-next">{next}{last}</p>
    }
}

/// Recording is a matter of course; what is worth a word is that it does not happen here.
fn worth_saying(records: &RecordState) -> bool {
    matches!(records.state, Recording::Failing | Recording::Elsewhere) || records.unrecorded > 0
}

/// That the history is not recorded, and why; or what of it is missing.
#[component]
fn Records(records: RecordState, now: Signal<i64>) -> impl IntoView {
    let failing = records.state == Recording::Failing;
    let reason = records.reason.as_deref().map(|reason| printable(reason).into_owned());
    let missing = (records.unrecorded > 0).then(|| {
        let n = records.unrecorded;
        view! { <p class="muted small">{format!("{n} observations of this run are not in the history")}</p> }
    });
    let begun = records.since;
    // "for now" would be a promise.
    let word = move || if now.get() - begun < 1_000 { " since " } else { " for " };
    let since = failing.then(|| view! { {word}<Age at=Signal::stored(begun) now/> });
    view! {
        <div data-records=records.state.word()>
            <p class=if failing { "reason" } else { "muted small" }>
                "History "{records.state.word()}{since}{reason.map(|reason| format!(": {reason}"))}
            </p>
            {missing}
        </div>
    }
}

/// When the next attempt is due; one that is due is under way.
fn next_text(at: i64, now: i64) -> String {
    match seconds_until(at, now) {
        0 => "trying now".to_owned(),
        seconds => format!("next try in {seconds} s"),
    }
}

fn version(state: &FabricState) -> String {
    state.version.as_deref().map(|version| format!(" · {}", printable(version))).unwrap_or_default()
}

/// Switches by readiness, in display order.
pub(super) fn shares(readiness: &BTreeMap<ObjectKey, SwitchReadiness>) -> Vec<Share> {
    const ORDER: [Readiness; 6] = [
        Readiness::Ready,
        Readiness::Applying,
        Readiness::Converging,
        Readiness::Silent,
        Readiness::Stuck,
        Readiness::Unknown,
    ];
    let count = |state| readiness.values().filter(|ready| ready.state == state).count();
    ORDER
        .into_iter()
        .map(|state| Share { tone: state.into(), word: readiness_word(state), count: count(state) })
        .collect()
}

/// `5 of 7 ready`; absent where nothing is known of any switch.
fn ready_text(readiness: &BTreeMap<ObjectKey, SwitchReadiness>) -> Option<String> {
    let count = |is: Readiness| readiness.values().filter(|ready| ready.state == is).count();
    let (ready, unknown) = (count(Readiness::Ready), count(Readiness::Unknown));
    (unknown < readiness.len()).then(|| format!("{ready} of {} ready", readiness.len()))
}

/// How many switches are ready, drawn.
#[component]
pub fn SwitchBar(
    /// Readiness of each switch.
    readiness: Memo<BTreeMap<ObjectKey, SwitchReadiness>>,
) -> impl IntoView {
    move || match readiness.with(ready_text) {
        Some(text) => view! {
            <p class="big">{text}</p>
            <Bar shares=Signal::derive(move || readiness.with(shares))/>
        }
        .into_any(),
        None => {
            view! { <Status tone=Tone::Unknown word="readiness unknown".to_owned()/> }.into_any()
        }
    }
}

/// What a watch badge says when pointed at.
pub(super) fn watch_title(kind: Kind, watch: &KindWatch) -> String {
    let mut title = format!("{}: {}", kind.about().label, watch.state.word());
    for part in [watch.reason.as_deref(), watch.namespace.as_deref()].into_iter().flatten() {
        title.push_str(", ");
        title.push_str(&printable(part));
    }
    title
}

/// A badge per kind: watch state and number of objects.
#[component]
fn Watches(fabric: FabricId, known: Memo<Known>) -> impl IntoView {
    let kinds =
        Memo::new(move |_| known.with(|known| known.watches.keys().copied().collect::<Vec<_>>()));
    let badge = move |kind: Kind| {
        let watch = Memo::new(move |_| known.with(|known| known.watches.get(&kind).cloned()));
        let count = move || {
            known.with(|known| {
                known
                    .counts
                    .get(&kind)
                    .map_or_else(|| "–".to_owned(), |count| count.objects.to_string())
            })
        };
        let tone = move || {
            watch.with(|watch| watch.as_ref().map_or(Tone::Unknown, |watch| watch.state.into()))
        };
        let word = move || {
            watch.with(|watch| watch.as_ref().map_or("unknown", |watch| watch.state.word()))
        };
        let title =
            move || watch.with(|watch| watch.as_ref().map(|watch| watch_title(kind, watch)));
        view! {
            <a class="watch" href=links::list(&fabric, kind) data-kind=kind.about().name data-watch=word title=title data-tone=move || tone().name()>
                <span class="tone-shape shape" data-tone=move || tone().name() aria-hidden="true">{move || tone().shape()}</span>
                <span>{kind.about().name}</span>
                <span class="count">{count}</span>
                <span class="hidden-text">{word}</span>
            </a>
        }
    };
    view! {
        <Show when=move || kinds.with(Vec::is_empty)>
            <Status tone=Tone::Unknown word="no watch was started yet".to_owned()/>
        </Show>
        <div class="watches"><For each=move || kinds.get() key=|kind| *kind children=badge/></div>
    }
}

/// States of watches in display order, the worst first.
const WATCHES: [WatchState; 7] = [
    WatchState::Forbidden,
    WatchState::Retrying,
    WatchState::Starting,
    WatchState::Listing,
    WatchState::Paused,
    WatchState::Missing,
    WatchState::Live,
];

/// How many watches are in which state.
#[component]
fn Tally(known: Memo<Known>) -> impl IntoView {
    let words = move || {
        let count = |state: WatchState| {
            let count = known
                .with(|known| known.watches.values().filter(|watch| watch.state == state).count());
            let word = format!("{count} {}", state.word());
            (count > 0).then(|| view! { <Status tone=Tone::from(state) word/> })
        };
        WATCHES.into_iter().filter_map(count).collect_view()
    };
    view! { <div class="bar-legend">{words}</div> }
}

/// Whether the absence of events means that nothing happened.
fn is_watching(state: Option<&FabricState>) -> bool {
    state.is_some_and(|state| {
        matches!(state.state, Connectivity::Connected | Connectivity::Degraded)
    })
}

/// Events per minute, as far as they were seen.
#[component]
fn Activity(fabric: FabricId, state: Memo<Option<FabricState>>, now: Signal<i64>) -> impl IntoView {
    let feeds = Feeds::expect().all();
    let drawn = Memo::new(move |_| {
        let now = now.get();
        feeds.with(|feeds| {
            let feed = feeds.get(&fabric)?;
            Some(buckets(feed.times(), feed.since()?, now))
        })
    });
    let watching = Memo::new(move |_| {
        state.with(|state| is_watching(state.as_ref())) && drawn.with(Option::is_some)
    });
    move || {
        if watching.get() {
            let buckets = Signal::derive(move || drawn.get().unwrap_or_default());
            view! { <Spark buckets/> }.into_any()
        } else {
            view! { <p class="muted small">"not observed"</p> }.into_any()
        }
    }
}
