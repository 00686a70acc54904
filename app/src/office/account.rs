//! One's own account: `/account`.
//!
//! Invariant: a password is typed here and never shown; the session that looks is not ended from here.

use domain::access::Rights;
use leptos::prelude::*;

use super::{
    people::{Done, SessionLine, moment, password_field, refused, sessions},
    rights::{GivenBy, in_words},
    tokens::OwnTokens,
    users::signs_in_by,
};

/// `/account`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Who looks.
    pub name: String,
    /// What they may do.
    pub rights: Rights,
    /// `password`, `oidc` or `none`.
    pub source: &'static str,
    /// Who decides about their roles, if it is an identity provider.
    pub given_by: Option<GivenBy>,
    /// When the session that looks ends, Unix milliseconds.
    pub expires_ms: Option<i64>,
    /// What was just done.
    pub done: Option<Done>,
    /// Why something was not done.
    pub error: Option<String>,
    /// What is wrong with the current password.
    pub current_error: Option<String>,
    /// What is wrong with the new one.
    pub new_error: Option<String>,
    /// What is wrong with its repetition.
    pub again_error: Option<String>,
    /// Their sessions.
    pub sessions: Vec<SessionLine>,
    /// Their tokens.
    pub tokens: OwnTokens,
}

impl Account {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self {
            name,
            rights,
            source,
            given_by,
            expires_ms,
            done,
            error,
            current_error,
            new_error,
            again_error,
            sessions: open,
            tokens,
        } = self;
        let password = password(source, &name, [current_error, new_error, again_error]);
        let others = open.iter().any(|session| !session.current).then(|| {
            view! { <form class="form-actions" method="post" action="/account/sessions"><button>"End all other sessions"</button></form> }
        });
        view! {
            <div class="office-page">
                <header class="office-head">
                    <h1>"Account"</h1>
                    <form method="post" action="/logout"><button>"Sign out"</button></form>
                </header>
                {done.map(Done::view)}
                {error.map(refused)}
                <div class="office-columns">
                    <section class="office-section" aria-labelledby="who">
                        <h2 id="who">"Who I am"</h2>
                        <dl class="facts">
                            <dt>"Name"</dt><dd class="mono">{name}</dd>
                            <dt>"I sign in by"</dt><dd>{signs_in_by(source)}</dd>
                            <dt>"This session ends"</dt><dd>{moment(expires_ms, "not by itself")}</dd>
                        </dl>
                        <h3>"What I may do"</h3>
                        {match given_by {
                            Some(by) => by.explanation(&rights).into_any(),
                            None => in_words(&rights).into_any(),
                        }}
                    </section>
                    <section class="office-section" aria-labelledby="password">
                        <h2 id="password">"Password"</h2>
                        {password}
                    </section>
                </div>
                <section class="office-section" aria-labelledby="sessions">
                    <h2 id="sessions">"My sessions"</h2>
                    {sessions(open, "/account/sessions")}
                    {others}
                </section>
                {tokens.view()}
            </div>
        }
    }
}

/// How one's own password is changed.
fn password(source: &str, name: &str, errors: [Option<String>; 3]) -> AnyView {
    let [current, new, again] = errors;
    if source != "password" {
        return view! { <p class="lead">"You sign in through an identity provider; change your password there."</p> }.into_any();
    }
    view! {
        <form class="form" method="post" action="/account/password">
            <input type="text" name="user" value=name.to_owned() autocomplete="username" hidden readonly/>
            {password_field("current", "Current password", "current-password", "", current)}
            {password_field("new", "New password", "new-password", "A few words make a good one; what is too short is refused", new)}
            {password_field("again", "New password again", "new-password", "", again)}
            <p class="form-actions"><button data-look="primary">"Change password"</button></p>
            <p class="hint">"Your other sessions end; this one stays."</p>
        </form>
    }
    .into_any()
}
