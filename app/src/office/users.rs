//! Users as admins see them: `/settings/users`, `/settings/users/{user}`.
//!
//! Invariant: no password is ever written into a page; before something is lost, the page says what.

use domain::access::Rights;
use leptos::prelude::*;

use super::{
    people::{Done, SessionLine, TokenLine, moment, password_field, refused, sessions, tokens},
    rights::{GivenBy, RightsFields},
    tabs,
};
use crate::ui::text::count;

/// A user in the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserLine {
    /// Name.
    pub name: String,
    /// Whether they may sign in.
    pub enabled: bool,
    /// What they may do.
    pub rights: Rights,
    /// `password`, `oidc` or `none`.
    pub source: &'static str,
    /// When made, Unix milliseconds.
    pub created_ms: i64,
    /// When last signed in, Unix milliseconds.
    pub seen_ms: Option<i64>,
}

/// `/settings/users`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Users {
    /// The users of this page.
    pub lines: Vec<UserLine>,
    /// What the list is narrowed to.
    pub q: String,
    /// Where the next page is.
    pub next: Option<String>,
    /// What was just done.
    pub done: Option<Done>,
    /// The form for a new one.
    pub form: NewUser,
}

/// The form for a new user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewUser {
    /// The name that was typed.
    pub name: String,
    /// What is wrong with the name.
    pub name_error: Option<String>,
    /// What is wrong with the password.
    pub password_error: Option<String>,
    /// Why it did not work otherwise.
    pub error: Option<String>,
    /// The roles.
    pub rights: RightsFields,
    /// Whether it is open.
    pub open: bool,
}

impl Users {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { lines, q, next, done, form } = self;
        let empty = lines.is_empty().then(|| {
            view! { <div class="state-panel" data-state="empty"><h2>"Nobody"</h2><p>"No user has this in their name."</p></div> }
        });
        let table = (!lines.is_empty()).then(|| {
            let rows = lines.into_iter().map(line).collect_view();
            view! {
                <div class="table-scroll" tabindex="0" role="region" aria-label="Users">
                    <table class="records">
                        <thead><tr>
                            <th scope="col">"Name"</th><th scope="col">"Roles"</th><th scope="col">"State"</th>
                            <th scope="col">"Signs in by"</th><th scope="col">"Last signed in"</th>
                        </tr></thead>
                        <tbody>{rows}</tbody>
                    </table>
                </div>
            }
        });
        let next = next.map(|href| {
            view! { <nav class="pages" aria-label="Pages"><span></span><a class="button" rel="next" href=href>"Further users"</a></nav> }
        });
        view! {
            <div class="office-page">
                <header class="office-head"><h1>"Users"</h1><a class="button" data-look="primary" href="#new">"Add a user"</a></header>
                {tabs::settings(tabs::Tab::Users)}
                {done.map(Done::view)}
                <form class="filter" method="get" action="/settings/users">
                    <label class="filter-field">"Name has"<input name="q" value=q maxlength="64" spellcheck="false" autocapitalize="none"/></label>
                    <button>"Show"</button>
                </form>
                {table}
                {empty}
                {next}
                {form.view()}
            </div>
        }
    }
}

fn line(line: UserLine) -> impl IntoView {
    let UserLine { name, enabled, rights, source, created_ms: _, seen_ms } = line;
    let (href, row) = (format!("/settings/users/{name}"), name.clone());
    view! {
        <tr data-user=row data-off=(!enabled).then_some("")>
            <th scope="row"><a class="mono" href=href>{name}</a></th>
            <td data-label="Roles">{rights.to_string()}</td>
            <td data-label="State">{state(enabled)}</td>
            <td data-label="Signs in by">{signs_in_by(source)}</td>
            <td data-label="Last signed in" data-form="time">{moment(seen_ms, "never")}</td>
        </tr>
    }
}

fn state(enabled: bool) -> impl IntoView {
    let (tone, word) = if enabled { ("ok", "enabled") } else { ("warning", "disabled") };
    view! { <span class="tag" data-tone=tone>{word}</span> }
}

/// How somebody signs in, in words.
pub(super) fn signs_in_by(source: &str) -> &'static str {
    match source {
        "oidc" => "identity provider",
        "password" => "password",
        _ => "nothing yet",
    }
}

impl NewUser {
    fn view(self) -> impl IntoView {
        let Self { name, name_error, password_error, error, rights, open: _ } = self;
        let wrong = name_error.is_some().then_some("true");
        let said = match name_error {
            Some(error) => view! { <span class="error" id="name-says">{error}</span> }.into_any(),
            None => {
                view! { <span class="hint" id="name-says">"Letters, digits and . _ - @ +"</span> }
                    .into_any()
            }
        };
        view! {
            <section class="office-section" aria-labelledby="new">
                <h2 id="new">"Add a user"</h2>
                {error.map(refused)}
                <form class="form" method="post" action="/settings/users">
                    <p class="field" data-invalid=wrong>
                        <label for="name">"User name"</label>
                        <input id="name" name="name" value=name autocomplete="username" autocapitalize="none" spellcheck="false" required
                            maxlength="64" aria-invalid=wrong aria-describedby="name-says"/>
                        {said}
                    </p>
                    {password_field("password", "First password", "new-password", "A few words make a good one. Hand it over in person; they change it on their account page", password_error)}
                    {rights.view("Roles", "The greater of the role everywhere and the one on a fabric counts. Without any role nothing can be seen.")}
                    <p class="form-actions"><button data-look="primary">"Add user"</button></p>
                </form>
            </section>
        }
    }
}

