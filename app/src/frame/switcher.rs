//! The fabric switcher: where one is, and how the others are.

use domain::topic::FabricId;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use super::pill::{tone, word};
use crate::{
    browser,
    fabrics::Fabrics,
    links::{self, Place},
    ui::status::{Shape, Status},
};

/// Button and list of the fabrics.
#[component]
pub fn Switcher() -> impl IntoView {
    view! {
        <button type="button" class="switcher" popovertarget="fabrics" aria-label="Fabrics">
            <Suspense fallback=|| view! { <span class="name">"Fabrics"</span> }>{move || Suspend::new(async move {
                Fabrics::expect().ready().await.map(|_| view! { <Here/> }).ok()
            })}</Suspense>
            <span aria-hidden="true">"▾"</span>
        </button>
        <div class="pop" data-side="start" id="fabrics" popover="auto" role="dialog" aria-label="Fabrics" on:click=move |_| browser::close_popover("fabrics")>
            <Suspense>{move || Suspend::new(async move {
                Fabrics::expect().ready().await.map(|_| view! { <List/> }).ok()
            })}</Suspense>
        </div>
    }
}

#[component]
fn Here() -> impl IntoView {
    let (fabrics, path) = (Fabrics::expect(), use_location().pathname);
    let here =
        Memo::new(move |_| Place::of(&path.get()).fabric.filter(|fabric| fabrics.has(fabric)));
    let known = Memo::new(move |_| here.get().map(|fabric| fabrics.known(&fabric)));
    move || {
        match here.get() {
        Some(fabric) => view! {
            <Shape
                tone=Signal::derive(move || known.with(|known| known.as_ref().map_or(super::pill::tone(&crate::fabrics::Known::default()), tone)))
                word=Signal::derive(move || known.with(|known| known.as_ref().map(word).unwrap_or_default()))/>
            <span class="name mono">{fabric.to_string()}</span>
        }
        .into_any(),
        None => view! { <span class="name">"All fabrics"</span> }.into_any(),
    }
    }
}

#[component]
fn List() -> impl IntoView {
    let (fabrics, path) = (Fabrics::expect(), use_location().pathname);
    let row = move |fabric: FabricId| {
        let known = fabrics.watch(fabric.clone());
        let name = fabric.to_string();
        // The same list in the other fabric, where one is at a list.
        let href = move || match Place::of(&path.get()).kind {
            Some(kind) => links::list(&fabric, kind),
            None => links::fabric(&fabric),
        };
        view! {
            <li>
                <a class="pop-link" href=href>
                    <span class="mono">{name}</span>
                    <Status tone=Signal::derive(move || known.with(tone)) word=Signal::derive(move || known.with(word))/>
                </a>
            </li>
        }
    };
    view! {
        <ul class="pop-list">
            <li><a class="pop-link" href="/">"All fabrics"</a></li>
            <For each=move || fabrics.ids() key=Clone::clone children=row/>
        </ul>
    }
}
