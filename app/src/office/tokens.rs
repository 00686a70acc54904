//! API tokens: `/settings/tokens`, and as a part of one's account.
//!
//! Invariant: a token is on the one page that answers its making, and on no other.

use leptos::prelude::*;

use super::{
    people::{Done, TokenLine, refused, tokens},
    rights::RightsFields,
    tabs,
};

/// One's own tokens, with a form for one more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnTokens {
    /// The page that they are on: where forms are posted to.
    pub base: &'static str,
    /// The tokens.
    pub lines: Vec<TokenLine>,
    /// A token that was just made, in clear.
    pub made: Option<String>,
    /// The label that was typed.
    pub label: String,
    /// What is wrong with it.
    pub label_error: Option<String>,
    /// The life that was chosen.
    pub life: String,
    /// What is wrong with that.
    pub life_error: Option<String>,
    /// Whether it is to do all that its owner may.
    pub all: bool,
    /// What it may do, if not.
    pub rights: RightsFields,
    /// Why tokens cannot be made.
    pub closed: Option<String>,
}

/// Lives to choose from.
const LIVES: [(&str, &str); 6] = [
    ("1h", "one hour"),
    ("1d", "one day"),
    ("7d", "one week"),
    ("30d", "30 days"),
    ("90d", "90 days"),
    ("365d", "one year"),
];

impl OwnTokens {
    /// As a part of a page.
    pub fn view(self) -> impl IntoView {
        let Self { base, lines, made, label, label_error, life, life_error, all, rights, closed } =
            self;
        let revoke = format!("{base}/tokens/revoke");
        let form = match closed {
            Some(reason) => view! {
                <span class="unavailable"><button type="button" disabled aria-describedby="token-why">"Make a token"</button><span class="hint" id="token-why">{reason}</span></span>
            }
            .into_any(),
            None => form(base, (label, label_error), (&life, life_error), all, rights).into_any(),
        };
        view! {
            <section class="office-section" aria-labelledby="own-tokens">
                <h2 id="own-tokens">"My API tokens"</h2>
                <p class="lead">"Programs send a token as "<code>"Authorization: Bearer …"</code>" instead of signing in. It never does more than you may yourself."</p>
                {made.map(shown_once)}
                {tokens(lines, &revoke, false, "Table of my tokens")}
                {form}
            </section>
        }
    }
}

fn shown_once(token: String) -> impl IntoView {
    view! {
        <div class="callout" data-tone="ok" role="status">
            <h3>"The token was made"</h3>
            <p>"Copy it now: it is shown this once and kept nowhere."</p>
            <p class="secret"><code id="new-token">{token}</code><button type="button" data-copy="new-token">"Copy"</button></p>
        </div>
    }
}

fn form(
    base: &str,
    (label, label_error): (String, Option<String>),
    (life, life_error): (&str, Option<String>),
    all: bool,
    rights: RightsFields,
) -> impl IntoView + use<> {
    let wrong = label_error.is_some().then_some("true");
    let said = match label_error {
        Some(error) => view! { <span class="error" id="label-says">{error}</span> }.into_any(),
        None => {
            view! { <span class="hint" id="label-says">"What it is for, such as “grafana”"</span> }
                .into_any()
        }
    };
    let lives = LIVES.map(|(value, word)| {
        view! { <option value=value selected=value == life>{word}</option> }
    });
    let open = wrong.is_some() || life_error.is_some() || rights.error.is_some();
    let life_error = life_error.map(|error| view! { <span class="error">{error}</span> });
    view! {
        <details class="more" open=open>
            <summary>"Make a token"</summary>
            <form class="form" method="post" action=format!("{base}/tokens")>
                <div class="field-row">
                    <p class="field" data-invalid=wrong>
                        <label for="label">"Label"</label>
                        <input id="label" name="label" value=label required maxlength="80" autocomplete="off" aria-invalid=wrong aria-describedby="label-says"/>
                        {said}
                    </p>
                    <p class="field">
                        <label for="life">"Works for"</label>
                        <select id="life" name="life">{lives.collect_view()}</select>
                        {life_error}
                    </p>
                </div>
                <fieldset class="group">
                    <legend>"Scope"</legend>
                    <label class="check"><input type="radio" name="scope" value="all" checked=all/>"All that I may do"</label>
                    <label class="check"><input type="radio" name="scope" value="some" checked=!all/>"Only the roles chosen below"</label>
                </fieldset>
                {rights.view("Roles of the token", "They count only with “Only the roles chosen below”.")}
                <p class="form-actions"><button data-look="primary">"Make token"</button></p>
            </form>
        </details>
    }
}

/// `/settings/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokensPage {
    /// What was just done.
    pub done: Option<Done>,
    /// Why something was not done.
    pub error: Option<String>,
    /// One's own.
    pub own: OwnTokens,
    /// Everybody's, for those who manage users; with where there are more of them.
    pub all: Option<Vec<TokenLine>>,
    /// Why there are only one's own.
    pub closed: Option<String>,
}

impl TokensPage {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { done, error, own, all, closed } = self;
        let all = all.map(|lines| {
            view! {
                <section class="office-section" aria-labelledby="all-tokens">
                    <h2 id="all-tokens">"Tokens of everybody"</h2>
                    {tokens(lines, "/settings/tokens/tokens/revoke", true, "Table of everybody's tokens")}
                </section>
            }
        });
        let closed = closed.map(|reason| {
            view! { <p class="hint">"Tokens of others: "{reason}</p> }
        });
        view! {
            <div class="office-page">
                <header class="office-head"><h1>"Tokens"</h1></header>
                {tabs::settings(tabs::Tab::Tokens)}
                {done.map(Done::view)}
                {error.map(refused)}
                {own.view()}
                {all}
                {closed}
            </div>
        }
    }
}