/// `/settings/users/{user}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserPage {
    /// The user.
    pub user: UserLine,
    /// Who decides about their roles, if it is an identity provider.
    pub given_by: Option<GivenBy>,
    /// Which state of them the page shows.
    pub revision: u64,
    /// Whether it is who looks.
    pub own: bool,
    /// What was just done.
    pub done: Option<Done>,
    /// Why something was not done.
    pub error: Option<String>,
    /// What is wrong with a new password.
    pub password_error: Option<String>,
    /// Their roles.
    pub rights: RightsFields,
    /// Their sessions.
    pub sessions: Vec<SessionLine>,
    /// Their tokens.
    pub tokens: Vec<TokenLine>,
}

impl UserPage {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self {
            user,
            given_by,
            revision,
            own,
            done,
            error,
            password_error,
            rights,
            sessions: open,
            tokens: held,
        } = self;
        let base = format!("/settings/users/{}", user.name);
        let active = held.iter().filter(|token| token.state == "active").count();
        let lost = (count(open.len(), "session", "sessions"), count(active, "token", "tokens"));
        let end_all = (!open.is_empty()).then(|| {
            view! { <form class="form-actions" method="post" action=format!("{base}/sessions")><button>"End all sessions"</button></form> }
        });
        view! {
            <div class="office-page">
                <header class="office-head"><h1>{user.name.clone()}</h1>{state(user.enabled)}</header>
                {tabs::settings(tabs::Tab::Users)}
                {done.map(Done::view)}
                {error.map(refused)}
                <div class="office-columns">
                    <section class="office-section" aria-labelledby="roles">
                        <h2 id="roles">"Roles"</h2>
                        {given_by.map(GivenBy::warning)}
                        <form class="form" method="post" action=format!("{base}/roles")>
                            <input type="hidden" name="revision" value=revision.to_string()/>
                            {rights.view("What they may do", "The greater of the role everywhere and the one on a fabric counts. A change holds at once.")}
                            <p class="form-actions"><button data-look="primary">"Save roles"</button></p>
                        </form>
                    </section>
                    {account(&user, &base, own, password_error, &lost)}
                </div>
                <section class="office-section" aria-labelledby="sessions">
                    <h2 id="sessions">"Sessions"</h2>
                    {sessions(open, &format!("{base}/sessions"))}
                    {end_all}
                </section>
                <section class="office-section" aria-labelledby="tokens">
                    <h2 id="tokens">"API tokens"</h2>
                    {tokens(held, &format!("{base}/tokens"), false, "Table of tokens")}
                </section>
            </div>
        }
    }
}

/// Who they are, their password, and the way out.
fn account(
    user: &UserLine,
    base: &str,
    own: bool,
    password_error: Option<String>,
    lost: &(String, String),
) -> impl IntoView + use<> {
    let password = if own {
        view! { <p class="lead">"This is you: change your password on "<a href="/account">"your account page"</a>"."</p> }.into_any()
    } else if user.source == "oidc" {
        view! { <p class="lead">"They sign in through an identity provider; passwords are changed there."</p> }.into_any()
    } else {
        view! {
            <form class="form" method="post" action=format!("{base}/password")>
                <input type="text" name="user" value=user.name.clone() autocomplete="username" hidden readonly/>
                {password_field("password", "New password", "new-password", "A few words make a good one; all their sessions end", password_error)}
                <p class="form-actions"><button>"Set password"</button></p>
            </form>
        }
        .into_any()
    };
    view! {
        <section class="office-section" aria-labelledby="account">
            <h2 id="account">"Account"</h2>
            <dl class="facts">
                <dt>"Signs in by"</dt><dd>{signs_in_by(user.source)}</dd>
                <dt>"Made"</dt><dd>{moment(Some(user.created_ms), "")}</dd>
                <dt>"Last signed in"</dt><dd>{moment(user.seen_ms, "never")}</dd>
            </dl>
            {password}
            {way_out(user, base, lost)}
        </section>
    }
}

/// Disabling and removing.
fn way_out(
    user: &UserLine,
    base: &str,
    (sessions, tokens): &(String, String),
) -> impl IntoView + use<> {
    let (word, value) = if user.enabled { ("Disable", "no") } else { ("Enable", "yes") };
    let heading = format!("Remove {}?", user.name);
    let says = format!(
        "{sessions} and {tokens} end with them, and what was addressed to them is gone. What they did stays in the audit log. To keep them out and keep the rest, disable them instead."
    );
    let back = (user.source == "oidc").then_some(
        "They come through an identity provider: once removed, they get a new account when they sign in the next time. Only disabling keeps them out.",
    );
    view! {
        <div class="form-actions">
            <form method="post" action=format!("{base}/enabled")>
                <input type="hidden" name="enabled" value=value/>
                <button>{word}</button>
            </form>
            <button type="button" popovertarget="remove" data-look="danger">"Remove…"</button>
        </div>
        <div class="dialog" id="remove" popover="auto" role="dialog" aria-labelledby="remove-h">
            <h2 id="remove-h">{heading}</h2>
            <p>{says}</p>
            {back.map(|back| view! { <p>{back}</p> })}
            <form method="post" action=format!("{base}/remove") class="form-actions">
                <button data-look="danger">"Remove"</button>
                <button type="button" popovertarget="remove" popovertargetaction="hide">"Cancel"</button>
            </form>
        </div>
    }
}

/// The page for a name that nobody has.
pub fn nobody(name: &str) -> impl IntoView + use<> {
    let said = format!("There is no user {name}; they may have been removed.");
    view! {
        <div class="office-page">
            <header class="office-head"><h1>"No such user"</h1><a class="button" href="/settings/users">"All users"</a></header>
            <p class="lead">{said}</p>
        </div>
    }
}
