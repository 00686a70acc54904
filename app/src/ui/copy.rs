//! A button that copies a text. It appears once the page is awake: without script it could do nothing.

use leptos::prelude::*;

/// Copies what `text` gives at the moment of the click.
#[component]
pub fn Copy(
    /// What the button says.
    #[prop(into)]
    label: String,
    /// The text.
    text: Callback<(), String>,
) -> impl IntoView {
    let (awake, wake) = signal(false);
    let (copied, set_copied) = signal(false);
    Effect::new(move |_| wake.set(true));
    let copy = move |_| {
        // A refusal leaves the button as it was; there is nothing else to undo.
        let _ = window().navigator().clipboard().write_text(&text.run(()));
        set_copied.set(true);
        set_timeout(
            move || {
                let _ = set_copied.try_set(false);
            },
            COPIED,
        );
    };
    let shown = move || if copied.get() { "copied".to_owned() } else { label.clone() };
    view! { <button type="button" class="copy" hidden=move || !awake.get() on:click=copy>{shown}</button> }
}

/// How long the button says that it copied.
const COPIED: std::time::Duration = std::time::Duration::from_millis(1_500);
