//! `/`: every fabric at a glance, and what happens.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_location;

use super::{
    clock,
    fabric_card::FabricCard,
    failure::Failure,
    feed_list::FeedList,
    states::{Slot, StateCounts, arrange, wanted},
};
use crate::{
    browser,
    fabrics::{Fabrics, overview},
    feeds::Feeds,
    ui::{
        card::Card,
        panel::{Panel, PanelState},
    },
};

/// Lines of the feed beside the cards.
const LINES: usize = 40;

/// Most fabrics whose cards say everything; of more, each says what one looks for among many.
const FEW: usize = 8;

/// The page.
#[component]
pub fn OverviewPage() -> impl IntoView {
    let page = overview(true);
    let loading = || view! { <Panel state=PanelState::Loading title="Reading the fabrics…"/> };
    let content = move || {
        Suspend::new(async move {
            match (Fabrics::expect().ready().await, page.await) {
                (Ok(_), Ok(overview)) => {
                    Feeds::expect().seed(&overview.feeds, overview.now_ms);
                    view! { <Content read_ms=overview.now_ms/> }.into_any()
                }
                (Err(error), _) | (_, Err(error)) => view! { <Failure error/> }.into_any(),
            }
        })
    };
    view! {
        <Title text="Overview"/>
        <div class="page">
            <h1>"Overview"</h1>
            <Suspense fallback=loading>{content}</Suspense>
        </div>
    }
    .into_any()
}

#[component]
fn Content(read_ms: i64) -> impl IntoView {
    let (fabrics, now) = (Fabrics::expect(), clock(read_ms));
    let is_empty = Memo::new(move |_| fabrics.ids().is_empty());
    move || {
        if is_empty.get() {
            return view! { <NoFabric/> }.into_any();
        }
        view! {
            <div class="overview">
                <Cards fabrics now/>
                <Card title="Live feed"><FeedList most=LINES now fabric=None/></Card>
            </div>
        }
        .into_any()
    }
}

/// The cards, the worst first, and above them how many fabrics are in which state.
#[component]
fn Cards(fabrics: Fabrics, now: Signal<i64>) -> impl IntoView {
    let search = use_location().search;
    let slots = Memo::new(move |before: Option<&Vec<Slot>>| {
        let before = before.map(Vec::as_slice).unwrap_or_default();
        let states = fabrics.ids().into_iter().map(|id| {
            let state = fabrics.connectivity(&id);
            (id, state)
        });
        arrange(before, states, now.get(), browser::is_at(".cards"))
    });
    let shown = move || {
        let wanted = search.with(|search| wanted(search));
        let fits = |slot: &&Slot| wanted.is_none_or(|wanted| slot.state == wanted);
        slots.with(|slots| {
            slots.iter().filter(fits).map(|slot| slot.fabric.clone()).collect::<Vec<_>>()
        })
    };
    let card = move |fabric| {
        let brief = slots.with_untracked(Vec::len) > FEW;
        view! { <FabricCard fabric now brief/> }
    };
    let is_full = move || !shown().is_empty();
    view! {
        <div class="stack">
            <StateCounts slots search/>
            <div class="cards"><For each=shown key=Clone::clone children=card/></div>
            <p class="muted" hidden=is_full>"No fabric is in this state now."</p>
        </div>
    }
}

#[component]
fn NoFabric() -> impl IntoView {
    view! {
        <Panel state=PanelState::Empty title="No fabric to see">
            <p>"Either none is watched yet, or you have no role on one: "<a href="/account" rel="external">"your account"</a>" says which roles you have."</p>
            <p>"Start the server with the kubeconfig of a fabric's API server:"</p>
            <pre tabindex="0"><code>"hnp serve --kubeconfig ~/.kube/config"</code></pre>
            <p>"Or look around in a fabric that is made up:"</p>
            <pre tabindex="0"><code>"hnp demo"</code></pre>
        </Panel>
    }
}
