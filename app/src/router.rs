//! The routes, and the component that both ends start from.
//!
//! Invariant: a route names a page; what the page shows is decided there.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::{
    SsrMode,
    components::{Route, Router, Routes},
    hooks::use_location,
    path,
};

use crate::{
    frame::Frame,
    links, office,
    page::{
        fabric::FabricPage, list::ListView, missing::Missing, object::ObjectView,
        overview::OverviewPage,
    },
};

/// The whole app. The server renders it inside [`crate::shell()`], the browser wakes it up in `body`.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    view! {
        <Router>
            <Frame><Routes fallback=elsewhere>
                <Route path=path!("/") view=OverviewPage ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric") view=FabricPage ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric/:plural") view=ListView ssr=SsrMode::Async/>
                <Route path=path!("/f/:fabric/:plural/:namespace/:name") view=ObjectView ssr=SsrMode::Async/>
            </Routes></Frame>
        </Router>
    }
}

/// What is no route: an office page, or nothing. No routes of their own for those: each route is
/// kilobytes of code in the browser, and what they show the browser does not know.
fn elsewhere() -> AnyView {
    if links::is_office(&use_location().pathname.get_untracked()) {
        office::page()
    } else {
        view! { <Missing what="page"/> }.into_any()
    }
}
