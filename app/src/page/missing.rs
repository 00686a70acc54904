//! What is shown where there is nothing: no such page, fabric or kind.
//!
//! Invariant: the server answers 404 with it.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::answer::set_status;

/// Says that there is no such thing. `what` is the noun: page, fabric, kind.
#[component]
pub fn Missing(
    /// What there is none of, for example `page`.
    what: &'static str,
    /// Whether it stands below the heading of a page.
    #[prop(optional)]
    nested: bool,
) -> impl IntoView {
    set_status(404);
    let title = format!("There is no such {what}");
    let heading = if nested {
        view! { <h2>{title}</h2> }.into_any()
    } else {
        view! { <h1>{title}</h1> }.into_any()
    };
    view! {
        <Title text="Not found"/>
        <section class="state-panel" data-state="missing">
            {heading}
            <p><A href="/">"Overview"</A></p>
        </section>
    }
    .into_any()
}
