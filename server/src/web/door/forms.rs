//! The door as pages: `/login`, `/logout` and `/setup/{token}`, which work without any script.

use app::office::door::{Login, SetUp, SignedOut};
use axum::{
    Extension, Form,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
};
use domain::{
    access::{Rights, Role},
    account::UserName,
    audit::{Act, Deed},
};
use engine::store::directory::{NewUser, Order, OrderError, User};
use serde::Deserialize;
use serde_json::json;
use tower_sessions::Session;

use super::{Credentials, Proof, admit, leave, open};
use crate::{
    registrar::{SignInError, caller::Caller, secret, sessions::PROVIDER},
    web::{Front, next, office},
};

/// Where somebody wants to go once they are in.
#[derive(Debug, Deserialize)]
pub struct Way {
    #[serde(default)]
    next: Option<String>,
    /// `provider`: they just signed out of a session that a provider vouched for.
    #[serde(default, rename = "signed-out")]
    signed_out: Option<String>,
}

impl Way {
    /// The address on this server, if it is one.
    pub(super) fn safe(&self) -> String {
        self.next.as_deref().and_then(next::safe).unwrap_or("/").to_owned()
    }
}

/// The form of `/login`.
#[derive(Deserialize)]
pub struct LoginForm {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: Option<String>,
}

/// `GET /login`.
pub async fn login(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(way): Query<Way>,
) -> Response {
    if caller.is_somebody() {
        return Redirect::to(&way.safe()).into_response();
    }
    let provider = front.oidc.as_ref().filter(|_| way.signed_out.as_deref() == Some("provider"));
    let signed_out = provider
        .map(|provider| SignedOut { host: provider.host().to_owned(), href: provider.farewell() });
    let page = Login { signed_out, ..door(&front, way.safe()).await };
    office::bare(StatusCode::OK, "Sign in", page.view())
}

/// `POST /login`.
pub async fn enter(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let next = Way { next: form.next.clone(), signed_out: None }.safe();
    let credentials = Credentials { user: form.user, password: form.password };
    let Err(error) = admit(&front, &caller, &session, &headers, &credentials).await else {
        return Redirect::to(&next).into_response();
    };
    let (status, throttled) = match &error {
        SignInError::BadCredentials => (StatusCode::UNAUTHORIZED, None),
        SignInError::Throttled { seconds } => (StatusCode::TOO_MANY_REQUESTS, Some(*seconds)),
        SignInError::Order(_) | SignInError::Password(_) => (StatusCode::SERVICE_UNAVAILABLE, None),
    };
    let error = Some(error.to_string());
    let page = Login { user: credentials.user, error, throttled, ..door(&front, next).await };
    office::bare(status, "Sign in", page.view())
}

/// `POST /logout`.
pub async fn exit(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
) -> Response {
    // Read before it is gone; where it cannot be read, leaving says why.
    let vouched = session.get::<bool>(PROVIDER).await.ok().flatten() == Some(true);
    if let Err(error) = leave(&front, &caller, &session).await {
        return super::refused(&error);
    }
    // A form leads to no other site (`form-action`): the page of the door offers the way to the provider.
    let way = if vouched { "/login?signed-out=provider" } else { "/login" };
    Redirect::to(way).into_response()
}

/// The page of the door as it is for everybody, with the way on.
pub(super) async fn door(front: &Front, next: String) -> Login {
    let provider = front.oidc.as_ref().map(|provider| provider.host().to_owned());
    Login { next, set_up_first: nobody_yet(front).await, provider, ..Login::default() }
}

/// The form of `/setup/{token}`.
#[derive(Deserialize)]
pub struct SetUpForm {
    #[serde(default)]
    user: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    again: String,
}

/// `GET /setup/{token}`.
pub async fn setup(State(front): State<Front>, Path(token): Path<String>) -> Response {
    let known = front.registrar.directory().is_set_up_token(&secret::digest(&token)).await;
    match known {
        Ok(true) => {
            let page = SetUp { token, user: "admin".to_owned(), ..SetUp::default() };
            office::bare(StatusCode::OK, "Set up HNP", page.view())
        }
        Ok(false) => used_up(),
        Err(error) => super::refused(&SignInError::from(error)),
    }
}

/// `POST /setup/{token}`.
pub async fn found(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
    Path(token): Path<String>,
    headers: HeaderMap,
    Form(form): Form<SetUpForm>,
) -> Response {
    let page = SetUp { token: token.clone(), user: form.user.clone(), ..SetUp::default() };
    let say =
        |page: SetUp| office::bare(StatusCode::UNPROCESSABLE_ENTITY, "Set up HNP", page.view());
    if form.password != form.again {
        let again = Some("the two passwords differ; type the same one twice".to_owned());
        return say(SetUp { again, ..page });
    }
    let user = match set_up(&front, &caller, &token, &form.user, &form.password).await {
        Ok(user) => user,
        Err(SetUpError::Name(name)) => return say(SetUp { name: Some(name), ..page }),
        Err(SetUpError::Password(word)) => return say(SetUp { password: Some(word), ..page }),
        Err(SetUpError::SignIn(SignInError::Order(OrderError::SetUpUsed))) => return used_up(),
        Err(SetUpError::SignIn(error)) => return super::refused(&error),
    };
    match open(&front, &caller, &session, &headers, (&user, Proof::Ours)).await {
        // Somebody who just arrived has nothing to see before there is a fabric.
        Ok(()) if front.hub.fabrics().is_empty() => {
            Redirect::to("/settings/fabrics/new").into_response()
        }
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => super::refused(&error),
    }
}

fn used_up() -> Response {
    office::bare(StatusCode::GONE, "Set up HNP", app::office::door::used_up())
}

/// The first user, against the set-up token.
async fn set_up(
    front: &Front,
    caller: &Caller,
    token: &str,
    name: &str,
    password: &str,
) -> Result<User, SetUpError> {
    let name: UserName = name.parse().map_err(|error| SetUpError::Name(format!("{error}")))?;
    front
        .registrar
        .judge(password, &name)
        .map_err(|problem| SetUpError::Password(problem.to_string()))?;
    let hash = front.registrar.passwords().hash(password).await.map_err(SignInError::from)?;
    let rights = Rights::everywhere(Role::Admin);
    let user = NewUser { name: name.clone(), password: Some(hash), oidc: None, rights };
    let deed = Deed::done(caller.doer(), Act::SetUp, format!("user/{name}"))
        .changing(None, Some(json!({"user": name, "roles": ["admin"]})));
    let order = Order::SetUp { token: secret::digest(token), user };
    front.registrar.order(order, &deed).await.map_err(SignInError::from)?;
    let made = front.registrar.directory().user(&name).await.map_err(SignInError::from)?;
    made.ok_or(SetUpError::SignIn(SignInError::BadCredentials))
}

/// Why the first user was not made.
enum SetUpError {
    Name(String),
    Password(String),
    SignIn(SignInError),
}

impl From<SignInError> for SetUpError {
    fn from(error: SignInError) -> Self {
        Self::SignIn(error)
    }
}

/// Whether there is no user at all; nobody is told that the database fails.
async fn nobody_yet(front: &Front) -> bool {
    front.registrar.directory().has_users().await.is_ok_and(|any| !any)
}
