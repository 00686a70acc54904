//! `/settings/fabrics`: all fabrics that a person sees, one of them, and the end of one.
//!
//! Invariant: a page holds no credential; what was done is said by a word of a closed set.

use std::{collections::BTreeMap, time::Duration};

use app::office::fabrics::{
    Done, Line, List,
    form::Watching,
    one::{Farewell, One, Registered},
    test::Test,
};
use axum::{
    Extension, Router,
    extract::{Path, Query, State},
    http::{HeaderValue, StatusCode},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use domain::{
    access::{Action, Subject, Verdict},
    connection::{Namespace, WatchPlan},
    topic::FabricId,
};
use engine::store::directory::OrderError;
use tower_http::compression::CompressionLayer;

use super::fields::Fields;
use crate::{
    fabrics::{
        Fabrics, Origin, Sight,
        input::{Complaint, WatchInput},
        jobs::Job,
        register::{Change, RegisterError},
    },
    registrar::caller::Caller,
    web::{Front, map, office, probes::problem},
};

pub mod form;

/// How long a posted test is waited for before its page is shown as it stands: most are over by then.
const WAIT: Duration = Duration::from_secs(3);

/// Their routes.
pub fn routes() -> Router<Front> {
    Router::new()
        .route("/settings/fabrics", get(list))
        .route("/settings/fabrics/new", get(form::new).post(form::create))
        .route("/settings/fabrics/{fabric}", get(one).post(change))
        .route("/settings/fabrics/{fabric}/connection", get(form::replace).post(form::change))
        .route("/settings/fabrics/{fabric}/test", post(test))
        .route("/settings/fabrics/{fabric}/delete", get(farewell).post(remove))
        .layer(CompressionLayer::new())
}

type Asked = BTreeMap<String, String>;

/// Why there is another answer than the page.
#[derive(Debug)]
pub struct Otherwise(Box<Response>);

impl From<Response> for Otherwise {
    fn from(response: Response) -> Self {
        Self(Box::new(response))
    }
}

impl From<RegisterError> for Otherwise {
    fn from(error: RegisterError) -> Self {
        match error {
            RegisterError::Missing(_) | RegisterError::Order(OrderError::Missing { .. }) => {
                map::no_fabric_page().into()
            }
            error => {
                tracing::error!(%error, "a page of the settings could not be made");
                let detail = error.to_string();
                problem(StatusCode::SERVICE_UNAVAILABLE, "register_unavailable", &detail).into()
            }
        }
    }
}

impl axum::response::IntoResponse for Otherwise {
    fn into_response(self) -> Response {
        *self.0
    }
}

type Page = Result<Response, Otherwise>;

/// Why somebody may not do something; none: they may.
fn closed(caller: &Caller, action: Action, subject: Subject<'_>) -> Option<String> {
    match caller.verdict(action, subject) {
        Verdict::Allowed => None,
        Verdict::Needs(need) => Some(need.to_string()),
        Verdict::Hidden => Some("there is no such fabric for you".to_owned()),
    }
}

/// `GET /settings/fabrics`.
pub async fn list(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Page {
    let sights = fabrics.all(&caller).await?;
    let lines = sights.iter().map(|sight| {
        let closed = closed(&caller, Action::ReadConnection, Subject::Fabric(&sight.id));
        Line {
            name: sight.id.to_string(),
            state: sight.state.clone(),
            access: closed.is_none().then(|| sight.access()),
            kinds: (sight.live, sight.kinds),
            closed,
        }
    });
    let list = List {
        lines: lines.collect(),
        closed: closed(&caller, Action::CreateFabric, Subject::House),
        done: done(&asked),
    };
    Ok(office::framed(StatusCode::OK, "Fabrics", list.view()))
}

fn done(asked: &Asked) -> Option<Done> {
    asked.get("done").and_then(|word| Done::from_word(word))
}

/// A name in an address: what names no fabric is the name of none.
fn known(name: &str) -> Result<FabricId, Otherwise> {
    name.parse().map_err(|_| map::no_fabric_page().into())
}

/// `GET /settings/fabrics/{fabric}`.
pub async fn one(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let sight = fabrics.one(&caller, &known(&name)?).await?;
    let job = job(&fabrics, &caller, asked.get("job").map(String::as_str));
    let page = shown(&caller, &sight, job.as_ref());
    let page = One { done: done(&asked), ..page };
    let title = format!("Fabric {}", sight.id);
    Ok(looking_again(office::framed(StatusCode::OK, &title, page.view()), job.as_ref()))
}

/// A job of somebody's, as long as its fabric is there for them.
fn job(fabrics: &Fabrics, caller: &Caller, id: Option<&str>) -> Option<Job> {
    let job = fabrics.jobs.of(caller.user.as_ref()?, id?)?;
    let there = job.fabric.as_ref().is_none_or(|fabric| caller.who.sees(fabric));
    there.then_some(job)
}

/// As long as a test is under way, its page is asked for again; without script too.
fn looking_again(mut response: Response, job: Option<&Job>) -> Response {
    if job.is_some_and(|job| !job.is_over()) {
        response.headers_mut().insert("refresh", HeaderValue::from_static("1"));
    }
    response
}

fn test_of(job: &Job) -> Test {
    Test { steps: job.steps.clone(), over: job.is_over(), report: job.report.clone() }
}

fn shown(caller: &Caller, sight: &Sight, job: Option<&Job>) -> One {
    let registered = match &sight.origin {
        Origin::Given(_) => None,
        Origin::Registered(entry) => Some(Registered {
            enabled: entry.fabric.enabled,
            watch: watching(&entry.settings.watch),
            revision: entry.fabric.revision,
            created_ms: entry.fabric.created_ms,
            changed_ms: entry.fabric.changed_ms,
        }),
    };
    One {
        name: sight.id.to_string(),
        state: sight.state.clone(),
        access: sight.access(),
        kinds: (sight.live, sight.kinds),
        registered,
        fixed: closed(caller, Action::EditFabric, Subject::Fabric(&sight.id)),
        undeletable: closed(caller, Action::DeleteFabric, Subject::House),
        done: None,
        mistakes: BTreeMap::new(),
        test: job.map(test_of),
    }
}

fn watching(plan: &WatchPlan) -> Watching {
    let kinds: Option<std::collections::BTreeSet<_>> = plan.kinds.clone().into();
    let namespaces: Vec<&str> = plan.namespaces.iter().map(Namespace::as_str).collect();
    Watching {
        kinds: kinds.map(|kinds| kinds.iter().map(ToString::to_string).collect()),
        namespaces: namespaces.join(", "),
        labels: plan.labels.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}

/// What is to be watched, as a form says it.
fn watch_of(fields: &Fields) -> Watching {
    Watching {
        kinds: (fields.text("kinds") == "only").then(|| fields.all("kind").to_vec()),
        namespaces: fields.text("namespaces").to_owned(),
        labels: fields.text("labels").to_owned(),
    }
}

/// The same, to be checked.
fn watch_input(watching: &Watching) -> WatchInput {
    let names = watching.namespaces.split([',', ' ', '\n', '\r', '\t']);
    WatchInput {
        kinds: watching.kinds.clone(),
        namespaces: names.filter(|name| !name.is_empty()).map(str::to_owned).collect(),
        labels: Some(watching.labels.clone()),
    }
}

fn beside(complaints: &[Complaint]) -> BTreeMap<String, String> {
    complaints.iter().map(|found| (found.field.to_owned(), found.sentence())).collect()
}

/// `POST /settings/fabrics/{fabric}`: what is watched, and whether.
pub async fn change(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    fields: Fields,
) -> Page {
    let id = known(&name)?;
    let sight = fabrics.one(&caller, &id).await?;
    let entered = watch_of(&fields);
    let (change, done) = match fields.text("do") {
        "disable" => (Ok(Change { enabled: Some(false), ..Change::default() }), Done::Disabled),
        "enable" => (Ok(Change { enabled: Some(true), ..Change::default() }), Done::Enabled),
        _ => {
            let plan = watch_input(&entered).read();
            (plan.map(|plan| Change { watch: Some(plan), ..Change::default() }), Done::Watch)
        }
    };
    let expected = fields.text("revision").parse().ok();
    let mistakes = match change {
        Err(complaints) => beside(&complaints),
        Ok(change) => match fabrics.register.change(&id, change, expected, caller.doer()).await {
            Ok(_) => {
                let way = format!("/settings/fabrics/{id}?done={}", done.word());
                return Ok(Redirect::to(&way).into_response());
            }
            Err(error) => BTreeMap::from([(String::new(), said(error)?)]),
        },
    };
    let mut page = shown(&caller, &sight, None);
    if let Some(registered) = &mut page.registered {
        registered.watch = entered;
    }
    let page = One { mistakes, ..page };
    let title = format!("Fabric {id}");
    Ok(office::framed(StatusCode::UNPROCESSABLE_ENTITY, &title, page.view()))
}

/// A refusal that a person can act on, in words.
fn said(error: RegisterError) -> Result<String, Otherwise> {
    match error {
        RegisterError::Missing(_) | RegisterError::Order(OrderError::Missing { .. }) => {
            Err(error.into())
        }
        error => Ok(error.to_string()),
    }
}

/// `POST /settings/fabrics/{fabric}/test`.
pub async fn test(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Page {
    let id = known(&name)?;
    let sight = fabrics.one(&caller, &id).await?;
    let trial = fabrics.trial(&sight, None, None).await;
    let Some(owner) = &caller.user else { return Err(map::unauthorized("sign in first").into()) };
    let way = match fabrics.test(owner, caller.doer(), trial) {
        Ok(job) => {
            fabrics.jobs.wait(owner, &job, WAIT).await;
            format!("/settings/fabrics/{id}?job={job}#test")
        }
        Err(crowded) => {
            let mut page = shown(&caller, &sight, None);
            page.mistakes.insert(String::new(), crowded.to_string());
            let title = format!("Fabric {id}");
            return Ok(office::framed(StatusCode::TOO_MANY_REQUESTS, &title, page.view()));
        }
    };
    Ok(Redirect::to(&way).into_response())
}

/// `GET /settings/fabrics/{fabric}/delete`: what would be lost.
pub async fn farewell(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Page {
    let page = losing(&fabrics, &caller, &known(&name)?).await?;
    let title = format!("Delete fabric {}?", page.name);
    Ok(office::framed(StatusCode::OK, &title, page.view()))
}

async fn losing(fabrics: &Fabrics, caller: &Caller, id: &FabricId) -> Result<Farewell, Otherwise> {
    let sight = fabrics.one(caller, id).await?;
    let Origin::Registered(entry) = &sight.origin else {
        let error = RegisterError::Given(id.clone());
        return Err(
            problem(StatusCode::CONFLICT, "given_on_command_line", &error.to_string()).into()
        );
    };
    let lost = fabrics.register.lost(id).await?;
    Ok(Farewell {
        name: id.to_string(),
        revision: entry.fabric.revision,
        events: lost.events,
        changes: lost.changes,
        bytes: lost.bytes,
        since_ms: lost.since_ms,
        users: lost.users.iter().map(ToString::to_string).collect(),
        tokens: lost
            .tokens
            .iter()
            .map(|(user, label)| format!("{} ({user})", label.as_str()))
            .collect(),
        wrong: None,
    })
}

/// `POST /settings/fabrics/{fabric}/delete`, with the name typed.
pub async fn remove(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    fields: Fields,
) -> Page {
    let id = known(&name)?;
    let typed = fields.text("typed");
    let wrong = if typed == id.as_str() {
        let expected = fields.text("revision").parse().ok();
        match fabrics.register.remove(&id, expected, caller.doer()).await {
            Ok(_) => return Ok(Redirect::to("/settings/fabrics?done=deleted").into_response()),
            Err(error) => said(error)?,
        }
    } else if typed.is_empty() {
        "nothing was typed".to_owned()
    } else {
        format!("this is not its name; type `{id}`")
    };
    let page = Farewell { wrong: Some(wrong), ..losing(&fabrics, &caller, &id).await? };
    let title = format!("Delete fabric {id}?");
    Ok(office::framed(StatusCode::UNPROCESSABLE_ENTITY, &title, page.view()))
}
