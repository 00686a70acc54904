//! One's own account as a page: `/account`.
//!
//! Invariant: a password is changed with the one that holds, in person, and nothing typed as one is shown again.

use app::office::{account::Account, people::Done, tokens::OwnTokens};
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};

use super::{
    persons::{Typed, done, given_by, session_lines, status, typed, typed_as_is, went},
    tokens::{is_wrong, made, own},
};
use crate::{
    people::{People, PeopleError},
    registrar::caller::Caller,
    web::{
        Front,
        api::{
            sessions::myself,
            users::{source, told},
        },
        office,
        probes::Refusal,
    },
};

/// The page of one's own account.
const PAGE: &str = "/account";

/// `GET /account`.
pub async fn page(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Typed>,
) -> Result<Response, Refusal> {
    let tokens = own(&front, &caller, PAGE, None).await?;
    show(&front, &caller, done(&asked), tokens, None).await
}

async fn show(
    front: &Front,
    caller: &Caller,
    done: Option<Done>,
    tokens: OwnTokens,
    wrong: Option<PeopleError>,
) -> Result<Response, Refusal> {
    let me = myself(caller)?;
    let people = People::new(&front.registrar, caller);
    let user = people.user(&me).await.map_err(|error| told(&error))?;
    let sessions = people.sessions(&me).await.map_err(|error| told(&error))?;
    let mut code = match (&tokens.made, is_wrong(&tokens)) {
        (Some(_), _) => StatusCode::CREATED,
        (None, true) => StatusCode::UNPROCESSABLE_ENTITY,
        (None, false) => StatusCode::OK,
    };
    let mut page = Account {
        name: user.name.to_string(),
        source: source(&user),
        given_by: given_by(front, &user),
        rights: user.rights,
        expires_ms: caller.expires_ms,
        done,
        sessions: session_lines(&people, sessions),
        tokens,
        ..Account::default()
    };
    if let Some(error) = wrong {
        code = status(&error);
        let said = Some(error.to_string());
        match error {
            PeopleError::Field { field: "current", .. } | PeopleError::Throttled { .. } => {
                page.current_error = said;
            }
            PeopleError::Field { field: "new", .. } => page.new_error = said,
            PeopleError::Field { field: "again", .. } => page.again_error = said,
            _ => page.error = said,
        }
    }
    Ok(office::framed(code, "Account", page.view()))
}

/// After a change: to the page that says so, or the page again with why not.
async fn after(
    front: &Front,
    caller: &Caller,
    outcome: Result<Done, PeopleError>,
) -> Result<Response, Refusal> {
    match outcome {
        Ok(done) => Ok(went(PAGE, done)),
        Err(error) => {
            let tokens = own(front, caller, PAGE, None).await?;
            show(front, caller, None, tokens, Some(error)).await
        }
    }
}

/// `POST /account/password`.
pub async fn password(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let [current, new, again] = ["current", "new", "again"].map(|name| typed_as_is(&form, name));
    let outcome = if new == again {
        People::new(&front.registrar, &caller).change_password(current, new).await
    } else {
        let detail = "the two new passwords differ; type the same one twice".to_owned();
        Err(PeopleError::Field { field: "again", detail })
    };
    after(&front, &caller, outcome.map(|()| Done::Password)).await
}

/// `POST /account/sessions`: ends one, or all others.
pub async fn end(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let me = myself(&caller)?;
    let people = People::new(&front.registrar, &caller);
    let outcome = match typed(&form, "id") {
        "" => people.end_sessions(&me).await.map(|()| Done::Sessions),
        id => people.end_session(&me, id).await.map(|()| Done::Session),
    };
    after(&front, &caller, outcome).await
}

/// `POST /account/tokens`: makes one.
pub async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let (tokens, error) = made(&front, &caller, PAGE, &form).await?;
    show(&front, &caller, None, tokens, error).await
}

/// `POST /account/tokens/revoke`.
pub async fn revoke(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let revoked = People::new(&front.registrar, &caller).revoke_token(typed(&form, "id")).await;
    after(&front, &caller, revoked.map(|_| Done::Token)).await
}
