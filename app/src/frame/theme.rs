//! The theme: light, dark, high contrast, or what the system says.
//!
//! Invariant: the choice is a mark on the document's root and a value in the browser's storage; the
//! same mark is made before the first paint by the script in `shell`.

use leptos::prelude::*;

use crate::browser;

/// Where the choice is stored; also read before the first paint.
const STORED: &str = "hnp.theme";
/// Value and name of each choice; the first one is that of the system.
const CHOICES: [(&str, &str); 4] =
    [("system", "System"), ("light", "Light"), ("dark", "Dark"), ("contrast", "High contrast")];

/// The choice that a stored value stands for.
fn choice(stored: Option<&str>) -> &'static str {
    let known = CHOICES.iter().find(|(value, _)| Some(*value) == stored);
    known.map_or("system", |(value, _)| value)
}

/// The chosen theme; none until the page is awake. Copy.
#[derive(Clone, Copy)]
pub struct Theme(RwSignal<Option<&'static str>>);

impl Theme {
    /// Reads the stored choice once the page is awake.
    pub(super) fn new() -> Self {
        let chosen = RwSignal::new(None);
        Effect::new(move |_| chosen.set(Some(choice(browser::stored(STORED).as_deref()))));
        Self(chosen)
    }
}

/// The choice of a theme. Works once the page is awake.
#[component]
pub fn ThemeChoice(
    /// The theme.
    theme: Theme,
) -> impl IntoView {
    let Theme(chosen) = theme;
    let change = move |value: String| {
        let value = choice(Some(&value));
        chosen.set(Some(value));
        browser::store(STORED, value);
        browser::mark_root("data-theme", (value != "system").then_some(value));
    };
    let options = CHOICES.map(|(value, name)| view! { <option value=value>{name}</option> });
    view! {
        <select class="theme" aria-label="Theme" disabled=move || chosen.get().is_none() prop:value=move || chosen.get().unwrap_or("system")
            on:change:target=move |event| change(event.target().value())>
            {options.into_iter().collect_view()}
        </select>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_theme_is_that_of_the_system() {
        assert_eq!(choice(Some("dark")), "dark");
        assert_eq!(choice(Some("\"><script>")), "system");
        assert_eq!(choice(None), "system");
    }
}
