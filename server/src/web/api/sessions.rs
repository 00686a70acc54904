//! One's own sessions and password over HTTP: `/api/v1/sessions`, `/api/v1/password`.
//!
//! Invariant: no key of a session is ever told, only its public id; nobody changes a password without the
//! one that holds.

use axum::{
    Extension,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use domain::{access::Need, account::UserName};
use engine::store::directory::Session;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    form::{Given, answer, time},
    users::told,
};
use crate::{
    people::People,
    registrar::caller::Caller,
    web::{Front, map, probes::Refusal},
};

/// A change of one's own password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passwords {
    current: String,
    new: String,
}

/// `GET /api/v1/sessions`.
pub async fn list(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let me = myself(&caller)?;
    of(&People::new(&front.registrar, &caller), &me).await
}

/// `DELETE /api/v1/sessions`: ends all but this one.
pub async fn end_others(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
) -> Result<Response, Refusal> {
    let me = myself(&caller)?;
    let ended = People::new(&front.registrar, &caller).end_sessions(&me).await;
    ended.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/v1/sessions/{id}`.
pub async fn end(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let me = myself(&caller)?;
    let ended = People::new(&front.registrar, &caller).end_session(&me, &id).await;
    ended.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `PUT /api/v1/password` with `{current, new}`; the other sessions end.
pub async fn change_password(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Given(Passwords { current, new }): Given<Passwords>,
) -> Result<Response, Refusal> {
    let changed = People::new(&front.registrar, &caller).change_password(&current, &new).await;
    changed.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Somebody's sessions as an answer.
pub(super) async fn of(people: &People, user: &UserName) -> Result<Response, Refusal> {
    let held = people.sessions(user).await.map_err(|error| told(&error))?;
    let sessions: Vec<Value> = held.iter().map(|session| described(people, session)).collect();
    Ok(answer(StatusCode::OK, &json!({"sessions": sessions, "next": null})))
}

fn described(people: &People, session: &Session) -> Value {
    json!({
        "id": session.digest.id(), "user": session.user, "current": people.is_this(&session.digest),
        "created": time(session.created_ms), "seen": time(session.seen_ms), "expires": time(session.expires_ms),
        "from": session.from, "agent": session.agent,
    })
}

/// Who asks, by name.
pub fn myself(caller: &Caller) -> Result<UserName, Refusal> {
    caller.user.clone().ok_or_else(|| map::forbidden(Need::SignIn).into())
}
