//! Toasts on the screen, and the drawer that keeps them.
//!
//! Invariant: both regions are there before anything is in them, so that it is read out.

use leptos::prelude::*;

use crate::{
    live::Live,
    toasts::{Entry, Toasts},
    ui::{moment::Age, status::Tone, text::printable},
};

/// The button with the number of unread notes, and the drawer.
#[component]
pub fn Bell() -> impl IntoView {
    let (shelf, live) = (Toasts::find().map(Toasts::shelf).unwrap_or_default(), Live::expect());
    let unread = move || shelf.with(|shelf| (shelf.unread() > 0).then(|| shelf.unread()));
    let badge =
        move || unread().map(|unread| view! { <span class="badge">{unread.to_string()}</span> });
    let label = move || {
        unread().map_or_else(
            || "Notifications".to_owned(),
            |unread| format!("Notifications, {unread} unread"),
        )
    };
    let kept = move || shelf.with(|shelf| shelf.kept().cloned().collect::<Vec<_>>());
    let now = Signal::derive(move || live.now().get().unwrap_or_default());
    let row = move |entry: Entry| {
        let at = entry.at;
        view! {
            <li class="feed-entry">
                <Mark tone=entry.note.tone/>
                <a class="feed-text" href=entry.note.link.clone() rel="external">{printable(&entry.text()).into_owned()}</a>
                <Age at=Signal::stored(at) now/>
            </li>
        }
    };
    view! {
        <button type="button" class="icon-button" popovertarget="notifications" aria-label=label
            on:click=move |_| shelf.update(crate::toasts::Shelf::read)>
            <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
                <path d="M8 2a4 4 0 0 0-4 4v3l-1 2h10l-1-2V6a4 4 0 0 0-4-4zM6.5 13h3"></path>
            </svg>
            {badge}
        </button>
        <div class="pop" id="notifications" popover="auto" role="dialog" aria-label="Notifications">
            <h2>"Notifications"</h2>
            <Show when=move || shelf.with(|shelf| shelf.kept().next().is_none())>
                <p class="muted">"Nothing since this page was opened."</p>
            </Show>
            <ul class="feed"><For each=kept key=|entry| (entry.id, entry.count) children=row/></ul>
        </div>
    }
}

#[component]
fn Mark(tone: Tone) -> impl IntoView {
    view! { <span class="tone-shape shape" data-tone=tone.name() aria-hidden="true">{tone.shape()}</span> }
}

/// The toasts that are on the screen.
#[component]
pub fn ToastStack() -> impl IntoView {
    let (shelf, live) = (Toasts::find().map(Toasts::shelf).unwrap_or_default(), Live::expect());
    Effect::new(move |_| {
        if let Some(now) = live.now().get()
            && shelf.with_untracked(|shelf| shelf.has_expired(now))
        {
            shelf.update(|shelf| shelf.tick(now));
        }
    });
    let shown = move || shelf.with(|shelf| shelf.shown().to_vec());
    let toast = move |entry: Entry| {
        let role = if entry.note.tone == Tone::Error { "alert" } else { "status" };
        let id = entry.id;
        view! {
            <div class="toast" role=role data-tone=entry.note.tone.name()>
                <Mark tone=entry.note.tone/>
                <a href=entry.note.link.clone() rel="external">{printable(&entry.text()).into_owned()}</a>
                <button type="button" data-look="plain" aria-label="Dismiss" on:click=move |_| shelf.update(|shelf| shelf.dismiss(id))>"×"</button>
            </div>
        }
    };
    view! {
        <div class="toasts" aria-live="polite" aria-relevant="additions">
            <For each=shown key=|entry| (entry.id, entry.count) children=toast/>
        </div>
    }
}
