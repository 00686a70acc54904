//! API tokens as pages: `/settings/tokens`, and the same part on `/account`.
//!
//! Invariant: a token that was just made is in this one answer; who may not see others' tokens is not told how
//! many there are.

use app::office::{
    people::Done,
    rights::RightsFields,
    tokens::{OwnTokens, TokensPage},
};
use axum::{
    Extension, Form,
    extract::{Query, State},
    http::StatusCode,
    response::Response,
};
use domain::access::{Action, Rights};

use super::persons::{Typed, choices, chosen, closed, done, status, token_lines, typed, went};
use crate::{
    people::{People, PeopleError, life},
    registrar::caller::Caller,
    web::{
        Front,
        api::{sessions::myself, tokens::USUAL_LIFE, users::told},
        office,
        probes::Refusal,
    },
};

/// The page of tokens.
pub const PAGE: &str = "/settings/tokens";

/// `GET /settings/tokens`.
pub async fn page(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Query(asked): Query<Typed>,
) -> Result<Response, Refusal> {
    let own = own(&front, &caller, PAGE, None).await?;
    show(&front, &caller, done(&asked), own, None).await
}

async fn show(
    front: &Front,
    caller: &Caller,
    done: Option<Done>,
    own: OwnTokens,
    error: Option<PeopleError>,
) -> Result<Response, Refusal> {
    let closed = closed(caller, Action::ManageUsers);
    let all = if closed.is_none() {
        let all = People::new(&front.registrar, caller).tokens(None).await;
        Some(token_lines(all.map_err(|error| told(&error))?))
    } else {
        None
    };
    let code = match &error {
        Some(error) => status(error),
        None if own.made.is_some() => StatusCode::CREATED,
        None if is_wrong(&own) => StatusCode::UNPROCESSABLE_ENTITY,
        None => StatusCode::OK,
    };
    let error = error.map(|error| error.to_string());
    let page = TokensPage { done, error, own, all, closed };
    Ok(office::framed(code, "Tokens", page.view()))
}

/// Whether something in the form will not do.
pub fn is_wrong(own: &OwnTokens) -> bool {
    own.label_error.is_some() || own.life_error.is_some() || own.rights.error.is_some()
}

/// `POST /settings/tokens/tokens`: makes one.
pub async fn create(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    let (own, error) = made(&front, &caller, PAGE, &form).await?;
    show(&front, &caller, None, own, error).await
}

/// `POST /settings/tokens/tokens/revoke`.
pub async fn revoke(
    State(front): State<Front>,
    Extension(caller): Extension<Caller>,
    Form(form): Form<Typed>,
) -> Result<Response, Refusal> {
    match People::new(&front.registrar, &caller).revoke_token(typed(&form, "id")).await {
        Ok(_) => Ok(went(PAGE, Done::Token)),
        Err(error) => {
            let own = own(&front, &caller, PAGE, None).await?;
            show(&front, &caller, None, own, Some(error)).await
        }
    }
}

/// One's own tokens with the form for one more, as it was filled in or empty.
pub async fn own(
    front: &Front,
    caller: &Caller,
    base: &'static str,
    form: Option<&Typed>,
) -> Result<OwnTokens, Refusal> {
    let me = myself(caller)?;
    let people = People::new(&front.registrar, caller);
    let tokens = people.tokens(Some(&me)).await.map_err(|error| told(&error))?;
    let rights = form.and_then(|form| chosen(form).ok()).unwrap_or_default();
    let mut rights = choices(front, caller, rights).await;
    // A place where its owner is nobody is none for a token.
    rights.fabrics.retain(|fabric| caller.who.sees(fabric));
    let text = |name: &str| form.map(|form| typed(form, name).to_owned()).unwrap_or_default();
    let life = Some(text("life")).filter(|life| !life.is_empty());
    Ok(OwnTokens {
        base,
        lines: token_lines(tokens),
        made: None,
        label: text("label"),
        label_error: None,
        life: life.unwrap_or_else(|| USUAL_LIFE.to_owned()),
        life_error: None,
        all: text("scope") != "some",
        rights: RightsFields { most: Some(caller.who.rights.clone()), ..rights },
        closed: closed(caller, Action::OwnTokens),
    })
}

/// Makes a token as the form says; what to show then, and an error that belongs to no field.
pub async fn made(
    front: &Front,
    caller: &Caller,
    base: &'static str,
    form: &Typed,
) -> Result<(OwnTokens, Option<PeopleError>), Refusal> {
    let error = match make(front, caller, form).await {
        Ok(clear) => {
            let own = own(front, caller, base, None).await?;
            return Ok((OwnTokens { made: Some(clear), ..own }, None));
        }
        Err(error) => error,
    };
    let mut own = own(front, caller, base, Some(form)).await?;
    let said = Some(error.to_string());
    match &error {
        PeopleError::Field { field: "label", .. } => own.label_error = said,
        PeopleError::Field { field: "expires_in", .. } => own.life_error = said,
        PeopleError::Field { field: "rights", .. } => own.rights.error = said,
        _ => return Ok((own, Some(error))),
    }
    Ok((own, None))
}

async fn make(front: &Front, caller: &Caller, form: &Typed) -> Result<String, PeopleError> {
    let field = |field, detail: &str| PeopleError::Field { field, detail: detail.to_owned() };
    let me = caller.user.clone().ok_or_else(|| field("label", "sign in first"))?;
    let life_ms =
        life(typed(form, "life")).ok_or_else(|| field("expires_in", "choose how long it works"))?;
    let scope: Option<Rights> = if typed(form, "scope") == "some" {
        Some(chosen(form).map_err(|detail| field("rights", &detail))?)
    } else {
        None
    };
    let people = People::new(&front.registrar, caller);
    let (_, clear) = people.create_token(&me, typed(form, "label"), scope, life_ms).await?;
    Ok(clear)
}
