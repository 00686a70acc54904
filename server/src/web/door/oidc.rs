//! The door to the identity provider and back: `/login/oidc`, `/login/oidc/callback`.
//!
//! Whatever goes wrong, the page of the door says what it was; passwords work all the same.
//!
//! Invariant: nobody comes in whose browser did not begin the attempt; an attempt counts once; no code and no
//! token is shown, logged or audited.

use axum::{
    Extension,
    extract::{Query, RawQuery, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use domain::audit::{Act, Deed};
use engine::{clock::now_ms, store::directory::User};
use tower_sessions::{Session, cookie::Cookie};

use super::{
    Proof,
    forms::{Way, door},
    open,
};
use crate::{
    oidc::{
        Person, Provider,
        admit::Desk,
        attempt::{self, Attempt},
        trouble::{AttemptError, OidcError, PersonError},
    },
    registrar::{SignInError, caller::Caller},
    web::{Front, office},
};
use app::office::door::Login;

/// `GET /login/oidc`: to the provider.
pub async fn begin(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(way): Query<Way>,
) -> Response {
    let next = way.safe();
    if caller.is_somebody() {
        return Redirect::to(&next).into_response();
    }
    let Some(provider) = &front.oidc else { return none(&front, next).await };
    let (url, attempt) = match provider.begin(next.clone(), now_ms()).await {
        Ok(begun) => begun,
        Err(trouble) => return refused(&front, &trouble.into(), next).await,
    };
    match attempt.cookie(&front.vault, front.secure_cookies) {
        Ok(cookie) => with_cookie(Redirect::to(url.as_str()).into_response(), &cookie),
        Err(error) => {
            tracing::error!(%error, "a sign-in could not be sealed");
            let error = SignInError::from(engine::store::StoreError::Failed {
                what: "seal a sign-in",
                message: error.to_string(),
            });
            super::refused(&error)
        }
    }
}

/// `GET /login/oidc/callback`: back from the provider.
pub async fn finish(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let Some(provider) = &front.oidc else { return none(&front, "/".to_owned()).await };
    let answer = Answer::of(query.as_deref().unwrap_or_default());
    let cookie = carried(&headers);
    let attempt = Attempt::of_cookie(&front.vault, cookie.as_deref(), &answer.state, now_ms());
    let next = attempt.as_ref().map_or("/", Attempt::next).to_owned();
    let mut response = match come_in(&front, provider, &caller, (attempt, answer)).await {
        Ok((user, person)) => {
            let proof = Proof::Provider(&person.identity);
            match open(&front, &caller, &session, &headers, (&user, proof)).await {
                Ok(()) => Redirect::to(place(&user, &next)).into_response(),
                Err(error) => super::refused(&error),
            }
        }
        // They came back twice, by a button of the browser: they are in.
        Err(OidcError::Attempt(_)) if caller.is_somebody() => Redirect::to(&next).into_response(),
        Err(error) => refused(&front, &error, next).await,
    };
    if cookie.is_some() {
        response = with_cookie(response, &attempt::gone(front.secure_cookies));
    }
    response
}

/// Where somebody goes on: who may see nothing yet is told so on their account page.
fn place<'a>(user: &User, next: &'a str) -> &'a str {
    if user.rights.is_empty() { "/account" } else { next }
}

/// What the provider sent along.
#[derive(Default)]
struct Answer {
    code: Option<String>,
    state: String,
    issuer: Option<String>,
    error: Option<String>,
    description: Option<String>,
}

impl Answer {
    /// The first of each counts.
    fn of(query: &str) -> Self {
        let find = |wanted: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned())
        };
        Self {
            code: find("code").filter(|code| !code.is_empty()),
            state: find("state").unwrap_or_default(),
            issuer: find("iss"),
            error: find("error"),
            description: find("error_description"),
        }
    }

    /// Why there is no code, in the provider's words.
    fn denial(&self) -> Option<String> {
        let error = self.error.as_deref()?;
        let said = self.description.as_deref().unwrap_or_default();
        let text = match error {
            "access_denied" if said.is_empty() => "it was declined there".to_owned(),
            error if said.is_empty() => error.to_owned(),
            error => format!("{said} ({error})"),
        };
        let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
        Some(shown.take(300).collect())
    }
}

