//! Office pages: sign-in, set-up, settings, account, audit. Their content is HTML that the server made for one request.
//!
//! The server puts a [`Content`] into the context of the request and renders [`crate::shell()`]; in the
//! browser that part of the page is left as it is. Whoever comes to such an address within the page
//! (by "back") gets it from the server anew.
//!
//! Invariant: the browser's half holds no word of these pages and asks for none; no script is in them; a
//! link within them leaves the page, as one without script would.

#[cfg(feature = "ssr")]
pub mod audit;
#[cfg(feature = "ssr")]
pub mod door;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_meta::Title;

use crate::{answer::set_status, browser};

/// What the server says on an office page. Made by the server's own templates: whatever came from people
/// or clusters is escaped in it already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// What the page is called; the text of its one `h1`, which the browser reads.
    pub title: Arc<str>,
    /// The HTML, in the classes of `style/office.css`.
    pub html: Arc<str>,
    /// What stands around it.
    pub surround: Surround,
}

/// What stands around an office page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surround {
    /// The console: rail, top bar, live link.
    Frame,
    /// Nothing, and no script of ours: for those whom nobody knows yet.
    Bare,
}

impl Content {
    /// A page within the console.
    #[cfg(feature = "ssr")]
    pub fn framed(title: &str, view: impl IntoView) -> Self {
        Self::of(title, view, Surround::Frame)
    }

    /// A page by itself.
    #[cfg(feature = "ssr")]
    pub fn bare(title: &str, view: impl IntoView) -> Self {
        Self::of(title, view, Surround::Bare)
    }

    /// Writes a view down; nothing of it is awake in the browser.
    #[cfg(feature = "ssr")]
    fn of(title: &str, view: impl IntoView, surround: Surround) -> Self {
        let html = Owner::new().with(|| view.into_view().to_html());
        Self { title: title.into(), html: html.into(), surround }
    }
}

/// The content of this request, if it is one for an office page.
pub(crate) fn content() -> Option<Content> {
    use_context()
}

/// What is said at an address for which the server made nothing.
const NOTHING: &str = r#"<section class="state-panel" data-state="missing"><h1>Not found</h1><p>There is no such page.</p></section>"#;
/// Its title.
const NOTHING_TITLE: &str = "Not found";

/// Where an office page stands within the frame.
#[component]
pub fn OfficePage() -> impl IntoView {
    let (awake, wake) = signal(false);
    Effect::new(move |_| wake.set(true));
    let (title, html) = match content() {
        Some(Content { title, html, .. }) => (title.to_string(), Some(html.to_string())),
        None if cfg!(feature = "ssr") => {
            set_status(404);
            (NOTHING_TITLE.to_owned(), Some(NOTHING.to_owned()))
        }
        None => (browser_title(), None),
    };
    let click = move |event: leptos::ev::MouseEvent| {
        // The router would take links within for pages that it knows.
        event.stop_propagation();
        browser::copy_asked(&event);
    };
    view! {
        <Title text=title/>
        <div class="office" data-awake=move || awake.get().then_some("") on:click=click inner_html=html></div>
    }
    .into_any()
}

/// What the page that the server wrote is called. Where there is none, because somebody came here within
/// the page, it is asked for.
fn browser_title() -> String {
    let hydrates =
        Owner::current_shared_context().is_some_and(|context| context.during_hydration());
    if !hydrates {
        browser::reload();
    }
    browser::heading()
}
