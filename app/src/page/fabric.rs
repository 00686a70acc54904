//! `/f/{fabric}`: one fabric in full: connectivity, kinds, switches, feed.

use domain::topic::FabricId;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::{
    clock, fabric_card::FabricCard, failure::Failure, feed_list::FeedList, kinds_table::KindsTable,
    missing::Missing, switches_table::SwitchesTable,
};
use crate::{
    fabrics::{Fabrics, overview},
    feeds::Feeds,
    ui::{
        card::Card,
        panel::{Panel, PanelState},
        text::printable,
    },
};

/// Lines of the feed.
const LINES: usize = 60;

/// The page.
#[component]
pub fn FabricPage() -> impl IntoView {
    let params = use_params_map();
    let name = Memo::new(move |_| params.with(|params| params.get("fabric").unwrap_or_default()));
    let page = overview(true);
    let loading = || view! { <Panel state=PanelState::Loading title="Reading the fabric…"/> };
    let content = move || {
        let fabric = name.get().parse::<FabricId>().ok();
        Suspend::new(async move {
            let read = (Fabrics::expect().ready().await, page.await);
            match (fabric, read) {
                (_, (Err(error), _) | (_, Err(error))) => view! { <Failure error/> }.into_any(),
                (Some(fabric), (Ok(_), Ok(overview))) if Fabrics::expect().has(&fabric) => {
                    Feeds::expect().seed(&overview.feeds, overview.now_ms);
                    view! { <Content fabric read_ms=overview.now_ms/> }.into_any()
                }
                _ => view! { <Missing what="fabric" nested=true/> }.into_any(),
            }
        })
    };
    view! {
        <Title text=move || printable(&name.get()).into_owned()/>
        <div class="page">
            <nav class="crumbs" aria-label="Breadcrumbs"><ol><li><a href="/">"Overview"</a></li></ol></nav>
            <h1 class="mono">{move || printable(&name.get()).into_owned()}</h1>
            <Transition fallback=loading>{content}</Transition>
        </div>
    }
    .into_any()
}

#[component]
fn Content(fabric: FabricId, read_ms: i64) -> impl IntoView {
    let now = clock(read_ms);
    let known = Fabrics::expect().watch(fabric.clone());
    let card = view! { <FabricCard fabric=fabric.clone() now untitled=true/> };
    let switches = view! { <SwitchesTable fabric=fabric.clone() known now/> }.into_any();
    let kinds = view! { <KindsTable fabric=fabric.clone() known now/> }.into_any();
    let feed = view! { <FeedList fabric=Some(fabric) most=LINES now/> }.into_any();
    view! {
        <div class="overview">
            <div class="stack">
                {card}
                <Card title="Switches">{switches}</Card>
                <Card title="Kinds">{kinds}</Card>
            </div>
            <Card title="Live feed">{feed}</Card>
        </div>
    }
}