/// Who comes in with an answer. Failures are counted and written down.
async fn come_in(
    front: &Front,
    provider: &Provider,
    caller: &Caller,
    (attempt, answer): (Result<Attempt, AttemptError>, Answer),
) -> Result<(User, Person), OidcError> {
    if let Some(seconds) = front.registrar.is_slowed(caller.from).await? {
        return Err(OidcError::Throttled { seconds });
    }
    let mut known = None;
    let proved = prove(front, provider, (attempt, answer)).await;
    let admitted = match proved {
        Ok(person) => {
            let desk = Desk { registrar: &front.registrar, from: caller.from, provider };
            let admitted = desk.admit(&person).await;
            known = Some(person.clone());
            admitted.map(|user| (user, person))
        }
        Err(error) => Err(error),
    };
    if let Err(error) = &admitted {
        // A provider that fails is nobody's guess.
        if !matches!(error, OidcError::Provider(_) | OidcError::Order(_)) {
            front.registrar.slow_down(caller.from).await?;
        }
        write_down(front, caller, error, known.as_ref()).await;
    }
    admitted
}

/// Whom an answer proves.
async fn prove(
    front: &Front,
    provider: &Provider,
    (attempt, answer): (Result<Attempt, AttemptError>, Answer),
) -> Result<Person, OidcError> {
    let attempt = attempt?;
    if !front.registrar.is_first_use(&attempt.key()).await? {
        return Err(AttemptError::Used.into());
    }
    // RFC 9207: an answer of another provider than the one that was asked.
    if answer.issuer.as_deref().is_some_and(|issuer| issuer != provider.issuer()) {
        return Err(AttemptError::Foreign.into());
    }
    if let Some(denial) = answer.denial() {
        return Err(OidcError::Denied(denial));
    }
    let code = answer.code.ok_or(AttemptError::Malformed)?;
    provider.finish(&attempt, code).await
}

async fn write_down(front: &Front, caller: &Caller, error: &OidcError, known: Option<&Person>) {
    let on = match (error, known) {
        (OidcError::Person(PersonError::Disabled(name) | PersonError::LastAdmin(name)), _) => {
            format!("user/{name}")
        }
        _ => "user/?".to_owned(),
    };
    let why = match known {
        Some(person) => format!("by the identity provider: {error}; {}", person.identity),
        None => format!("by the identity provider: {error}"),
    };
    let deed = Deed::refused(Caller::nobody(caller.from).doer(), Act::SignIn, on, why);
    front.registrar.tell(&deed).await;
}

/// The page of the door with what went wrong.
async fn refused(front: &Front, error: &OidcError, next: String) -> Response {
    let mut throttled = None;
    let status = match error {
        OidcError::Attempt(_) => StatusCode::BAD_REQUEST,
        OidcError::Denied(_) | OidcError::Token(_) => StatusCode::UNAUTHORIZED,
        OidcError::Person(_) => StatusCode::FORBIDDEN,
        OidcError::Throttled { seconds } => {
            throttled = Some(*seconds);
            StatusCode::TOO_MANY_REQUESTS
        }
        OidcError::Provider(_) | OidcError::Order(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    let said = match error {
        OidcError::Provider(trouble) => {
            format!(
                "Signing in through the identity provider does not work now: {trouble}. Passwords work as before."
            )
        }
        error => format!("Not signed in: {error}."),
    };
    let page = Login { error: Some(said), throttled, ..door(front, next).await };
    office::bare(status, "Sign in", page.view())
}

/// There is no provider.
async fn none(front: &Front, next: String) -> Response {
    let error = "No identity provider is configured here; sign in with a password.".to_owned();
    let page = Login { error: Some(error), ..door(front, next).await };
    office::bare(StatusCode::NOT_FOUND, "Sign in", page.view())
}

/// The cookie of an attempt.
fn carried(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    lines
        .flat_map(|line| Cookie::split_parse(line.to_owned()))
        .filter_map(Result::ok)
        .find(|cookie| cookie.name() == attempt::COOKIE)
        .map(|cookie| cookie.value().to_owned())
}

fn with_cookie(mut response: Response, cookie: &Cookie<'_>) -> Response {
    if let Ok(value) = HeaderValue::from_str(&cookie.to_string()) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}
