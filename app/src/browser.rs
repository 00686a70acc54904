//! The few things that a page asks of its browser: its storage, its document, its popovers.
//!
//! Invariant: called from effects and handlers only, so never on the server; a browser that refuses is
//! not an error.

use leptos::prelude::*;
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

/// What is stored under a key.
pub(crate) fn stored(key: &str) -> Option<String> {
    window().local_storage().ok().flatten()?.get_item(key).ok().flatten()
}

/// Stores a value.
pub(crate) fn store(key: &str, value: &str) {
    if let Ok(Some(storage)) = window().local_storage() {
        // Full or forbidden: the choice then holds for this page only.
        let _ = storage.set_item(key, value);
    }
}

/// Sets an attribute of the document's root, or takes it away.
pub(crate) fn mark_root(name: &str, value: Option<&str>) {
    if let Some(root) = document().document_element() {
        // Only an illegal name fails.
        let _ = match value {
            Some(value) => root.set_attribute(name, value),
            None => root.remove_attribute(name),
        };
    }
}

/// Shows another icon in the tab.
pub(crate) fn set_favicon(href: &str) {
    if let Some(link) = document().get_element_by_id("favicon") {
        let _ = link.set_attribute("href", href);
    }
}

fn element(id: &str) -> Option<HtmlElement> {
    document().get_element_by_id(id)?.dyn_into().ok()
}

/// Opens a popover.
pub(crate) fn open_popover(id: &str) {
    if let Some(popover) = element(id) {
        // It is open already.
        let _ = popover.show_popover();
    }
}

/// Closes a popover.
pub(crate) fn close_popover(id: &str) {
    if let Some(popover) = element(id) {
        // It is closed already.
        let _ = popover.hide_popover();
    }
}

/// Puts the focus on the field that filters this page, if there is one.
pub(crate) fn focus_filter() {
    let field = document().query_selector("main input[type=search]").ok().flatten();
    if let Some(field) = field.and_then(|field| field.dyn_into::<HtmlElement>().ok()) {
        // A field that cannot take the focus keeps it where it is.
        let _ = field.focus();
    }
}

/// Takes the focus off whatever has it.
pub(crate) fn leave_field() {
    let focused =
        document().active_element().and_then(|element| element.dyn_into::<HtmlElement>().ok());
    if let Some(focused) = focused {
        let _ = focused.blur();
    }
}

/// Whether a person is writing into what has the focus.
pub(crate) fn is_writing() -> bool {
    document().active_element().is_some_and(|element| {
        matches!(element.tag_name().as_str(), "INPUT" | "TEXTAREA" | "SELECT")
            || element.has_attribute("contenteditable")
    })
}

/// Gets this address from the server anew, as soon as it is the browser's.
pub(crate) fn reload() {
    // The router writes the address once it has shown what belongs to it.
    set_timeout(
        || {
            // A page that goes anyway may refuse.
            let _ = window().location().reload();
        },
        std::time::Duration::ZERO,
    );
}

/// Path and query of the page.
pub(crate) fn address() -> String {
    let location = window().location();
    location.pathname().unwrap_or_default() + &location.search().unwrap_or_default()
}

/// Whether the page has an element of this name.
pub(crate) fn has_element(id: &str) -> bool {
    document().get_element_by_id(id).is_some()
}

/// Replaces all that can be seen by these words and the way to sign in, which is percent-encoded.
pub(crate) fn clear_screen(words: &str, sign_in: &str) {
    if let Some(body) = document().body() {
        let mut html = include_str!("frame/signed_out.html").replace("WORDS", words);
        html = html.replace("SIGN_IN", sign_in);
        body.set_inner_html(&html);
    }
    mark_root("data-signed-out", Some(""));
    document().set_title("Signed out · HNP");
}

/// The text of the page's heading; empty if there is none.
#[cfg(not(feature = "ssr"))]
pub(crate) fn heading() -> String {
    let heading = document().query_selector("main h1").ok().flatten();
    heading.and_then(|heading| heading.text_content()).unwrap_or_default()
}

/// Whether somebody points at something within an element, or has the focus there.
#[cfg(not(feature = "ssr"))]
pub(crate) fn is_at(selector: &str) -> bool {
    let at = format!("{selector}:is(:hover, :focus-within)");
    document().query_selector(&at).is_ok_and(|found| found.is_some())
}

/// On the server nobody does.
#[cfg(feature = "ssr")]
pub(crate) const fn is_at(_selector: &str) -> bool {
    false
}

/// Lets the buttons of an office page that need script appear and work. They go with the page.
pub(crate) fn wake_office() {
    if let Ok(Some(office)) = document().query_selector(".office") {
        // Only an illegal name fails.
        let _ = office.set_attribute("data-awake", "");
    }
    let _stays = window_event_listener_untyped("click", |event| copy_asked(&event));
}

/// Copies the text of the element that a clicked button names by `data-copy`.
fn copy_asked(event: &web_sys::Event) {
    let clicked = event.target().and_then(|target| target.dyn_into::<HtmlElement>().ok());
    let named = clicked.as_ref().and_then(|button| element(&button.get_attribute("data-copy")?));
    let Some((button, text)) = clicked.zip(named.and_then(|named| named.text_content())) else {
        return;
    };
    // A refusal leaves what was copied before.
    let _ = window().navigator().clipboard().write_text(&text);
    button.set_text_content(Some("Copied"));
}
