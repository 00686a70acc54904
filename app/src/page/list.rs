//! The list of a kind: `/f/{fabric}/{plural}`, rendered by the server, live afterwards.
//!
//! One page for all kinds: what differs comes from the table of columns.
//!
//! Invariant: every figure rests on an observation; loading is never shown as empty.

use domain::{kind::Kind, report::ListPage, topic::FabricId};
use leptos::{either::Either, prelude::*};
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::missing::Missing;
use crate::{
    answer::set_status,
    api::{ApiError, read_list},
    codec::Lean,
    links,
    live::Live,
    ui::panel::{Panel, PanelState},
};

mod ask;
mod grid;
mod row;
mod rows;
mod span;
mod standing;
mod walk;

use ask::{Ask, Toolbar};
use grid::Grid;
use row::Shared;
use rows::{Rows, Tally};
use standing::{Standing, count_text, partial_text, pending_text, stale_text};

/// The page: finds the kind in the address.
#[component]
pub fn ListView() -> impl IntoView {
    let params = use_params_map();
    let place = Memo::new(move |_| {
        params.with(|params| {
            let fabric: FabricId = params.get_str("fabric")?.parse().ok()?;
            Some((fabric, Kind::from_plural(params.get_str("plural")?)?))
        })
    });
    move || match place.get() {
        Some((fabric, kind)) => view! { <KindList fabric kind/> }.into_any(),
        None => view! { <Missing what="list"/> }.into_any(),
    }
}

/// Asks the server once; afterwards the link tells.
#[component]
fn KindList(
    /// Which fabric.
    fabric: FabricId,
    /// Which kind.
    kind: Kind,
) -> impl IntoView {
    let ask = Ask::new();
    let title = format!("{} · {fabric}", kind.about().label);
    let page: Resource<_, Lean> = Resource::new_with_options(
        || (),
        move |()| read_list(fabric.clone(), kind, ask.asked.get_untracked()),
        true,
    );
    let waiting = move || {
        let title = format!("Waiting for the {}", kind.about().label);
        view! { <Panel state=PanelState::Loading title/> }
    };
    view! {
        <Title text=title/>
        <Suspense fallback=waiting>
            {move || page.get().map(|page| match page {
                Ok(page) => view! { <ListBody page ask/> }.into_any(),
                Err(error) => view! { <Failed error/> }.into_any(),
            })}
        </Suspense>
    }
}

/// The server could not say.
#[component]
fn Failed(
    /// Why.
    error: ApiError,
) -> impl IntoView {
    if let ApiError::NoFabric { .. } = error {
        return view! { <Missing what="fabric"/> }.into_any();
    }
    set_status(500);
    view! {
        <div class="page">
            <h1>"List"</h1>
            <Panel state=PanelState::Error title="The list cannot be shown"><p>{error.to_string()}</p></Panel>
        </div>
    }
    .into_any()
}

/// The list, as the server wrote it and as it goes on.
#[component]
fn ListBody(
    /// What the server said.
    page: ListPage,
    /// The query.
    ask: Ask,
) -> impl IntoView {
    let (kind, fabric, live) = (page.kind, page.fabric.id.clone(), Live::expect());
    let rows = Rows::new(&page, ask.asked);
    let tally = rows.tally();
    let standing = rows.standing(tally);
    let (now, first_now) = (live.now(), page.now_ms);
    let shared = Shared {
        rows,
        fabric: StoredValue::new(fabric.clone()),
        namespaces: Memo::new(move |_| tally.with(|tally| tally.namespaces)),
        now: Signal::derive(move || now.get().unwrap_or(first_now)),
    };
    let columns = RwSignal::new(ask.asked.with_untracked(|asked| !asked.columns.is_empty()));
    let filled = Memo::new(move |_| standing.with(|standing| *standing == Standing::Rows));
    view! {
        <div class="page" data-fill="">
            <ListHead fabric kind rows/>
            <Toolbar ask problem=rows.problem() columns><Counts rows tally/></Toolbar>
            <StaleLine rows tally/>
            {move || if filled.get() {
                Either::Left(view! { <Grid shared tally ask fields=columns.into()/> })
            } else {
                Either::Right(view! { <Instead kind standing ask/> })
            }}
        </div>
    }
}

