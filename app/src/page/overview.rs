//! `/`: every fabric at a glance, and what happens.

use leptos::prelude::*;
use leptos_meta::Title;

use super::{clock, fabric_card::FabricCard, failure::Failure, feed_list::FeedList};
use crate::{
    fabrics::{Fabrics, overview},
    feeds::Feeds,
    ui::{
        card::Card,
        panel::{Panel, PanelState},
    },
};

/// Lines of the feed beside the cards.
const LINES: usize = 40;

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
        let card = move |fabric| view! { <FabricCard fabric now/> };
        view! {
            <div class="overview">
                <div class="cards"><For each=move || fabrics.ids() key=Clone::clone children=card/></div>
                <Card title="Live feed"><FeedList most=LINES now fabric=None/></Card>
            </div>
        }
        .into_any()
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
