//! What is shown when the server could not be asked.

use leptos::prelude::*;

use crate::{
    answer::set_status,
    api::ApiError,
    ui::{
        panel::{Panel, PanelState},
        text::printable,
    },
};

/// Why a page has no content, and what to do.
#[component]
pub fn Failure(
    /// The error.
    error: ApiError,
) -> impl IntoView {
    set_status(500);
    view! {
        <Panel state=PanelState::Error title="This page could not be read">
            <p class="reason">{printable(&error.to_string()).into_owned()}</p>
            <p>"Nothing is known of what belongs here. Reload the page to try again."</p>
        </Panel>
    }
}
