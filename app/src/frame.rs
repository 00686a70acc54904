//! What surrounds every page: rail, top bar, banner, toasts, and what the tab says.
//!
//! Invariant: nothing here belongs to one page; it is built once and stays while pages come and go.

use leptos::prelude::*;

use crate::{fabrics::Fabrics, feeds::Feeds, live::Live, toasts::Toasts};

pub mod banner;
pub mod bell;
pub mod keys;
pub mod pill;
pub mod rail;
mod rights;
pub mod switcher;
pub mod tab;
mod teller;
pub mod theme;
mod told;

use banner::StaleBanner;
use bell::{Bell, ToastStack};
use keys::Keys;
use pill::{Pill, PillPopover};
use rail::Rail;
use switcher::Switcher;
use tab::Tab;
use theme::{Theme, ThemeChoice};

/// The frame around the page in `children`.
#[component]
pub fn Frame(
    /// The page.
    children: Children,
) -> impl IntoView {
    let live = Live::provide();
    Fabrics::provide(live);
    Feeds::provide(live);
    let toasts = Toasts::provide();
    teller::tell(live, toasts);
    rights::end_with_the_session(live);
    let lost = rights::lost();
    let theme = Theme::new();
    view! {
        <a class="skip" href="#main" rel="external">"Skip to content"</a>
        <Tab/>
        <div class="frame">
            <Rail theme/>
            <TopBar theme/>
            <div class="content">
                <StaleBanner/>
                <section class="state-panel" data-state="gone" role="alert" hidden=move || !lost.get()>
                    <h2>"This fabric is not here for you any more"</h2>
                    <p>"It was removed, or your right to see it ended. What was shown of it is gone."</p>
                    <p><a href="/" rel="external">"Overview"</a></p>
                </section>
                <main id="main" tabindex="-1" hidden=move || lost.get()>{children()}</main>
            </div>
        </div>
        <PillPopover/>
        <Keys/>
        <ToastStack/>
    }
}

#[component]
fn TopBar(theme: Theme) -> impl IntoView {
    view! {
        <header class="topbar">
            <button type="button" class="menu icon-button" popovertarget="rail" aria-label="Menu">"☰"</button>
            <Switcher/>
            <span class="grow"></span>
            <Pill/>
            <Bell/>
            <span class="wide-only"><ThemeChoice theme/></span>
            <button type="button" class="icon-button wide-only" popovertarget="keys" aria-label="Keys">"?"</button>
            {told::account()}
        </header>
    }
}
