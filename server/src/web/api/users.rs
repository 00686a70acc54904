//! Users over HTTP, for admins everywhere: `/api/v1/users`, and the sessions of each.
//!
//! Invariant: a password goes in and never comes out; a change made on an older state than the one that is
//! there is refused.

use std::collections::BTreeMap;

use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use domain::{
    access::{Rights, Role},
    account::UserName,
    topic::FabricId,
};
use engine::store::directory::User;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    form::{
        Given, Parameters, answer, expected, has_already, invalid, missing, only, page, refused,
        tag, time,
    },
    sessions,
};
use crate::{
    people::{People, PeopleError, rights_as_json, roles},
    registrar::caller::Caller,
    web::{
        Front, map,
        probes::{Refusal, problem},
    },
};

/// Rights as they are sent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RightsGiven {
    #[serde(default)]
    everywhere: Option<Role>,
    #[serde(default)]
    fabrics: BTreeMap<FabricId, Role>,
}

impl From<RightsGiven> for Rights {
    fn from(given: RightsGiven) -> Self {
        Self { everywhere: given.everywhere, fabrics: given.fabrics }
    }
}

/// A user to be made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    name: String,
    password: String,
    #[serde(default)]
    rights: RightsGiven,
}

/// What is to be changed of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    rights: Option<RightsGiven>,
    #[serde(default)]
    password: Option<String>,
}

/// `GET /api/v1/users?q=&cursor=&limit=`, by name.
pub async fn list(
    State(front): State<Front>,
    Query(asked): Query<Parameters>,
) -> Result<Response, Refusal> {
    only(&asked, &["q", "cursor", "limit"])?;
    let all = front.registrar.directory().users().await.map_err(|error| refused(&error.into()))?;
    let wanted = asked.get("q").map(|text| text.to_ascii_lowercase());
    let all = all
        .into_iter()
        .filter(|user| wanted.as_ref().is_none_or(|text| user.name.as_str().contains(text)));
    let (users, next) = page(all, &asked, |user| user.name.to_string())?;
    let users: Vec<Value> = users.iter().map(|user| shown(&front, user)).collect();
    Ok(answer(StatusCode::OK, &json!({"users": users, "next": next})))
}

/// `POST /api/v1/users` with `{name, password, rights}`.
pub async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Given(new): Given<NewUser>,
) -> Result<Response, Refusal> {
    let people = People::new(&front.registrar, &caller);
    let made = people.create(&new.name, &new.password, new.rights.into()).await;
    let user = made.map_err(|error| told(&error))?;
    let mut response = answer(StatusCode::CREATED, &shown(&front, &user));
    tag(&mut response, &version(&user));
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/users/{}", user.name)) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/users/{user}`.
pub async fn one(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let user = People::new(&front.registrar, &caller).user(&known(&name)?).await;
    let user = user.map_err(|error| told(&error))?;
    let mut response = if has_already(&headers, &version(&user)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        answer(StatusCode::OK, &shown(&front, &user))
    };
    tag(&mut response, &version(&user));
    Ok(response)
}

/// `PATCH /api/v1/users/{user}` with any of `{enabled, rights, password}`.
pub async fn change(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Given(changes): Given<Changes>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let people = People::new(&front.registrar, &caller);
    let expected = expected(&headers)?;
    let work = async {
        // Each is made on what the one before left, so that nobody's change is lost between them.
        let mut expected = expected;
        // The password first: it alone can be refused for what it is.
        if let Some(password) = &changes.password {
            let revision = people.expecting(expected).reset_password(&name, password).await?;
            expected = expected.map(|_| revision);
        }
        if let Some(rights) = changes.rights {
            let revision = people.expecting(expected).set_rights(&name, rights.into()).await?;
            expected = expected.map(|_| revision);
        }
        if let Some(enabled) = changes.enabled {
            people.expecting(expected).set_enabled(&name, enabled).await?;
        }
        people.user(&name).await
    };
    let user = work.await.map_err(|error| told(&error))?;
    let mut response = answer(StatusCode::OK, &shown(&front, &user));
    tag(&mut response, &version(&user));
    Ok(response)
}

/// `DELETE /api/v1/users/{user}`.
pub async fn remove(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let people = People::new(&front.registrar, &caller);
    let expected = expected(&headers)?;
    people.expecting(expected).delete(&name).await.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `GET /api/v1/users/{user}/sessions`.
pub async fn sessions(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let (name, people) = (known(&name)?, People::new(&front.registrar, &caller));
    people.user(&name).await.map_err(|error| told(&error))?;
    sessions::of(&people, &name).await
}

/// `DELETE /api/v1/users/{user}/sessions`: ends all of them.
pub async fn end_sessions(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let people = People::new(&front.registrar, &caller);
    people.end_sessions(&known(&name)?).await.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// `DELETE /api/v1/users/{user}/sessions/{id}`.
pub async fn end_session(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path((name, id)): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let people = People::new(&front.registrar, &caller);
    people.end_session(&known(&name)?, &id).await.map_err(|error| told(&error))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A name in an address; one that cannot be is one that is not there.
pub fn known(name: &str) -> Result<UserName, Refusal> {
    name.parse().map_err(|_| missing("there is no such user; `/api/v1/users` lists them"))
}

/// Why something was not done, as an answer.
pub fn told(error: &PeopleError) -> Refusal {
    match error {
        PeopleError::Field { field, detail } => invalid(field, detail),
        PeopleError::Needs(need) => map::forbidden(*need).into(),
        PeopleError::Throttled { seconds } => {
            let detail = error.to_string();
            let mut response = problem(StatusCode::TOO_MANY_REQUESTS, "throttled", &detail);
            if let Ok(seconds) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(header::RETRY_AFTER, seconds);
            }
            response.into()
        }
        PeopleError::Order(error) => refused(error),
        PeopleError::Password(error) => {
            tracing::warn!(%error, "a password could not be worked on");
            problem(StatusCode::SERVICE_UNAVAILABLE, "busy", &error.to_string()).into()
        }
    }
}

/// A user as answers show them.
pub fn described(user: &User) -> Value {
    json!({
        "name": user.name, "enabled": user.enabled, "rights": rights_as_json(&user.rights), "roles": roles(&user.rights),
        "source": source(user), "created": time(user.created_ms), "seen": user.seen_ms.and_then(time),
    })
}

/// The same with who decides about their roles: `provider` means that what is set here holds until they sign in
/// the next time.
fn shown(front: &Front, user: &User) -> Value {
    let provided = front.oidc.as_ref().is_some_and(|provider| provider.decides_for(user));
    let mut shown = described(user);
    if let Some(shown) = shown.as_object_mut() {
        let whose = if provided { "provider" } else { "here" };
        shown.insert("roles_from".to_owned(), json!(whose));
    }
    shown
}

/// How somebody signs in.
pub fn source(user: &User) -> &'static str {
    match (&user.oidc, &user.password) {
        (Some(_), _) => "oidc",
        (None, Some(_)) => "password",
        (None, None) => "none",
    }
}

/// Names a state of a user: the revision that changes are compared with, and when they were last seen.
fn version(user: &User) -> String {
    format!("{}.{}", user.revision, user.seen_ms.unwrap_or_default())
}
