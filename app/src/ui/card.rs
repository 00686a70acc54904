//! A card and its parts: one thing, framed.

use leptos::prelude::*;

/// A titled part of a card or page.
#[component]
pub fn Part(
    /// Heading.
    #[prop(into)]
    title: String,
    /// Content.
    children: Children,
) -> impl IntoView {
    view! { <div class="card-part"><h3>{title}</h3>{children()}</div> }
}

/// A card with a heading of the second level.
#[component]
pub fn Card(
    /// Heading.
    #[prop(into)]
    title: String,
    /// Content.
    children: Children,
) -> impl IntoView {
    view! {
        <section class="card">
            <div class="card-head"><h2>{title}</h2></div>
            {children()}
        </section>
    }
}
