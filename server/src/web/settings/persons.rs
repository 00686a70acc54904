//! What the pages of users, tokens and one's own account share: forms, roles in forms, lines of tables.
//!
//! Invariant: what an address says was done is one of a few words, else nothing.

use std::collections::{BTreeMap, BTreeSet};

use app::office::{
    people::{Done, SessionLine, TokenLine},
    rights::{GivenBy, RightsFields},
    users::UserLine,
};
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Redirect, Response},
};
use domain::{
    access::{Action, Rights, Role, Subject, Verdict},
    topic::FabricId,
};
use engine::{
    clock::now_ms,
    store::directory::{OrderError, Session, Token, User},
};

use crate::{
    people::{People, PeopleError, state},
    registrar::caller::Caller,
    web::{Front, api::users::source},
};

/// A form as it was posted.
pub type Typed = BTreeMap<String, String>;

/// A field of a form; empty where it is missing.
pub fn typed<'a>(form: &'a Typed, name: &str) -> &'a str {
    form.get(name).map(|text| text.trim()).unwrap_or_default()
}

/// A field of a form as it is, with blanks around it: a password.
pub fn typed_as_is<'a>(form: &'a Typed, name: &str) -> &'a str {
    form.get(name).map(String::as_str).unwrap_or_default()
}

/// What an address says was done.
pub fn done(asked: &Typed) -> Option<Done> {
    asked.get("done").and_then(|word| Done::from_word(word))
}

/// To a page that says what was done.
pub fn went(page: &str, done: Done) -> Response {
    Redirect::to(&format!("{page}?done={}", done.word())).into_response()
}

/// Rights as chosen in a form; or which name of a fabric will not do.
pub fn chosen(form: &Typed) -> Result<Rights, String> {
    let mut rights = Rights { everywhere: role(typed(form, "everywhere"))?, ..Rights::default() };
    for (name, value) in form {
        let Some(fabric) = name.strip_prefix("on.") else { continue };
        if let Some(role) = role(value)? {
            rights = rights.with(Some(self::fabric(fabric)?), role);
        }
    }
    match (typed(form, "other"), role(typed(form, "other-role"))?) {
        ("", None) => Ok(rights),
        ("", Some(_)) => Err("say on which other fabric this role is to be".to_owned()),
        (other, None) => Err(format!("choose a role on {other}, or leave the name empty")),
        (other, Some(role)) => Ok(rights.with(Some(fabric(other)?), role)),
    }
}

fn role(word: &str) -> Result<Option<Role>, String> {
    if word.is_empty() {
        return Ok(None);
    }
    word.parse().map(Some).map_err(|error| format!("{error}"))
}

fn fabric(name: &str) -> Result<FabricId, String> {
    name.parse().map_err(|error| format!("{error}"))
}

/// Choices of roles for a form: the fabrics that the caller sees, and those that are chosen already.
pub async fn choices(front: &Front, caller: &Caller, held: Rights) -> RightsFields {
    let registered = front.registrar.directory().fabrics().await.unwrap_or_default();
    let registered = registered.into_iter().map(|fabric| fabric.id);
    let known = front.hub.fabrics().into_iter().chain(registered);
    let mut fabrics: BTreeSet<FabricId> = known.filter(|fabric| caller.who.sees(fabric)).collect();
    fabrics.extend(held.fabrics.keys().cloned());
    RightsFields { held, fabrics, ..RightsFields::default() }
}

/// Why the caller may not do something in the house; none: they may.
pub fn closed(caller: &Caller, action: Action) -> Option<String> {
    match caller.verdict(action, Subject::House) {
        Verdict::Allowed => None,
        Verdict::Needs(need) => Some(need.to_string()),
        Verdict::Hidden => Some("there is no such thing".to_owned()),
    }
}

/// The status of a page that says why something was not done.
pub fn status(error: &PeopleError) -> StatusCode {
    match error {
        PeopleError::Field { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        PeopleError::Needs(_) => StatusCode::FORBIDDEN,
        PeopleError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        PeopleError::Order(OrderError::Missing { .. }) => StatusCode::NOT_FOUND,
        PeopleError::Order(OrderError::Store(_)) | PeopleError::Password(_) => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        PeopleError::Order(_) => StatusCode::CONFLICT,
    }
}

/// The identity provider that decides about a user's roles, if one does.
pub fn given_by(front: &Front, user: &User) -> Option<GivenBy> {
    let provider = front.oidc.as_ref().filter(|provider| provider.decides_for(user))?;
    let (host, claim) = (provider.host().to_owned(), provider.role_claim().to_owned());
    Some(GivenBy { host, claim })
}

/// A user as a line of a table.
pub fn user_line(user: &User) -> UserLine {
    UserLine {
        name: user.name.to_string(),
        enabled: user.enabled,
        rights: user.rights.clone(),
        source: source(user),
        created_ms: user.created_ms,
        seen_ms: user.seen_ms,
    }
}

/// Sessions as lines of a table.
pub fn session_lines(people: &People, sessions: Vec<Session>) -> Vec<SessionLine> {
    let line = |session: Session| SessionLine {
        id: session.digest.id().to_owned(),
        created_ms: session.created_ms,
        seen_ms: session.seen_ms,
        current: people.is_this(&session.digest),
        from: session.from,
        agent: session.agent,
    };
    sessions.into_iter().map(line).collect()
}

/// Tokens as lines of a table.
pub fn token_lines(tokens: Vec<Token>) -> Vec<TokenLine> {
    let now = now_ms();
    let line = |token: Token| TokenLine {
        id: token.digest.id().to_owned(),
        user: token.user.to_string(),
        label: token.label.as_str().to_owned(),
        state: state(&token, now),
        scope: token.scope,
        created_ms: token.created_ms,
        expires_ms: token.expires_ms,
        used_ms: token.used_ms,
    };
    tokens.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(pairs: &[(&str, &str)]) -> Typed {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn roles_are_read_from_the_form_and_what_is_half_said_is_asked_for() {
        for (pairs, rights) in [
            (&[("everywhere", ""), ("on.prod", ""), ("other", "")][..], Ok("none")),
            (&[("everywhere", "viewer"), ("on.prod", "admin")], Ok("viewer, admin on prod")),
            (&[("other", "new-one"), ("other-role", "operator")], Ok("operator on new-one")),
            (&[("other", "new-one")], Err("choose a role")),
            (&[("other-role", "viewer")], Err("which other fabric")),
            (&[("everywhere", "god")], Err("not a role")),
        ] {
            match (chosen(&form(pairs)), rights) {
                (Ok(read), Ok(rights)) => assert_eq!(read.to_string(), rights),
                (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
                (read, _) => panic!("{pairs:?}: {read:?}"),
            }
        }
        assert!(chosen(&form(&[("on.a b", "viewer")])).is_err());
    }
}
