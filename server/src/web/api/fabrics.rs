//! `/api/v1/fabrics`: the registered fabrics, and tests of their connections.
//!
//! Invariant: credentials are taken and never given; a change refuses to undo what somebody else changed.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{FromRequest as _, Path, Query, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use domain::{
    access::{Action, Subject},
    account::UserName,
    connection::{AccessView, WatchPlan},
    topic::FabricId,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::compression::CompressionLayer;

use super::form::{self, Given, LARGEST_CONNECTION, Parameters};
use crate::{
    fabrics::{
        Fabrics, Origin, Sight,
        examine::Trial,
        input::{self, AccessInput, Complaint, WatchInput},
        jobs::{Crowded, Job},
        register::{Change, Lost, New, RegisterError},
    },
    registrar::caller::Caller,
    web::{
        Front,
        map::no_fabric,
        probes::{Refusal, problem},
    },
};

/// Longest wait for a test to be over, in seconds.
const LONGEST_WAIT: u64 = 25;

type Answer = Result<Response, Refusal>;

/// A fabric to be registered.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFabric {
    name: String,
    access: AccessInput,
    #[serde(default)]
    watch: WatchInput,
    #[serde(default = "yes")]
    enabled: bool,
}

const fn yes() -> bool {
    true
}

/// What of a fabric is to be changed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FabricChange {
    #[serde(default)]
    access: Option<AccessInput>,
    #[serde(default)]
    watch: Option<WatchInput>,
    #[serde(default)]
    enabled: Option<bool>,
}

/// A connection to be tested.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewTest {
    access: AccessInput,
    #[serde(default)]
    watch: WatchInput,
}

/// Its routes.
pub fn routes() -> Router<Front> {
    Router::new()
        .route("/api/v1/fabrics", get(list).post(create))
        .route("/api/v1/fabrics/{fabric}", get(read).patch(change).delete(remove))
        .route("/api/v1/fabrics/{fabric}/test", post(test))
        .route("/api/v1/connections/test", post(try_out))
        .route("/api/v1/jobs", get(jobs))
        .route("/api/v1/jobs/{job}", get(job))
        .layer(CompressionLayer::new())
}

/// `GET /api/v1/fabrics?cursor=&limit=`: those that the caller sees, by name.
pub async fn list(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Parameters>,
) -> Answer {
    form::only(&asked, &["cursor", "limit"])?;
    let all = fabrics.all(&caller).await.map_err(refused)?;
    let (page, next) = form::page(all, &asked, |sight| sight.id.to_string())?;
    let shown: Vec<Value> = page.iter().map(|sight| shown(&caller, sight)).collect();
    Ok(form::answer(StatusCode::OK, &json!({"fabrics": shown, "next": next})))
}

