//! The door as people see it: signing in, and making the first user.
//!
//! Invariant: no password is ever written into a page.

use leptos::prelude::*;

/// `/login`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Login {
    /// Where to go on, an address on this server.
    pub next: String,
    /// The name that was typed.
    pub user: String,
    /// Why it did not work.
    pub error: Option<String>,
    /// How long to wait before the next try, in seconds.
    pub throttled: Option<u64>,
    /// Whether nobody can sign in because there is no user at all.
    pub set_up_first: bool,
    /// Host of an identity provider that may be used instead.
    pub provider: Option<String>,
    /// Where they just signed out here and are perhaps signed in still.
    pub signed_out: Option<SignedOut>,
}

/// A provider at which somebody may be signed in still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedOut {
    /// Its host.
    pub host: String,
    /// Where they sign out there, too; none: it offers that not.
    pub href: Option<String>,
}

impl SignedOut {
    fn view(self) -> impl IntoView {
        let Self { host, href } = self;
        let says = format!(
            "You may still be signed in at {host}: whoever uses this browser next could come back in without a password."
        );
        let way = href.map(|href| {
            view! { <p class="form-actions"><a class="button" href=href rel="external">{format!("Sign out at {host}, too")}</a></p> }
        });
        view! {
            <div class="callout" data-tone="info" role="status"><h2>"You are signed out here"</h2><p>{says}</p>{way}</div>
        }
    }
}

impl Login {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { next, user, error, throttled, set_up_first, provider, signed_out } = self;
        let error = error.map(|error| {
            let more = throttled.map(|seconds| {
                view! { <p>"Further tries before " {seconds} " s have passed are not looked at."</p> }
            });
            view! { <div class="callout" data-tone="error" role="alert"><p>{error}</p>{more}</div> }
        });
        let first = set_up_first.then(|| {
            view! {
                <div class="callout" data-tone="info" role="status">
                    <h2>"Nobody has an account here yet"</h2>
                    <p>"The server printed a one-time set-up link on its console when it started. Open that link to make the first admin. It is made anew at each start."</p>
                </div>
            }
        });
        let way = format!("/login/oidc?next={}", encode(&next));
        let provider = provider.map(|name| {
            view! { <p class="form-actions"><a class="button" href=way rel="external">{format!("Sign in with {name}")}</a></p> }
        });
        view! {
            <div class="gate">
                <img src="/favicon.svg" alt="" width="32" height="32"/>
                <h1>"Sign in to HNP"</h1>
                {first}
                {signed_out.map(SignedOut::view)}
                {error}
                <form class="form" method="post" action="/login">
                    <input type="hidden" name="next" value=next/>
                    <p class="field">
                        <label for="user">"User name"</label>
                        <input id="user" name="user" value=user autocomplete="username" autocapitalize="none" spellcheck="false" required maxlength="64"/>
                    </p>
                    <p class="field">
                        <label for="password">"Password"</label>
                        <input id="password" name="password" type="password" autocomplete="current-password" required/>
                    </p>
                    <p class="form-actions"><button data-look="primary">"Sign in"</button></p>
                </form>
                {provider}
                <details class="more">
                    <summary>"Password forgotten?"</summary>
                    <p class="hint">"An admin sets a new one under Settings › Users. If no admin can sign in, run this on the server, in its folder:"</p>
                    <pre class="listing">"hnp user passwd NAME"</pre>
                    <p class="hint">"It works while the server runs and while it does not; every session of that user ends."</p>
                </details>
            </div>
        }
    }
}

/// `/setup/{token}`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SetUp {
    /// The token of the link.
    pub token: String,
    /// The name that was typed.
    pub user: String,
    /// What is wrong with the name.
    pub name: Option<String>,
    /// What is wrong with the password.
    pub password: Option<String>,
    /// What is wrong with its repetition.
    pub again: Option<String>,
}

impl SetUp {
    /// The page.
    pub fn view(self) -> impl IntoView {
        let Self { token, user, name, password, again } = self;
        let action = format!("/setup/{}", encode(&token));
        let wrong = [&name, &password, &again].map(|error| error.is_some().then_some("true"));
        let [wrong_name, wrong_password, wrong_again] = wrong;
        view! {
            <div class="gate">
                <img src="/favicon.svg" alt="" width="32" height="32"/>
                <h1>"Make the first admin"</h1>
                <p class="lead">"This link works once. Afterwards you register your first fabric; further people get their accounts from you."</p>
                <form class="form" method="post" action=action>
                    <p class="field" data-invalid=wrong_name>
                        <label for="user">"User name"</label>
                        <input id="user" name="user" value=user autocomplete="username" autocapitalize="none" spellcheck="false" required
                            maxlength="64" aria-invalid=wrong_name aria-describedby="user-says"/>
                        {says("user-says", name, "Letters, digits and . _ - @ +")}
                    </p>
                    <p class="field" data-invalid=wrong_password>
                        <label for="password">"Password"</label>
                        <input id="password" name="password" type="password" autocomplete="new-password" required
                            aria-invalid=wrong_password aria-describedby="password-says"/>
                        {says("password-says", password, "A few words make a good one; what is too short is refused")}
                    </p>
                    <p class="field" data-invalid=wrong_again>
                        <label for="again">"Password again"</label>
                        <input id="again" name="again" type="password" autocomplete="new-password" required
                            aria-invalid=wrong_again aria-describedby="again-says"/>
                        {says("again-says", again, "")}
                    </p>
                    <p class="form-actions"><button data-look="primary">"Create admin and sign in"</button></p>
                </form>
            </div>
        }
    }
}

/// What is said under a field: what is wrong with it, else a hint.
pub fn says(id: &'static str, error: Option<String>, hint: &'static str) -> impl IntoView {
    match error {
        Some(error) => view! { <span class="error" id=id>{error}</span> }.into_any(),
        None => view! { <span class="hint" id=id>{hint}</span> }.into_any(),
    }
}

/// A set-up link that works no more.
pub fn used_up() -> impl IntoView {
    view! {
        <div class="gate">
            <img src="/favicon.svg" alt="" width="32" height="32"/>
            <h1>"This set-up link works no more"</h1>
            <p class="lead">"It was used already, or the server was started again since and printed a newer one on its console."</p>
            <p class="form-actions"><a class="button" data-look="primary" href="/login" rel="external">"Sign in"</a></p>
        </div>
    }
}

/// What was refused before any page could say so: what, why, and a word to report it by.
pub fn refused(heading: &'static str, detail: &str, code: &str) -> impl IntoView + use<> {
    let (detail, code) = (sentence(detail), code.to_owned());
    view! {
        <div class="gate">
            <img src="/favicon.svg" alt="" width="32" height="32"/>
            <h1>{heading}</h1>
            <p class="lead" role="alert">{detail}</p>
            <p class="muted"><code>{code}</code></p>
            <p class="form-actions"><a class="button" data-look="primary" href="/" rel="external">"Overview"</a></p>
        </div>
    }
}

/// A detail as a sentence of its own: with a capital and a full stop.
fn sentence(detail: &str) -> String {
    let mut rest = detail.trim_end_matches('.').chars();
    let first: String = rest.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", rest.as_str())
}

/// A text as a part of an address.
fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            if plain { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_a_sentence_whatever_it_was() {
        for (detail, said) in
            [("send less; it is large", "Send less; it is large."), ("Élan.", "Élan."), ("", ".")]
        {
            assert_eq!(sentence(detail), said);
        }
    }
}
