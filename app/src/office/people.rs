//! What the pages of users, tokens and one's own account have in common: tables of sessions and tokens, times,
//! what was done.
//!
//! Invariant: what was done is one of a few words of ours; an address can put nothing else on a page.

use domain::access::Rights;
use leptos::prelude::*;

use crate::ui::{
    moment::{day_and_clock, rfc3339},
    text::{cut, printable},
};

/// Longest that is shown of what a browser says it is, in characters.
const LONGEST_AGENT: usize = 60;

/// What was just done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// A user was made.
    Created,
    /// A user was removed.
    Removed,
    /// Roles were changed.
    Roles,
    /// Somebody may sign in again.
    Enabled,
    /// Somebody may sign in no more.
    Disabled,
    /// A password was set.
    Password,
    /// A session was ended.
    Session,
    /// Sessions were ended.
    Sessions,
    /// A token was revoked.
    Token,
}

impl Done {
    const ALL: [Self; 9] = [
        Self::Created,
        Self::Removed,
        Self::Roles,
        Self::Enabled,
        Self::Disabled,
        Self::Password,
        Self::Session,
        Self::Sessions,
        Self::Token,
    ];

    /// The word in an address.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Removed => "removed",
            Self::Roles => "roles",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Password => "password",
            Self::Session => "session",
            Self::Sessions => "sessions",
            Self::Token => "token",
        }
    }

    /// What a word in an address means; any other means nothing.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|done| done.word() == word)
    }

    const fn says(self) -> &'static str {
        match self {
            Self::Created => "The user was made and may sign in.",
            Self::Removed => "The user was removed with their sessions and tokens.",
            Self::Roles => "The roles were changed; they hold at once, on open pages too.",
            Self::Enabled => "The user may sign in again.",
            Self::Disabled => {
                "The user may sign in no more; their sessions ended, their tokens do not work."
            }
            Self::Password => "The password was changed; the other sessions ended.",
            Self::Session => "The session was ended.",
            Self::Sessions => "The sessions were ended.",
            Self::Token => "The token was revoked and works no more.",
        }
    }

    /// As a message on the page.
    pub fn view(self) -> impl IntoView {
        view! { <div class="callout" data-tone="ok" role="status"><p>{self.says()}</p></div> }
    }
}

/// Why something was not done, as a message on the page.
pub fn refused(why: String) -> impl IntoView {
    view! { <div class="callout" data-tone="error" role="alert"><p>{why}</p></div> }
}

/// A page that is not for whoever asked, with what it would take.
pub fn not_allowed(need: &str) -> impl IntoView + use<> {
    let need = format!("This page {need}.");
    view! {
        <div class="office-page">
            <header class="office-head"><h1>"Not for you"</h1><a class="button" href="/account">"What I may do"</a></header>
            <div class="callout" data-tone="warning" role="alert"><p>{need}</p></div>
        </div>
    }
}

/// What is said where the fabric of an address is not there, or not for who asks.
pub fn not_here(why: &str) -> impl IntoView + use<> {
    let why = why.to_owned();
    view! {
        <div class="office-page">
            <header class="office-head"><h1>"No such fabric"</h1><a class="button" href="/">"Overview"</a></header>
            <div class="callout" data-tone="warning" role="alert"><p>{why}</p></div>
        </div>
    }
}

/// A time in UTC; a word where there is none.
pub fn moment(at: Option<i64>, never: &'static str) -> AnyView {
    match at {
        Some(at) => view! { <time datetime=rfc3339(at)>{day_and_clock(at)}</time> }.into_any(),
        None => view! { <span class="muted">{never}</span> }.into_any(),
    }
}