/// `POST /api/v1/fabrics`: registers one. It does not matter whether the cluster can be reached.
pub async fn create(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Given(asked): Given<NewFabric, LARGEST_CONNECTION>,
) -> Answer {
    let NewFabric { name, access, watch, enabled } = asked;
    let mut complaints = Vec::new();
    let id = input::name(&name).map_err(|complaint| complaints.push(complaint)).ok();
    let watch = watch.read().map_err(|more| complaints.extend(more)).ok();
    let access = access.read(fabrics.register.permissions()).await;
    let access = access.map_err(|more| complaints.extend(more)).ok();
    let (Some(id), Some(watch), Some(access)) = (id, watch, access) else {
        return Err(wrong(&complaints));
    };
    let new = New { id: id.clone(), access, watch, enabled };
    fabrics.register.create(new, caller.doer()).await.map_err(refused)?;
    fabrics.appeared(&id).await;
    let mut response = one(&fabrics, &caller, &id, StatusCode::CREATED).await?;
    if let Ok(place) = HeaderValue::from_str(&format!("/api/v1/fabrics/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

/// `GET /api/v1/fabrics/{fabric}`.
pub async fn read(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Answer {
    one(&fabrics, &caller, &known(&name)?, StatusCode::OK).await
}

/// `PATCH /api/v1/fabrics/{fabric}`: what is named is replaced, the rest stays.
pub async fn change(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Given(asked): Given<FabricChange, LARGEST_CONNECTION>,
) -> Answer {
    let id = known(&name)?;
    let expected = form::expected(&headers)?;
    let FabricChange { access, watch, enabled } = asked;
    if access.is_none() && watch.is_none() && enabled.is_none() {
        return Err(form::invalid(".", "name at least one of `access`, `watch` and `enabled`"));
    }
    let (access, watch) = connection(&fabrics, access, watch).await?;
    let change = Change { access, watch, enabled };
    fabrics.register.change(&id, change, expected, caller.doer()).await.map_err(refused)?;
    one(&fabrics, &caller, &id, StatusCode::OK).await
}

/// `DELETE /api/v1/fabrics/{fabric}`: removes it with all that was recorded; the answer says what that was.
/// With `?dryRun=true` it only says so.
pub async fn remove(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Parameters>,
    headers: HeaderMap,
) -> Answer {
    form::only(&asked, &["dryRun"])?;
    let id = known(&name)?;
    let expected = form::expected(&headers)?;
    let lost = match asked.get("dryRun").map(String::as_str) {
        None | Some("false") => {
            fabrics.register.remove(&id, expected, caller.doer()).await.map_err(refused)?
        }
        Some("true") => {
            fabrics.register.one(&id).await.map_err(refused)?;
            fabrics.register.lost(&id).await.map_err(refused)?
        }
        Some(_) => return Err(form::bad_query("`dryRun` is `true` or `false`")),
    };
    Ok(form::answer(StatusCode::OK, &json!({"fabric": id, "lost": told(&lost)})))
}

/// `POST /api/v1/fabrics/{fabric}/test?wait=`: tests a fabric as it is registered, or with what the body would
/// change of it.
pub async fn test(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Parameters>,
    request: Request,
) -> Answer {
    let id = known(&name)?;
    // Without a body it is tested as it is.
    let body = if request.headers().contains_key(header::CONTENT_TYPE) {
        Some(Given::<FabricChange, LARGEST_CONNECTION>::from_request(request, &()).await?)
    } else {
        None
    };
    let sight = fabrics.one(&caller, &id).await.map_err(refused)?;
    let (access, watch) = match body {
        Some(Given(FabricChange { access, watch, .. })) => {
            connection(&fabrics, access, watch).await?
        }
        None => (None, None),
    };
    let trial = fabrics.trial(&sight, access, watch).await;
    begin(&fabrics, &caller, trial, &asked).await
}

/// `POST /api/v1/fabrics/test?wait=`: tests a connection that is not registered.
pub async fn try_out(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Parameters>,
    Given(new): Given<NewTest, LARGEST_CONNECTION>,
) -> Answer {
    let (access, watch) = connection(&fabrics, Some(new.access), Some(new.watch)).await?;
    let Some(access) = access else { return Err(form::invalid("access", "nothing was given")) };
    let trial = fabrics.trial_of(&access, watch.unwrap_or_default()).await;
    begin(&fabrics, &caller, trial, &asked).await
}

/// `GET /api/v1/jobs`: one's own, the newest first.
pub async fn jobs(State(fabrics): State<Fabrics>, Extension(caller): Extension<Caller>) -> Answer {
    let owner = owner(&caller)?;
    let jobs: Vec<Job> = fabrics.jobs.all_of(&owner);
    let jobs: Vec<Value> =
        jobs.iter().filter(|job| sees(&caller, job)).map(|job| json!(job)).collect();
    Ok(form::answer(StatusCode::OK, &json!({"jobs": jobs})))
}

/// `GET /api/v1/jobs/{job}?wait=`: one of one's own; with `wait`, once it is over or so many seconds passed.
pub async fn job(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    Query(asked): Query<Parameters>,
) -> Answer {
    form::only(&asked, &["wait"])?;
    let found = fabrics.jobs.wait(&owner(&caller)?, &id, wait(&asked)?).await;
    let found = found.filter(|job| sees(&caller, job));
    let found = found.ok_or_else(|| form::missing("there is no such job of yours, or no more"))?;
    Ok(form::answer(StatusCode::OK, &json!(found)))
}

/// A job on a fabric that is not there for its owner any more is not there either; nor is one on a connection of
/// no fabric for who might not try one.
fn sees(caller: &Caller, job: &Job) -> bool {
    match &job.fabric {
        Some(fabric) => caller.who.sees(fabric),
        None => caller.who.may(Action::CreateFabric, Subject::House),
    }
}

async fn begin(fabrics: &Fabrics, caller: &Caller, trial: Trial, asked: &Parameters) -> Answer {
    form::only(asked, &["wait"])?;
    let wait = wait(asked)?;
    let owner = owner(caller)?;
    let id = fabrics.test(&owner, caller.doer(), trial).map_err(busy)?;
    let job = fabrics.jobs.wait(&owner, &id, wait).await;
    let job = job.ok_or_else(|| form::missing("the test was forgotten already"))?;
    let status = if job.is_over() { StatusCode::OK } else { StatusCode::ACCEPTED };
    let url = format!("/api/v1/jobs/{id}");
    let mut body = json!(job);
    if let Some(map) = body.as_object_mut() {
        map.insert("url".to_owned(), json!(url));
    }
    let mut response = form::answer(status, &body);
    if let Ok(place) = HeaderValue::from_str(&url) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    Ok(response)
}

fn wait(asked: &Parameters) -> Result<Duration, Refusal> {
    let Some(wait) = asked.get("wait") else { return Ok(Duration::ZERO) };
    let seconds = wait.parse().ok().filter(|seconds| *seconds <= LONGEST_WAIT);
    let problem =
        || form::bad_query(&format!("`wait` is a number of seconds up to {LONGEST_WAIT}"));
    Ok(Duration::from_secs(seconds.ok_or_else(problem)?))
}

/// Whose a job would be.
fn owner(caller: &Caller) -> Result<UserName, Refusal> {
    let nobody = || Refusal::from(crate::web::map::unauthorized("sign in first"));
    caller.user.clone().ok_or_else(nobody)
}

/// What was entered of a connection, read.
async fn connection(
    fabrics: &Fabrics,
    access: Option<AccessInput>,
    watch: Option<WatchInput>,
) -> Result<(Option<domain::connection::Access>, Option<WatchPlan>), Refusal> {
    let mut complaints = Vec::new();
    let watch = watch.map(WatchInput::read).transpose();
    let watch = watch.map_err(|more| complaints.extend(more)).unwrap_or_default();
    let access = match access {
        Some(access) => access.read(fabrics.register.permissions()).await.map(Some),
        None => Ok(None),
    };
    let access = access.map_err(|more| complaints.extend(more)).unwrap_or_default();
    if complaints.is_empty() { Ok((access, watch)) } else { Err(wrong(&complaints)) }
}

/// A name in an address: what names no fabric is the name of none.
fn known(name: &str) -> Result<FabricId, Refusal> {
    name.parse().map_err(|_| Refusal::from(no_fabric()))
}

async fn one(fabrics: &Fabrics, caller: &Caller, id: &FabricId, status: StatusCode) -> Answer {
    let sight = fabrics.one(caller, id).await.map_err(refused)?;
    let mut response = form::answer(status, &shown(caller, &sight));
    if let Origin::Registered(entry) = &sight.origin {
        form::tag(&mut response, &entry.fabric.revision.to_string());
    }
    Ok(response)
}

/// A fabric, as the caller may see it.
fn shown(caller: &Caller, sight: &Sight) -> Value {
    let state = sight.state.as_ref();
    let mut body = json!({
        "name": sight.id,
        "enabled": sight.enabled(),
        "source": match &sight.origin {
            Origin::Registered(_) => "registered",
            Origin::Given(_) => "command_line",
        },
        "connectivity": state.map_or("unknown", |state| state.state.word()),
        "since": state.and_then(|state| form::time(state.since)),
        "cause": state.and_then(|state| state.cause),
        "reason": state.and_then(|state| state.reason.clone()),
        "version": state.and_then(|state| state.version.clone()),
        "kinds": {"live": sight.live, "watched": sight.kinds},
    });
    let Some(map) = body.as_object_mut() else { return body };
    if Fabrics::may_read(caller, &sight.id) {
        let access: AccessView = sight.access();
        map.insert("access".to_owned(), json!(access));
    }
    if let Origin::Registered(entry) = &sight.origin {
        let WatchPlan { kinds, namespaces, labels, .. } = &entry.settings.watch;
        let watch = json!({"kinds": kinds, "namespaces": namespaces, "labels": labels});
        map.insert("watch".to_owned(), watch);
        map.insert("created".to_owned(), json!(form::time(entry.fabric.created_ms)));
        map.insert("changed".to_owned(), json!(form::time(entry.fabric.changed_ms)));
        map.insert("revision".to_owned(), json!(entry.fabric.revision));
    }
    body
}

fn told(lost: &Lost) -> Value {
    let tokens: Vec<Value> =
        lost.tokens.iter().map(|(user, label)| json!({"user": user, "label": label})).collect();
    json!({
        "events": lost.events, "changes": lost.changes, "bytes": lost.bytes,
        "since": lost.since_ms.and_then(form::time), "roles": lost.users, "tokens": tokens,
    })
}

/// 422 with every mistake.
fn wrong(complaints: &[Complaint]) -> Refusal {
    let detail: Vec<String> =
        complaints.iter().map(|found| format!("{}: {}", found.field, found.sentence())).collect();
    let body = json!({
        "type": "about:blank", "title": "Unprocessable Entity", "status": 422, "code": "invalid",
        "detail": detail.join("; "),
        "field": complaints.first().map(|found| found.field),
        "errors": complaints,
    });
    let kind = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::UNPROCESSABLE_ENTITY, kind, body.to_string()).into_response().into()
}

fn busy(crowded: Crowded) -> Refusal {
    let mut response =
        problem(StatusCode::TOO_MANY_REQUESTS, "too_many_jobs", &crowded.to_string());
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response.into()
}

/// What the register says, as an answer.
fn refused(error: RegisterError) -> Refusal {
    match error {
        RegisterError::Wrong(complaints) => wrong(&complaints),
        RegisterError::Missing(_) => no_fabric().into(),
        RegisterError::Given(_) => {
            problem(StatusCode::CONFLICT, "given_on_command_line", &error.to_string()).into()
        }
        RegisterError::Order(engine::store::directory::OrderError::Missing { .. }) => {
            no_fabric().into()
        }
        RegisterError::Order(error) => form::refused(&error),
        RegisterError::Vault(_) => {
            tracing::error!(%error, "credentials could not be sealed or unsealed");
            problem(StatusCode::SERVICE_UNAVAILABLE, "vault_unavailable", &error.to_string()).into()
        }
    }
}
