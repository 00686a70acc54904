//! Users as pages, for admins everywhere: `/settings/users` and `/settings/users/{user}`.
//!
//! Invariant: what was typed is kept where it did not do, except passwords; what is changed under a page that is
//! open is shown before it is changed again.

use app::office::{
    people::Done,
    rights::RightsFields,
    users::{NewUser, UserPage, Users},
};
use axum::{
    Extension, Form,
    extract::{Path, Query, State},
    http::StatusCode,
    response::{Redirect, Response},
};
use domain::{
    access::{Action, Rights},
    account::UserName,
};
use engine::store::directory::OrderError;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::persons::{
    Typed, choices, chosen, closed, done, given_by, session_lines, status, token_lines, typed,
    typed_as_is, user_line, went,
};
use crate::{
    people::{People, PeopleError},
    registrar::caller::Caller,
    web::{
        Front,
        api::{
            form::{Parameters, page},
            users::told,
        },
        office,
        probes::Refusal,
    },
};

/// `GET /settings`: to the first page of them that is for the caller.
pub async fn settings(Extension(caller): Extension<Caller>) -> Redirect {
    let users = closed(&caller, Action::ManageUsers).is_none();
    Redirect::to(if users { "/settings/users" } else { "/settings/tokens" })
}

/// `GET /settings/users?q=&cursor=`.
pub async fn list(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Typed>,
) -> Result<Response, Refusal> {
    let rights = choices(&front, &caller, Rights::default()).await;
    let form = NewUser { rights: RightsFields { others: true, ..rights }, ..NewUser::default() };
    listed(&front, &asked, form, StatusCode::OK).await
}

async fn listed(
    front: &Front,
    asked: &Typed,
    form: NewUser,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let q = typed(asked, "q").to_ascii_lowercase();
    let users = front.registrar.directory().users().await;
    let users = users.map_err(|error| told(&error.into()))?;
    let users = users.into_iter().filter(|user| user.name.as_str().contains(&q));
    let place: Parameters = asked
        .iter()
        .filter(|(name, _)| *name == "cursor")
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    let (users, next) = page(users, &place, |user| user.name.to_string())?;
    let next = next.map(|next| {
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        format!("/settings/users?q={}&cursor={}", encode(&q), encode(&next))
    });
    let lines = users.iter().map(user_line).collect();
    let page = Users { lines, q, next, done: done(asked), form };
    Ok(office::framed(status, "Users", page.view()))
}

/// `POST /settings/users`: makes one.
pub async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let (name, password) = (typed(&form, "name"), typed_as_is(&form, "password"));
    let rights = chosen(&form);
    let people = People::new(&front.registrar, &caller);
    let made = match rights.clone() {
        Ok(rights) => people.create(name, password, rights).await,
        Err(detail) => Err(PeopleError::Field { field: "rights", detail }),
    };
    let error = match made {
        Ok(user) => return Ok(went(&format!("/settings/users/{}", user.name), Done::Created)),
        Err(error) => error,
    };
    let fields = choices(&front, &caller, rights.unwrap_or_default()).await;
    let mut page = NewUser {
        name: name.to_owned(),
        rights: RightsFields { others: true, ..fields },
        open: true,
        ..NewUser::default()
    };
    let said = Some(error.to_string());
    match &error {
        PeopleError::Field { field: "name", .. }
        | PeopleError::Order(OrderError::Exists { .. }) => page.name_error = said,
        PeopleError::Field { field: "password", .. } => page.password_error = said,
        PeopleError::Field { field: "rights", .. } => page.rights.error = said,
        _ => page.error = said,
    }
    listed(&front, &Typed::new(), page, status(&error)).await
}

/// `GET /settings/users/{user}`.
pub async fn one(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Query(asked): Query<Typed>,
) -> Result<Response, Refusal> {
    shown(&front, &caller, &known(&name)?, done(&asked), None).await
}

/// Why something was not done, and what was chosen.
struct Wrong {
    error: PeopleError,
    rights: Option<Rights>,
}

impl From<PeopleError> for Wrong {
    fn from(error: PeopleError) -> Self {
        Self { error, rights: None }
    }
}

