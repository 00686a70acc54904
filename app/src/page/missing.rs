//! What is shown where there is nothing: no such page, fabric or kind.
//!
//! Invariant: the server answers 404 with it.

use leptos::prelude::*;
use leptos_router::components::A;

use crate::answer::set_status;

/// Says that there is no such thing. `what` is the noun: page, fabric, kind.
#[component]
pub fn Missing(
    /// What there is none of, for example `page`.
    #[prop(into)]
    what: String,
) -> impl IntoView {
    set_status(404);
    view! {
        <section class="state-panel" data-state="missing">
            <h1>{format!("There is no such {what}")}</h1>
            <p><A href="/">"Overview"</A></p>
        </section>
    }
    .into_any()
}
