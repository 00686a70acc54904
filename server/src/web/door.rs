//! The door: signing in and out, who one is, and the set-up of the first user.
//!
//! The form at `/login` and `POST /api/v1/session` are one handler; what differs is how the answer looks.
//!
//! Invariant: a failed attempt says the same whatever was wrong; a session that was there before somebody
//! signed in never becomes theirs; nobody is sent to another site.

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use domain::{
    access::{Action, Place, Rights, Subject},
    audit::{Act, Deed},
    time::Timestamp,
    topic::FabricId,
};
use engine::{
    clock::now_ms,
    store::directory::{Order, OrderError, User},
};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tower_sessions::{Expiry, Session};

use super::{Front, doorman, map::unauthorized, probes::problem};
use crate::registrar::{
    SignInError,
    caller::{Caller, Credential},
    secret,
    sessions::{AGENT, FROM, OPENED, PROVIDER, USER},
};

pub mod forms;
pub mod oidc;

/// By what somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof<'a> {
    /// A password, or the set-up link.
    Ours,
    /// A provider vouches for this identity.
    Provider(&'a str),
}

/// What somebody signs in with.
#[derive(Deserialize)]
pub struct Credentials {
    /// Name.
    user: String,
    /// Password.
    password: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

/// `GET /api/v1/session`: who am I, and what may I do. 401 for nobody; 503 while there is no place for a
/// live link: a browser cannot see why its socket was refused, and asks here.
pub async fn who(State(front): State<Front>, Extension(caller): Extension<Caller>) -> Response {
    if front.cancel.is_cancelled() {
        return doorman::closing();
    }
    if caller.from.is_some_and(|from| front.doorman.is_full(from, &front.limits)) {
        return doorman::full();
    }
    if !caller.is_somebody() {
        return unauthorized("nobody is signed in; use `/login`, or send an API token");
    }
    no_store(Json(described(&front, &caller)).into_response())
}

/// `POST /api/v1/session` with `{user,password}`.
pub async fn sign_in(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
    headers: HeaderMap,
    Json(credentials): Json<Credentials>,
) -> Response {
    let signed_in = admit(&front, &caller, &session, &headers, &credentials).await;
    match signed_in {
        Ok(user) => {
            let expires = now_ms() + front.registrar.terms().ttl_ms;
            let body = json!({"user": user.name, "roles": roles(&user.rights), "expires": time_of(expires)});
            no_store(Json(body).into_response())
        }
        Err(error) => refused(&error),
    }
}

/// `DELETE /api/v1/session`: signs out.
pub async fn sign_out(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    session: Session,
) -> Response {
    if !matches!(caller.credential, Credential::Session(_)) {
        let detail = "only a session can be ended here; revoke a token at `/api/v1/tokens`";
        return problem(StatusCode::CONFLICT, "no_session", detail);
    }
    match leave(&front, &caller, &session).await {
        Ok(()) => no_store(StatusCode::NO_CONTENT.into_response()),
        Err(error) => refused(&error),
    }
}

/// Signs somebody in and opens their session.
async fn admit(
    front: &Front,
    caller: &Caller,
    session: &Session,
    headers: &HeaderMap,
    credentials: &Credentials,
) -> Result<User, SignInError> {
    let Credentials { user, password } = credentials;
    let user = front.registrar.sign_in(user, password, caller.from).await?;
    open(front, caller, session, headers, (&user, Proof::Ours)).await?;
    Ok(user)
}

/// Opens a session for somebody who proved who they are; whatever this browser held before ends.
pub async fn open(
    front: &Front,
    caller: &Caller,
    session: &Session,
    headers: &HeaderMap,
    (user, proof): (&User, Proof<'_>),
) -> Result<(), SignInError> {
    let broken = |error: tower_sessions::session::Error| {
        SignInError::Order(OrderError::Store(engine::store::StoreError::Failed {
            what: "open a session",
            message: error.to_string(),
        }))
    };
    if session.id().is_some() {
        session.flush().await.map_err(broken)?;
    }
    let now = now_ms();
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let from = caller.from.map(|from| from.to_string());
    session.insert(USER, &user.name).await.map_err(broken)?;
    session.insert(OPENED, now).await.map_err(broken)?;
    session.insert(FROM, from).await.map_err(broken)?;
    session.insert(AGENT, agent).await.map_err(broken)?;
    if let Proof::Provider(_) = proof {
        session.insert(PROVIDER, true).await.map_err(broken)?;
    }
    let ends = (now + front.registrar.terms().ttl_ms) / 1_000;
    if let Ok(ends) = OffsetDateTime::from_unix_timestamp(ends) {
        session.set_expiry(Some(Expiry::AtDateTime(ends)));
    }
    session.save().await.map_err(broken)?;
    let credential = session.id().map(|id| secret::digest(&id.to_string()));
    let doer = domain::audit::Doer {
        user: Some(user.name.to_string()),
        means: domain::access::Means::Session,
        credential: credential.map(|digest| digest.id().to_owned()),
        from: caller.from.map(|from| from.to_string()),
    };
    let mut deed = Deed::done(doer, Act::SignIn, format!("user/{}", user.name));
    if let Proof::Provider(identity) = proof {
        deed = deed.because(format!("by the identity provider: {identity}"));
    }
    front.registrar.order(Order::Tell, &deed).await?;
    Ok(())
}

async fn leave(front: &Front, caller: &Caller, session: &Session) -> Result<(), SignInError> {
    let on =
        caller.user.as_ref().map_or_else(|| "user/?".to_owned(), |user| format!("user/{user}"));
    if let Credential::Session(digest) = &caller.credential {
        let deed = Deed::done(caller.doer(), Act::SignOut, on);
        let order = Order::EndSession(digest.clone());
        match front.registrar.order(order, &deed).await {
            // Gone already is as good.
            Ok(_) | Err(OrderError::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    // The row is gone; this takes the cookie back.
    if let Err(error) = session.flush().await {
        tracing::warn!(%error, "the cookie of a session could not be taken back");
    }
    Ok(())
}

/// Who somebody is and what they may do, as `GET /api/v1/session` tells it.
fn described(front: &Front, caller: &Caller) -> Value {
    let may = |subject: Subject<'_>, place: Place| -> Vec<&'static str> {
        let all = Action::ALL.into_iter().filter(|action| action.place() == place);
        all.filter(|action| caller.who.may(*action, subject)).map(Action::word).collect()
    };
    let fabrics: Vec<FabricId> =
        front.hub.fabrics().into_iter().filter(|fabric| caller.who.sees(fabric)).collect();
    let on_fabrics: serde_json::Map<String, Value> = fabrics
        .iter()
        .map(|fabric| (fabric.to_string(), json!(may(Subject::Fabric(fabric), Place::Fabric))))
        .collect();
    json!({
        "user": caller.user, "roles": roles(&caller.who.rights), "expires": caller.expires_ms.map(time_of),
        "means": caller.who.means, "may": may(Subject::House, Place::House), "fabrics": on_fabrics,
    })
}

/// Roles as words: `admin`, `operator:prod`.
pub fn roles(rights: &Rights) -> Vec<String> {
    let everywhere = rights.everywhere.iter().map(|role| role.word().to_owned());
    let single = rights.fabrics.iter().map(|(fabric, role)| format!("{role}:{fabric}"));
    everywhere.chain(single).collect()
}

fn time_of(ms: i64) -> Option<String> {
    Timestamp::from_unix_ms(ms).ok().map(|time| time.to_string())
}

fn refused(error: &SignInError) -> Response {
    match error {
        SignInError::BadCredentials => {
            problem(StatusCode::UNAUTHORIZED, "bad_credentials", &error.to_string())
        }
        SignInError::Throttled { seconds } => {
            let detail = error.to_string();
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "throttled", &detail);
            if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response
        }
        SignInError::Order(_) | SignInError::Password(_) => {
            tracing::error!(%error, "signing in failed");
            problem(StatusCode::SERVICE_UNAVAILABLE, "directory_unavailable", &error.to_string())
        }
    }
}

fn no_store(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