async fn shown(
    front: &Front,
    caller: &Caller,
    name: &UserName,
    done: Option<Done>,
    wrong: Option<Wrong>,
) -> Result<Response, Refusal> {
    let people = People::new(&front.registrar, caller);
    let read = async {
        let user = people.user(name).await?;
        let sessions = people.sessions(name).await?;
        let tokens = people.tokens(Some(name)).await?;
        Ok::<_, PeopleError>((user, sessions, tokens))
    };
    let (user, sessions, tokens) = match read.await {
        Ok(read) => read,
        Err(PeopleError::Order(OrderError::Missing { .. })) => return Ok(nobody(name)),
        Err(error) => return Err(told(&error)),
    };
    let held = wrong.as_ref().and_then(|wrong| wrong.rights.clone());
    let rights = choices(front, caller, held.unwrap_or_else(|| user.rights.clone())).await;
    let mut page = UserPage {
        user: user_line(&user),
        given_by: given_by(front, &user),
        revision: user.revision,
        own: caller.user.as_ref() == Some(name),
        done,
        error: None,
        password_error: None,
        rights: RightsFields { others: true, ..rights },
        sessions: session_lines(&people, sessions),
        tokens: token_lines(tokens),
    };
    let mut code = StatusCode::OK;
    if let Some(Wrong { error, .. }) = wrong {
        code = status(&error);
        let said = Some(error.to_string());
        match error {
            PeopleError::Field { field: "password", .. } => page.password_error = said,
            PeopleError::Field { field: "rights", .. } => page.rights.error = said,
            PeopleError::Order(OrderError::Changed { .. }) => {
                page.error = Some(
                    "Somebody else changed this user meanwhile. What is shown is how it is now; change it again if you still want to.".to_owned(),
                );
            }
            _ => page.error = said,
        }
    }
    Ok(office::framed(code, name.as_str(), page.view()))
}

/// A page for a name that nobody has.
fn nobody(name: &UserName) -> Response {
    let page = app::office::users::nobody(name.as_str());
    office::framed(StatusCode::NOT_FOUND, "No such user", page)
}

fn known(name: &str) -> Result<UserName, Refusal> {
    crate::web::api::users::known(name)
}

/// After a change: to the page that says so, or the page again with why not.
async fn after(
    front: &Front,
    caller: &Caller,
    name: &UserName,
    outcome: Result<Done, Wrong>,
) -> Result<Response, Refusal> {
    match outcome {
        Ok(done) => Ok(went(&format!("/settings/users/{name}"), done)),
        Err(wrong) => shown(front, caller, name, None, Some(wrong)).await,
    }
}

/// `POST /settings/users/{user}/roles`.
pub async fn roles(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let people = People::new(&front.registrar, &caller);
    let outcome = match chosen(&form) {
        Err(detail) => Err(PeopleError::Field { field: "rights", detail }.into()),
        Ok(rights) => {
            let expected = typed(&form, "revision").parse().ok();
            let set = people.expecting(expected).set_rights(&name, rights.clone()).await;
            set.map(|_| Done::Roles).map_err(|error| {
                // What somebody else did is shown, not what was chosen on the older state.
                let stale = matches!(error, PeopleError::Order(OrderError::Changed { .. }));
                Wrong { error, rights: Some(rights).filter(|_| !stale) }
            })
        }
    };
    after(&front, &caller, &name, outcome).await
}

/// `POST /settings/users/{user}/password`.
pub async fn password(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let people = People::new(&front.registrar, &caller);
    let set = people.reset_password(&name, typed_as_is(&form, "password")).await;
    after(&front, &caller, &name, set.map(|_| Done::Password).map_err(Wrong::from)).await
}

/// `POST /settings/users/{user}/enabled`.
pub async fn enable(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let enabled = typed(&form, "enabled") == "yes";
    let word = if enabled { Done::Enabled } else { Done::Disabled };
    let set = People::new(&front.registrar, &caller).set_enabled(&name, enabled).await;
    after(&front, &caller, &name, set.map(|_| word).map_err(Wrong::from)).await
}

/// `POST /settings/users/{user}/sessions`: ends one, or all.
pub async fn end(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let people = People::new(&front.registrar, &caller);
    let outcome = match typed(&form, "id") {
        "" => people.end_sessions(&name).await.map(|()| Done::Sessions),
        id => people.end_session(&name, id).await.map(|()| Done::Session),
    };
    after(&front, &caller, &name, outcome.map_err(Wrong::from)).await
}

/// `POST /settings/users/{user}/tokens`: revokes one.
pub async fn revoke(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    let revoked = People::new(&front.registrar, &caller).revoke_token(typed(&form, "id")).await;
    after(&front, &caller, &name, revoked.map(|_| Done::Token).map_err(Wrong::from)).await
}

/// `POST /settings/users/{user}/remove`.
pub async fn remove(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Response, Refusal> {
    let name = known(&name)?;
    match People::new(&front.registrar, &caller).delete(&name).await {
        Ok(()) => Ok(went("/settings/users", Done::Removed)),
        Err(error) => shown(&front, &caller, &name, None, Some(error.into())).await,
    }
}
