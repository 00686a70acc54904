//! `/settings/fabrics/new` and `/settings/fabrics/{fabric}/connection`: a connection is entered, tested, saved.
//!
//! What was entered is kept as a draft between two requests, so that a kubeconfig is pasted once and never
//! written back.
//!
//! Invariant: no credential is in a page; every mistake stands beside its field; a test is never needed to save.

use std::collections::{BTreeMap, BTreeSet};

use app::office::fabrics::form::{Form, Watching, Way};
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{IntoResponse as _, Redirect},
};
use domain::{
    account::UserName,
    connection::{Access, Secret, WatchPlan},
    topic::FabricId,
};
use engine::{cluster::access, store::directory::OrderError};

use super::{
    Asked, Otherwise, Page, WAIT, beside, job, known, looking_again, said, test_of, watch_input,
    watch_of,
};
use crate::{
    fabrics::{
        Fabrics, Origin, Sight,
        drafts::Draft,
        input::{self, AccessInput, Complaint},
        register::{Change, New, RegisterError},
    },
    registrar::{caller::Caller, secret},
    web::{map, office, settings::fields::Fields},
};

/// Hexadecimal digits of a draft's id.
const ID: usize = 32;
/// Names that are tried after a context's before none is proposed.
const MOST_PROPOSALS: u32 = 100;

/// What a form is about.
enum About {
    /// A new fabric.
    New,
    /// The connection of a registered one.
    Of(Box<Sight>),
}

impl About {
    fn fabric(&self) -> Option<&FabricId> {
        match self {
            Self::New => None,
            Self::Of(sight) => Some(&sight.id),
        }
    }

    fn revision(&self) -> Option<u64> {
        match self {
            Self::New => None,
            Self::Of(sight) => match &sight.origin {
                Origin::Registered(entry) => Some(entry.fabric.revision),
                Origin::Given(_) => None,
            },
        }
    }

    fn address(&self) -> String {
        match self.fabric() {
            None => "/settings/fabrics/new".to_owned(),
            Some(id) => format!("/settings/fabrics/{id}/connection"),
        }
    }

    fn title(&self) -> String {
        match self.fabric() {
            None => "Add a fabric".to_owned(),
            Some(id) => format!("New connection of {id}"),
        }
    }
}

/// `GET /settings/fabrics/new`.
pub async fn new(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Asked>,
) -> Page {
    show(&fabrics, &caller, &About::New, &asked).await
}

