//! Who is signed in, the way to their account, and the way out.
//!
//! Invariant: signing out is a form, so that it works without script; where nobody has to sign in, there is nothing here.

use domain::report::Me;
use leptos::prelude::*;

use crate::{fabrics::Fabrics, links, ui::text::printable};

/// The button with the menu.
#[component]
pub fn Account() -> impl IntoView {
    view! {
        <Suspense>{move || Suspend::new(async move {
            Fabrics::expect().ready().await.ok().and_then(|_| Fabrics::expect().me()).map(|me| menu(&me))
        })}</Suspense>
    }
}

fn menu(me: &Me) -> AnyView {
    let name = printable(&me.name).into_owned();
    let initial = name.chars().next().map(|c| c.to_uppercase().to_string());
    view! {
        <button type="button" class="icon-button account" popovertarget="account" aria-label=format!("Account of {name}")>
            <span aria-hidden="true">{initial}</span>
        </button>
        <div class="pop" id="account" popover="auto" role="dialog" aria-label="Account">
            <h2>{name}</h2>
            <p class="muted">{printable(&me.role).into_owned()}</p>
            <a class="pop-link" href=links::ACCOUNT rel="external">"Account"</a>
            <form method="post" action=links::LOGOUT><button type="submit">"Sign out"</button></form>
        </div>
    }
    .into_any()
}
