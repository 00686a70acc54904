//! The page of this name (skeleton).

use leptos::prelude::*;

/// The page.
#[component]
pub fn FabricPage() -> impl IntoView {
    view! { <main></main> }.into_any()
}
