//! API tokens over HTTP: `/api/v1/tokens`.
//!
//! Invariant: a token is in the answer that made it and nowhere else; who may not see a token learns as much of
//! it as of one that never was.

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use engine::{clock::now_ms, store::directory::Token};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    form::{Given, Parameters, answer, invalid, missing, only, page, time},
    sessions::myself,
    users::{RightsGiven, told},
};
use crate::{
    people::{People, life, rights_as_json, roles, state},
    registrar::caller::Caller,
    web::{Front, probes::Refusal},
};

/// A token to be made.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    label: String,
    /// The most that it may do; absent: all that its owner may.
    #[serde(default)]
    rights: Option<RightsGiven>,
    /// `30d`, `12h`, `90m`.
    #[serde(default)]
    expires_in: Option<String>,
}

/// How long a token lives unless it is said.
pub const USUAL_LIFE: &str = "30d";

/// `GET /api/v1/tokens?user=&cursor=&limit=`, the newest first: one's own, or as an admin those of a user or,
/// with `user=*`, of all.
pub async fn list(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Parameters>,
) -> Result<Response, Refusal> {
    only(&asked, &["user", "cursor", "limit"])?;
    let whose = match asked.get("user").map(String::as_str) {
        None => Some(myself(&caller)?),
        Some("*") => None,
        Some(name) => Some(super::users::known(name)?),
    };
    let tokens = People::new(&front.registrar, &caller).tokens(whose.as_ref()).await;
    let tokens = tokens.map_err(|error| told(&error))?;
    let (tokens, next) = page(tokens, &asked, place)?;
    let now = now_ms();
    let tokens: Vec<Value> = tokens.iter().map(|token| described(token, now)).collect();
    Ok(answer(StatusCode::OK, &json!({"tokens": tokens, "next": next})))
}

/// `POST /api/v1/tokens` with `{label, rights, expires_in}`: one of one's own.
pub async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Given(new): Given<NewToken>,
) -> Result<Response, Refusal> {
    let me = myself(&caller)?;
    let Some(life_ms) = life(new.expires_in.as_deref().unwrap_or(USUAL_LIFE)) else {
        return Err(invalid("expires_in", "write a number and `d`, `h` or `m`, for example `30d`"));
    };
    let people = People::new(&front.registrar, &caller);
    let made = people.create_token(&me, &new.label, new.rights.map(Into::into), life_ms).await;
    let (token, clear) = made.map_err(|error| told(&error))?;
    let mut body = described(&token, now_ms());
    if let Value::Object(fields) = &mut body {
        fields.insert("token".to_owned(), Value::String(clear));
    }
    let mut response = answer(StatusCode::CREATED, &body);
    let place = format!("/api/v1/tokens/{}", token.digest.id());
    if let Ok(place) = HeaderValue::from_str(&place) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/tokens/{id}`: one's own, or any as an admin.
pub async fn one(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let people = People::new(&front.registrar, &caller);
    let tokens = match people.tokens(None).await {
        Ok(tokens) => tokens,
        Err(_) => people.tokens(Some(&myself(&caller)?)).await.map_err(|error| told(&error))?,
    };
    let token = tokens.iter().find(|token| token.digest.id() == id);
    let token =
        token.ok_or_else(|| missing("there is no such token; `/api/v1/tokens` lists them"))?;
    Ok(answer(StatusCode::OK, &described(token, now_ms())))
}

/// `DELETE /api/v1/tokens/{id}`: revokes it.
pub async fn revoke(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    let revoked = People::new(&front.registrar, &caller).revoke_token(&id).await;
    revoked.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Where a token stands in lists: the newest first, so the time counts backwards.
fn place(token: &Token) -> String {
    let back = i64::MAX.saturating_sub(token.created_ms);
    // Digests stand in descending order among those made in the same millisecond.
    let turned: String = token.digest.id().chars().map(turned).collect();
    format!("{back:016x}-{turned}")
}

/// Hexadecimal digits in reverse order.
fn turned(digit: char) -> char {
    digit.to_digit(16).and_then(|digit| char::from_digit(15 - digit, 16)).unwrap_or(digit)
}

/// A token as answers show it.
pub fn described(token: &Token, now_ms: i64) -> Value {
    json!({
        "id": token.digest.id(), "user": token.user, "label": token.label, "state": state(token, now_ms),
        "rights": rights_as_json(&token.scope), "roles": roles(&token.scope),
        "created": time(token.created_ms), "expires": time(token.expires_ms),
        "used": token.used_ms.and_then(time), "revoked": token.revoked_ms.and_then(time),
    })
}
