//! `j` and `k`: from row to row without a mouse. What has the focus is the row's link, so Enter opens it.
//!
//! Invariant: the place is where the focus is, kept nowhere else; a key belongs to whoever writes.

use domain::object::ObjectKey;
use leptos::{ev, html, prelude::*};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

use super::{rows::Rows, span::ROW_PX};
use crate::browser;

/// Listens for as long as the table is there. `look` makes the visible rows follow the scroll position.
pub(super) fn listen(scroller: NodeRef<html::Div>, rows: Rows, look: Callback<()>) {
    Effect::new(move |_| {
        let listener = window_event_listener(ev::keydown, move |event| {
            let (alone, key) =
                (!(event.ctrl_key() || event.meta_key() || event.alt_key()), event.key());
            if let Some(step) = step(&key).filter(|_| alone && !browser::is_writing())
                && let Some(scroller) = scroller.get_untracked()
            {
                event.prevent_default();
                walk(&scroller, rows, look, step);
            }
        });
        on_cleanup(move || listener.remove());
    });
}

/// Where a key leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Down,
    Up,
}

fn step(key: &str) -> Option<Step> {
    match key {
        "j" => Some(Step::Down),
        "k" => Some(Step::Up),
        _ => None,
    }
}

/// The next place from where one is, among `rows`; without a place, the first visible one.
fn next(at: Option<usize>, first_visible: usize, step: Step) -> usize {
    match (at, step) {
        (Some(at), Step::Down) => at + 1,
        (Some(at), Step::Up) => at.saturating_sub(1),
        (None, _) => first_visible,
    }
}

/// How far to scroll so that a row is visible below the head; none if it is.
fn reveal(at: usize, top: usize, height: usize, head: usize) -> Option<usize> {
    let row = at * ROW_PX;
    let visible = height.saturating_sub(head);
    if row < top {
        Some(row)
    } else if row + ROW_PX > top + visible {
        Some((row + ROW_PX).saturating_sub(visible))
    } else {
        None
    }
}

fn walk(scroller: &HtmlElement, rows: Rows, look: Callback<()>, step: Step) {
    let px = |px: i32| usize::try_from(px).unwrap_or_default();
    let (top, height) = (px(scroller.scroll_top()), px(scroller.client_height()));
    let at = focused_key().and_then(|key| rows.position(&key));
    let at = next(at, top.div_ceil(ROW_PX), step);
    let Some(key) = rows.key_at(at) else { return };
    let at = rows.position(&key).unwrap_or_default();
    let head = scroller.query_selector("thead").ok().flatten();
    let head = head.map_or(0, |head| px(head.client_height()));
    if let Some(to) = reveal(at, top, height, head) {
        scroller.set_scroll_top(i32::try_from(to).unwrap_or(i32::MAX));
        look.run(());
    }
    let scroller = scroller.clone();
    request_animation_frame(move || focus(&scroller, &key));
}

/// Key of the row that holds the focus.
fn focused_key() -> Option<ObjectKey> {
    let row = document().active_element()?.closest("tr[data-key]").ok().flatten()?;
    row.get_attribute("data-key")?.parse().ok()
}

/// Puts the focus on the link of a row. Rows are compared, not selected, since a key may hold anything.
fn focus(scroller: &HtmlElement, key: &ObjectKey) {
    let key = key.to_string();
    let body = scroller.query_selector("tbody").ok().flatten();
    let mut row = body.and_then(|body| body.first_element_child());
    while let Some(one) = row {
        if one.get_attribute("data-key").as_deref() == Some(&key) {
            let link = one.query_selector("td[data-col=name] a").ok().flatten();
            if let Some(link) = link.and_then(|link| link.dyn_into::<HtmlElement>().ok()) {
                // What cannot take the focus leaves it where it is.
                let _ = link.focus();
            }
            return;
        }
        row = one.next_element_sibling();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_begins_at_the_first_visible_row_and_never_leaves_the_top() {
        assert_eq!(next(None, 40, Step::Down), 40);
        assert_eq!(next(Some(3), 0, Step::Down), 4);
        assert_eq!(next(Some(0), 0, Step::Up), 0);
    }

    #[test]
    fn a_row_is_brought_into_view_by_the_least_scroll() {
        assert_eq!(reveal(5, 0, 640, 32), None);
        assert_eq!(reveal(5, 320, 640, 32), Some(160));
        assert_eq!(reveal(30, 0, 640, 32), Some(31 * 32 - 608));
    }
}
