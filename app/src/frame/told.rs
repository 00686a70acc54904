//! What the server alone knows of the frame: who is signed in, and which ways they may go.
//!
//! Both are HTML that the server wrote; the browser leaves it as it is, so it costs no code there. It works
//! without script: links are page loads, the menu is a popover, signing out is a form.
//!
//! Invariant: where nobody has to sign in, there is nothing here.

use leptos::prelude::*;

/// The button of the account, with its menu.
pub(super) fn account() -> AnyView {
    place(Part::Account)
}

/// The ways to the office pages.
pub(super) fn offices() -> AnyView {
    place(Part::Offices)
}

/// Names the menu of the account, by which the browser knows that somebody is signed in.
pub(super) const ACCOUNT: &str = "account";

#[derive(Debug, Clone, Copy)]
enum Part {
    Account,
    Offices,
}

#[cfg(not(feature = "ssr"))]
fn place(_: Part) -> AnyView {
    view! { <div class="told"></div> }.into_any()
}

#[cfg(feature = "ssr")]
fn place(part: Part) -> AnyView {
    let me = crate::backend::counter().ok().and_then(|backend| backend.me());
    let html = me.map(|me| match part {
        Part::Account => written::menu(&me),
        Part::Offices => written::ways(&me),
    });
    let html = html.map(|view| Owner::new().with(|| view.to_html())).unwrap_or_default();
    view! { <div class="told" inner_html=html></div> }.into_any()
}

#[cfg(feature = "ssr")]
mod written {
    use domain::report::Me;
    use leptos::prelude::*;

    use crate::{links, ui::text::printable};

    pub(super) fn menu(me: &Me) -> AnyView {
        let name = printable(&me.name).into_owned();
        let initial = name.chars().next().map(|c| c.to_uppercase().to_string());
        view! {
            <button type="button" class="icon-button account" popovertarget=super::ACCOUNT aria-label=format!("Account of {name}")>
                <span aria-hidden="true">{initial}</span>
            </button>
            <div class="pop" id=super::ACCOUNT popover="auto" role="dialog" aria-label="Account">
                <h2>{name}</h2>
                <p class="muted">{printable(&me.role).into_owned()}</p>
                <a class="pop-link" href=links::ACCOUNT rel="external">"Account"</a>
                <form method="post" action=links::LOGOUT><button type="submit">"Sign out"</button></form>
            </div>
        }
        .into_any()
    }

    pub(super) fn ways(me: &Me) -> AnyView {
        let way = |may: bool, href: &'static str, label: &'static str, glyph: &'static str| {
            may.then(|| {
                view! {
                    <a class="rail-entry" href=href rel="external" title=label>
                        <span class="rail-glyph" aria-hidden="true">{glyph}</span>
                        <span class="rail-label">{label}</span>
                    </a>
                }
            })
        };
        let heading = (me.may_settings || me.may_audit).then(|| view! { <h2>"House"</h2> });
        view! {
            {heading}
            {way(me.may_settings, links::SETTINGS, "Settings", "Se")}
            {way(me.may_audit, links::AUDIT, "Audit", "Au")}
        }
        .into_any()
    }
}
