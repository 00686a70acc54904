//! Office pages: sign-in, set-up, settings, account, audit. Their content is HTML that the server made for one request.
//!
//! The server puts a [`Content`] into the context of the request and renders [`crate::shell()`]; in the
//! browser that part of the page is left as it is. Whoever comes to such an address within the page
//! (by "back") gets it from the server anew.
//!
//! Invariant: the browser's half holds no word of these pages and asks for none; no script is in them; a
//! link within them leaves the page, as one without script would.

#[cfg(feature = "ssr")]
pub mod account;
#[cfg(feature = "ssr")]
pub mod audit;
#[cfg(feature = "ssr")]
pub mod door;
#[cfg(feature = "ssr")]
pub mod fabrics;
#[cfg(feature = "ssr")]
pub mod people;
#[cfg(feature = "ssr")]
pub mod rights;
#[cfg(feature = "ssr")]
pub mod tabs;
#[cfg(feature = "ssr")]
pub mod tokens;
#[cfg(feature = "ssr")]
pub mod users;

use std::sync::Arc;

use leptos::prelude::*;
use leptos_meta::Title;

use crate::browser;

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
    /// A page within the console. The view is of plain values: a signal would be gone before it is written.
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
        Self { title: title.into(), html: write(view).into(), surround }
    }
}

/// The content of this request, if it is one for an office page.
pub(crate) fn content() -> Option<Content> {
    use_context()
}

/// The HTML of a view whose links leave the page: the router would take those for pages that it knows.
#[cfg(feature = "ssr")]
fn write(view: impl IntoView) -> String {
    let html = Owner::new().with(|| view.into_view().to_html());
    let mut links = html.split("<a ");
    let mut out = links.next().unwrap_or_default().to_owned();
    for link in links {
        let (tag, rest) = link.split_once('>').unwrap_or((link, ""));
        let tag = match tag.split_once("rel=\"") {
            Some((before, after)) => format!("{before}rel=\"external {after}"),
            None => format!("rel=\"external\" {tag}"),
        };
        out.extend(["<a ", tag.as_str(), ">", rest]);
    }
    out
}

/// An office page within the frame.
pub(crate) fn page() -> AnyView {
    Effect::new(|_| browser::wake_office());
    place()
}

#[cfg(feature = "ssr")]
fn place() -> AnyView {
    /// What is said at an address for which the server made nothing.
    const NOTHING: &str = r#"<section class="state-panel" data-state="missing"><h1>Not found</h1><p>There is no such page.</p></section>"#;
    let (title, html) = content().map_or_else(
        || {
            crate::answer::set_status(404);
            ("Not found".to_owned(), NOTHING.to_owned())
        },
        |content| (content.title.to_string(), content.html.to_string()),
    );
    view! { <Title text=title/><div class="office" inner_html=html></div> }.into_any()
}

/// What the server wrote stays. Where there is nothing, because somebody came here within the page, it is
/// asked for.
#[cfg(not(feature = "ssr"))]
fn place() -> AnyView {
    let hydrates =
        Owner::current_shared_context().is_some_and(|context| context.during_hydration());
    if !hydrates {
        browser::reload();
    }
    view! { <Title text=browser::heading()/><div class="office"></div> }.into_any()
}

#[cfg(all(test, feature = "ssr"))]
mod tests {
    use super::*;

    #[test]
    fn every_link_leaves_the_page_and_keeps_what_it_says_of_itself() {
        let view = view! { <p>"<a href>"<a href="/audit?a=1&b=2">"one"</a><a rel="next" href="/x">"two"</a><abbr>"z"</abbr></p> };
        let html = Content::framed("x", view).html;
        assert!(
            html.contains(r#"<a rel="external" href="/audit?a=1&amp;b=2">one"#)
                || html.contains(r#"<a rel="external" href="/audit?a=1&b=2">one"#),
            "{html}"
        );
        assert!(html.contains(r#"<a rel="external next" href="/x">two"#), "{html}");
        assert!(html.contains("&lt;a href&gt;") && html.contains("<abbr>z"), "{html}");
    }
}
