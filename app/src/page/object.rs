//! The page of this name (skeleton).

use leptos::prelude::*;

/// The page.
#[component]
pub fn ObjectView() -> impl IntoView {
    view! { <main></main> }.into_any()
}