/// Where this is, and how its watch does.
#[component]
fn ListHead(
    /// Which fabric.
    fabric: FabricId,
    /// Which kind.
    kind: Kind,
    /// The rows.
    rows: Rows,
) -> impl IntoView {
    let watch = rows.watch();
    let state = Memo::new(move |_| watch.with(|watch| watch.as_ref().map(|watch| watch.state)));
    let word = move || state.get().map_or("unknown", domain::state::WatchState::word);
    let tone =
        Signal::derive(move || state.get().map_or(crate::ui::status::Tone::Unknown, Into::into));
    let reason = move || {
        watch.with(|watch| {
            watch.as_ref().and_then(|watch| {
                Some(crate::ui::text::printable(watch.reason.as_ref()?).into_owned())
            })
        })
    };
    view! {
        <nav class="crumbs" aria-label="Breadcrumbs">
            <ol>
                <li><a href="/">"Overview"</a></li>
                <li><a href=links::fabric(&fabric)>{fabric.to_string()}</a></li>
                <li aria-current="page">{kind.about().label}</li>
            </ol>
        </nav>
        <div class="page-head">
            <h1>{kind.about().label}</h1>
            <span data-kind=kind.about().name data-watch=word title=reason>
                <crate::ui::status::Status tone word=Signal::derive(move || word().to_owned())/>
            </span>
        </div>
    }
}

/// How many rows match, and what a held order hides.
#[component]
fn Counts(
    /// The rows.
    rows: Rows,
    /// Counts.
    tally: Memo<Tally>,
) -> impl IntoView {
    let counted = Memo::new(move |_| tally.with(|tally| count_text(tally.matched, tally.total)));
    let pending = Memo::new(move |_| tally.with(|tally| pending_text(tally.pending)));
    let partial = Memo::new(move |_| tally.with(|tally| partial_text(tally.complete, tally.here)));
    view! {
        <Show when=move || partial.with(Option::is_some)>
            <span class="status" data-tone="progress" data-state="loading">
                <span class="shape" aria-hidden="true">"◐"</span>
                <span>{move || partial.get()}</span>
            </span>
        </Show>
        <Show when=move || pending.with(|pending| !pending.is_empty())>
            <button type="button" class="list-pending" title="Show the new order" on:click=move |_| rows.hold(false)>
                {move || pending.get()}
            </button>
        </Show>
        <span class="grid-count" data-count="" aria-live="polite">{move || counted.get()}</span>
    }
}

/// Says so where the rows may not be true any more.
#[component]
fn StaleLine(
    /// The rows.
    rows: Rows,
    /// Counts.
    tally: Memo<Tally>,
) -> impl IntoView {
    let line = Memo::new(move |_| rows.decide(tally, stale_text));
    view! {
        <Show when=move || line.with(Option::is_some)>
            <p class="status" data-state="stale" data-tone="stale">
                <span class="shape" aria-hidden="true">"◷"</span>
                <span>{move || line.get()}</span>
            </p>
        </Show>
    }
}

/// What stands in place of rows.
#[component]
fn Instead(
    /// Which kind.
    kind: Kind,
    /// Where the list stands.
    standing: Memo<Standing>,
    /// The query.
    ask: Ask,
) -> impl IntoView {
    let label = kind.about().label;
    move || {
        let standing = standing.get();
        let word = standing.word();
        let (title, text, clear) = match standing {
            Standing::Rows => return None,
            Standing::Loading(what) => (format!("Waiting for {what}"), String::new(), false),
            Standing::Empty => (
                format!("No {label} in this cluster"),
                format!(
                    "The watch is live. As soon as one is created it appears here; try `kubectl get {}`.",
                    kind.about().plural
                ),
                false,
            ),
            Standing::NoMatch(number) => (
                "Nothing matches".to_owned(),
                format!(
                    "None of the {} {label} matches the filter.",
                    crate::ui::text::grouped(number)
                ),
                true,
            ),
            Standing::Unknown(word, reason) => {
                (format!("{label} are not known: {word}"), reason, false)
            }
        };
        Some(view! {
            <section class="state-panel" data-state=word>
                <h2>{title}</h2>
                {(!text.is_empty()).then(|| view! { <p>{text}</p> })}
                {clear.then(|| view! { <button type="button" on:click=move |_| ask.clear()>"Show all"</button> })}
            </section>
        })
    }
}
