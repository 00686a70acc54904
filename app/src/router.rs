//! The routes, and the component that both ends start from.
//!
//! Invariant: a route names a page; what the page shows is decided there.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    path,
};

use crate::frame::Frame;
use crate::office::OfficePage;
use crate::page::{
    fabric::FabricPage, list::ListView, missing::Missing, object::ObjectView,
    overview::OverviewPage,
};

/// The whole app. The server renders it inside [`crate::shell()`], the browser wakes it up in `body`.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Frame><Routes fallback=|| view! { <Missing what="page"/> }>
                <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric") view=FabricPage ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric/:plural") view=ListView ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric/:plural/:namespace/:name") view=ObjectView ssr=SsrMode::Async/>
                <Route path=path!("/settings/*any") view=OfficePage ssr=SsrMode::Async/>
                <Route path=path!("/account/*any") view=OfficePage ssr=SsrMode::Async/>
                <Route path=path!("/audit/*any") view=OfficePage ssr=SsrMode::Async/>
            </Routes></Frame>
        </Router>
    }
}