/// A session in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionLine {
    /// Its public id.
    pub id: String,
    /// When opened, Unix milliseconds.
    pub created_ms: i64,
    /// When last used, Unix milliseconds.
    pub seen_ms: i64,
    /// Address that it was opened from.
    pub from: Option<String>,
    /// What the browser said it is.
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Sessions as a table; each is ended by a post to `action` with its id.
pub fn sessions(lines: Vec<SessionLine>, action: &str) -> AnyView {
    if lines.is_empty() {
        return view! { <p class="lead">"No session is open."</p> }.into_any();
    }
    let rows = lines.into_iter().map(|line| session(line, action)).collect_view();
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label="Table of sessions">
            <table class="records">
                <thead><tr>
                    <th scope="col">"Browser"</th><th scope="col">"Address"</th><th scope="col">"Opened"</th>
                    <th scope="col">"Last used"</th><th scope="col"><span class="hidden-text">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn session(line: SessionLine, action: &str) -> impl IntoView + use<> {
    let SessionLine { id, created_ms, seen_ms, from, agent, current } = line;
    let browser = browser(agent.as_deref());
    let label = format!("End the session of {browser}");
    let end = if current {
        view! { <span class="tag" data-tone="info">"this one"</span> }.into_any()
    } else {
        view! {
            <form method="post" action=action.to_owned()>
                <input type="hidden" name="id" value=id.clone()/>
                <button aria-label=label>"End"</button>
            </form>
        }
        .into_any()
    };
    let title = agent.map(|agent| printable(&agent).into_owned());
    view! {
        <tr data-session=id>
            <th scope="row"><span title=title>{browser}</span></th>
            <td data-label="Address" data-form="mono">{from.unwrap_or_else(|| "unknown".to_owned())}</td>
            <td data-label="Opened" data-form="time">{moment(Some(created_ms), "")}</td>
            <td data-label="Last used" data-form="time">{moment(Some(seen_ms), "")}</td>
            <td class="row-actions">{end}</td>
        </tr>
    }
}

/// A browser in few words, `Firefox on Linux`.
pub fn browser(agent: Option<&str>) -> String {
    let Some(agent) = agent.filter(|agent| !agent.is_empty()) else {
        return "unknown".to_owned();
    };
    let first = |pairs: &[(&str, &'static str)]| {
        pairs.iter().find(|(sign, _)| agent.contains(sign)).map(|(_, name)| *name)
    };
    // Each also says that it is those behind it.
    let name = first(&[
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("Android", "Android"),
        ("iPhone", "iOS"),
        ("iPad", "iOS"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (name, system) {
        (Some(name), Some(system)) => format!("{name} on {system}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => cut(&printable(agent), LONGEST_AGENT).into_owned(),
    }
}

/// A token in a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenLine {
    /// Its public id.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// What its owner calls it.
    pub label: String,
    /// The most that it may do.
    pub scope: Rights,
    /// `active`, `expired` or `revoked`.
    pub state: &'static str,
    /// When made, Unix milliseconds.
    pub created_ms: i64,
    /// When it ends, Unix milliseconds.
    pub expires_ms: i64,
    /// When last used, Unix milliseconds.
    pub used_ms: Option<i64>,
}

/// Tokens as a table; each is revoked by a post to `action` with its id. With whose they are, where that differs.
pub fn tokens(lines: Vec<TokenLine>, action: &str, owners: bool, label: &'static str) -> AnyView {
    if lines.is_empty() {
        return view! { <p class="lead">"There are none."</p> }.into_any();
    }
    let rows = lines.into_iter().map(|line| token(line, action, owners)).collect_view();
    let owner = owners.then(|| view! { <th scope="col">"Owner"</th> });
    view! {
        <div class="table-scroll" tabindex="0" role="region" aria-label=label>
            <table class="records">
                <thead><tr>
                    <th scope="col">"Label"</th>{owner}<th scope="col">"May"</th><th scope="col">"State"</th><th scope="col">"Until"</th>
                    <th scope="col">"Last used"</th><th scope="col"><span class="hidden-text">"Actions"</span></th>
                </tr></thead>
                <tbody>{rows}</tbody>
            </table>
        </div>
    }
    .into_any()
}

fn token(line: TokenLine, action: &str, owners: bool) -> impl IntoView + use<> {
    let TokenLine { id, user, label, scope, state, created_ms: _, expires_ms, used_ms } = line;
    let (active, row) = (state == "active", id.clone());
    let tone = if active { "ok" } else { "warning" };
    let owner = owners.then(|| view! { <td data-label="Owner" data-form="mono">{user}</td> });
    let revoke = active.then(|| {
        let name = format!("Revoke the token {label}");
        view! {
            <form method="post" action=action.to_owned()>
                <input type="hidden" name="id" value=id.clone()/>
                <button data-look="danger" aria-label=name>"Revoke"</button>
            </form>
        }
    });
    view! {
        <tr data-token=row data-off=(!active).then_some("")>
            <th scope="row"><span>{label}" "<span class="mono muted small">{id}</span></span></th>
            {owner}
            <td data-label="May">{scope.to_string()}</td>
            <td data-label="State"><span class="tag" data-tone=tone>{state}</span></td>
            <td data-label="Until" data-form="time">{moment(Some(expires_ms), "")}</td>
            <td data-label="Last used" data-form="time">{moment(used_ms, "never")}</td>
            <td class="row-actions">{revoke}</td>
        </tr>
    }
}

/// A field for a password.
pub fn password_field(
    name: &'static str,
    label: &'static str,
    autocomplete: &'static str,
    hint: &'static str,
    error: Option<String>,
) -> impl IntoView {
    let wrong = error.is_some().then_some("true");
    let says = format!("{name}-says");
    let said = match error {
        Some(error) => view! { <span class="error" id=says.clone()>{error}</span> }.into_any(),
        None => view! { <span class="hint" id=says.clone()>{hint}</span> }.into_any(),
    };
    view! {
        <p class="field" data-invalid=wrong>
            <label for=name>{label}</label>
            <input id=name name=name type="password" autocomplete=autocomplete required maxlength="128" aria-invalid=wrong aria-describedby=says/>
            {said}
        </p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_by_their_own_names() {
        for (agent, name) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl/8.5.0"),
            ("", "unknown"),
        ] {
            assert_eq!(browser(Some(agent)), name);
        }
        assert_eq!(browser(None), "unknown");
    }

    #[test]
    fn an_address_says_only_words_of_ours() {
        for done in Done::ALL {
            assert_eq!(Done::from_word(done.word()), Some(done));
        }
        assert_eq!(Done::from_word("<script>"), None);
    }
}