/// `GET /settings/fabrics/{fabric}/connection`.
pub async fn replace(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Page {
    let about = about(&fabrics, &caller, &name).await?;
    show(&fabrics, &caller, &about, &asked).await
}

/// `POST /settings/fabrics/new`.
pub async fn create(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    fields: Fields,
) -> Page {
    taken(&fabrics, &caller, &About::New, &fields).await
}

/// `POST /settings/fabrics/{fabric}/connection`.
pub async fn change(
    State(fabrics): State<Fabrics>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    fields: Fields,
) -> Page {
    let about = about(&fabrics, &caller, &name).await?;
    taken(&fabrics, &caller, &about, &fields).await
}

async fn about(fabrics: &Fabrics, caller: &Caller, name: &str) -> Result<About, Otherwise> {
    let sight = fabrics.one(caller, &known(name)?).await?;
    match &sight.origin {
        Origin::Registered(_) => Ok(About::Of(Box::new(sight))),
        Origin::Given(_) => Err(RegisterError::Given(sight.id.clone()).into()),
    }
}

async fn show(fabrics: &Fabrics, caller: &Caller, about: &About, asked: &Asked) -> Page {
    let id = asked.get("draft").cloned();
    let kept = owner(caller).ok().zip(id.as_ref());
    let draft = kept.and_then(|(owner, id)| fabrics.drafts.of(&owner, id));
    let lost = id.is_some() && draft.is_none();
    let mut draft = draft.unwrap_or_default();
    if let Some(way) = asked.get("way") {
        draft.way.clone_from(way);
    }
    let mut form = form(fabrics, caller, about, &draft).await?;
    form.draft = id.filter(|_| !lost);
    form.notice = lost.then(|| {
        "What was entered before is no longer kept: it is forgotten after half an hour, and when the server starts anew. Enter it again.".to_owned()
    });
    let job = job(fabrics, caller, draft.job.as_deref());
    form.test = job.as_ref().map(test_of);
    Ok(looking_again(office::framed(StatusCode::OK, &about.title(), form.view()), job.as_ref()))
}

fn owner(caller: &Caller) -> Result<UserName, Otherwise> {
    caller.user.clone().ok_or_else(|| map::unauthorized("sign in first").into())
}

/// What a draft looks like as a form.
async fn form(
    fabrics: &Fabrics,
    caller: &Caller,
    about: &About,
    draft: &Draft,
) -> Result<Form, Otherwise> {
    // An empty text reads as a kubeconfig without contexts, but nobody entered it.
    let entered = Some(&draft.kubeconfig).filter(|text| !text.is_empty());
    let contexts = entered.and_then(input::contexts);
    let meant = contexts.as_ref().and_then(|contexts| contexts.meant.clone());
    let chosen = Some(draft.context.clone()).filter(|context| !context.is_empty()).or(meant);
    let received = contexts.as_ref().map(|_| {
        let text = draft.kubeconfig.clone();
        let pasted = Access::Kubeconfig { text, context: chosen.clone() };
        access::view(&pasted, fabrics.register.permissions())
    });
    let mut name = draft.name.clone();
    if let (true, About::New, Some(context)) = (name.is_empty(), about, &chosen) {
        name = proposal(fabrics, caller, context).await?.unwrap_or_default();
    }
    Ok(Form {
        of: about.fabric().map(ToString::to_string),
        revision: about.revision(),
        draft: None,
        way: Way::from_word(&draft.way),
        name,
        contexts: contexts.map(|contexts| contexts.all).unwrap_or_default(),
        context: chosen.unwrap_or_default(),
        received,
        has_token: !draft.token.is_empty(),
        server: draft.server.clone(),
        authority: draft.authority.clone(),
        tls_server_name: draft.tls_server_name.clone(),
        watch: watching(draft),
        mistakes: BTreeMap::new(),
        notice: None,
        test: None,
    })
}

fn watching(draft: &Draft) -> Watching {
    Watching {
        kinds: draft.kinds.clone(),
        namespaces: draft.namespaces.clone(),
        labels: draft.labels.clone(),
    }
}

/// A name after a context that is free.
async fn proposal(
    fabrics: &Fabrics,
    caller: &Caller,
    context: &str,
) -> Result<Option<String>, Otherwise> {
    let taken: BTreeSet<String> =
        fabrics.all(caller).await?.iter().map(|sight| sight.id.to_string()).collect();
    let first = FabricId::from_context(context).to_string();
    let further = (2..MOST_PROPOSALS).map(|n| format!("{first}-{n}"));
    let free = std::iter::once(first.clone()).chain(further);
    Ok(free.into_iter().find(|name| !taken.contains(name)))
}

/// What was posted, on top of what was kept: secrets that were not entered again stay.
fn merged(kept: Draft, fields: &Fields) -> Draft {
    let text = |name| fields.text(name).to_owned();
    let way = Way::from_word(fields.text("way"));
    let mut draft = Draft { way: way.word().to_owned(), job: None, ..kept };
    match way {
        Way::Kubeconfig => {
            let pasted = [fields.text("kubeconfig"), fields.text("file")];
            let pasted = pasted.into_iter().find(|text| !text.is_empty());
            if let Some(pasted) = pasted {
                draft.kubeconfig = Secret::new(pasted);
                draft.context = String::new();
            }
            let context = text("context");
            // A context of the kubeconfig before is none of this one.
            let contexts = input::contexts(&draft.kubeconfig);
            if contexts.is_some_and(|contexts| contexts.all.contains(&context)) {
                draft.context = context;
            }
        }
        Way::Direct => {
            draft.server = text("server");
            draft.authority = text("authority");
            draft.tls_server_name = text("tls_server_name");
            if !fields.text("token").is_empty() {
                draft.token = Secret::new(fields.text("token"));
            }
        }
        Way::InCluster => {}
    }
    let watch = watch_of(fields);
    draft.name = text("name");
    (draft.kinds, draft.namespaces, draft.labels) = (watch.kinds, watch.namespaces, watch.labels);
    draft
}

fn access_of(draft: &Draft) -> AccessInput {
    let filled = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    match Way::from_word(&draft.way) {
        Way::Kubeconfig => AccessInput::Kubeconfig {
            kubeconfig: draft.kubeconfig.clone(),
            context: filled(&draft.context),
        },
        Way::Direct => AccessInput::Direct {
            server: draft.server.clone(),
            authority: filled(&draft.authority),
            token: draft.token.clone(),
            tls_server_name: filled(&draft.tls_server_name),
        },
        Way::InCluster => AccessInput::InCluster {},
    }
}

/// A draft that can be used.
struct Read {
    access: Access,
    watch: WatchPlan,
}

async fn read(fabrics: &Fabrics, draft: &Draft) -> Result<Read, Vec<Complaint>> {
    let mut complaints = Vec::new();
    // Of several contexts none is taken by accident.
    let several = input::contexts(&draft.kubeconfig).map_or(0, |contexts| contexts.all.len());
    let unsaid = draft.way == Way::Kubeconfig.word() && draft.context.is_empty() && several > 1;
    if unsaid {
        let problem = format!("the kubeconfig has {several} contexts");
        let remedy = "choose the one that is this fabric, and go on";
        complaints.push(Complaint::new("context", problem, remedy));
    }
    let watch = watch_input(&watching(draft)).read();
    let watch = watch.map_err(|more| complaints.extend(more)).ok();
    let access = access_of(draft).read(fabrics.register.permissions()).await;
    let access = access.map_err(|more| complaints.extend(more.into_iter().filter(|_| !unsaid)));
    match (access, watch) {
        (Ok(access), Some(watch)) if complaints.is_empty() => Ok(Read { access, watch }),
        _ => Err(complaints),
    }
}

/// Takes what was posted.
async fn taken(fabrics: &Fabrics, caller: &Caller, about: &About, fields: &Fields) -> Page {
    let owner = owner(caller)?;
    let id = fields.text("draft");
    let kept = fabrics.drafts.of(&owner, id);
    let id = match &kept {
        Some(_) => id.to_owned(),
        None => secret::fresh().chars().take(ID).collect(),
    };
    let mut draft = merged(kept.unwrap_or_default(), fields);
    fabrics.drafts.keep(&owner, id.clone(), draft.clone());
    let read = match read(fabrics, &draft).await {
        Ok(read) => read,
        Err(complaints) => return again(fabrics, caller, about, (&id, &draft), &complaints).await,
    };
    if fields.text("do") == "save" {
        return match saved(fabrics, caller, about, &mut draft, read, fields).await? {
            Ok(way) => {
                fabrics.drafts.forget(&owner, &id);
                Ok(Redirect::to(&way).into_response())
            }
            Err(complaint) => again(fabrics, caller, about, (&id, &draft), &[complaint]).await,
        };
    }
    let trial = match about {
        About::New => fabrics.trial_of(&read.access, read.watch).await,
        About::Of(sight) => fabrics.trial(sight, Some(read.access), None).await,
    };
    match fabrics.test(&owner, caller.doer(), trial) {
        Ok(job) => {
            draft.job = Some(job.clone());
            fabrics.drafts.keep(&owner, id.clone(), draft);
            fabrics.jobs.wait(&owner, &job, WAIT).await;
            let way = format!("{}?draft={id}#test", about.address());
            Ok(Redirect::to(&way).into_response())
        }
        Err(crowded) => {
            let complaint = Complaint::new("", crowded.to_string(), "then test again");
            again(fabrics, caller, about, (&id, &draft), &[complaint]).await
        }
    }
}

/// The form once more, with what is wrong.
async fn again(
    fabrics: &Fabrics,
    caller: &Caller,
    about: &About,
    (id, draft): (&str, &Draft),
    complaints: &[Complaint],
) -> Page {
    let mut form = form(fabrics, caller, about, draft).await?;
    form.draft = Some(id.to_owned());
    form.mistakes = beside(complaints);
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(office::framed(status, &about.title(), form.view()))
}

/// Saves it: where to go then, or what is wrong after all.
async fn saved(
    fabrics: &Fabrics,
    caller: &Caller,
    about: &About,
    draft: &mut Draft,
    read: Read,
    fields: &Fields,
) -> Result<Result<String, Complaint>, Otherwise> {
    let Read { access, watch } = read;
    match about {
        About::New => {
            if let (true, Access::Kubeconfig { text, context }) = (draft.name.is_empty(), &access) {
                let meant = input::contexts(text).and_then(|contexts| contexts.meant);
                if let Some(context) = context.clone().or(meant) {
                    draft.name = proposal(fabrics, caller, &context).await?.unwrap_or_default();
                }
            }
            let id = match input::name(&draft.name) {
                Ok(id) => id,
                Err(complaint) => return Ok(Err(complaint)),
            };
            let new = New { id: id.clone(), access, watch, enabled: true };
            match fabrics.register.create(new, caller.doer()).await {
                Ok(_) => {
                    fabrics.appeared(&id).await;
                    Ok(Ok(format!("/f/{id}")))
                }
                Err(error) => Ok(Err(unsaved(error)?)),
            }
        }
        About::Of(sight) => {
            let expected = fields.text("revision").parse().ok();
            let change = Change { access: Some(access), ..Change::default() };
            match fabrics.register.change(&sight.id, change, expected, caller.doer()).await {
                Ok(_) => Ok(Ok(format!("/settings/fabrics/{}?done=connection", sight.id))),
                Err(error) => Ok(Err(unsaved(error)?)),
            }
        }
    }
}

/// Why it was not saved, beside the field that it is about.
fn unsaved(error: RegisterError) -> Result<Complaint, Otherwise> {
    match error {
        RegisterError::Order(OrderError::Exists { .. }) | RegisterError::Given(_) => {
            Ok(Complaint::new("name", "there is a fabric of this name already", "choose another"))
        }
        error => {
            let changed = matches!(error, RegisterError::Order(OrderError::Changed { .. }));
            let remedy = if changed { "look at it, then enter this again" } else { "try again" };
            Ok(Complaint::new("", said(error)?, remedy))
        }
    }
}
