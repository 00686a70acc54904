//! From a person whom the provider vouches for to a user of this house.
//!
//! Invariant: a user who is there under a name is never taken over, whatever the provider calls somebody; who is
//! kept out stays out; roles that a rule gives are those of the last sign-in, never more.

use std::net::IpAddr;

use domain::{
    access::{Means, Rights, Role},
    account::UserName,
    audit::{Act, Deed, Doer},
    state::Severity,
};
use engine::store::directory::{NewUser, Order, OrderError, User};
use serde_json::json;

use super::{
    Provider,
    claims::Person,
    trouble::{OidcError, PersonError},
};
use crate::{
    people::{gains, roles},
    registrar::{Registrar, caller::Caller, notices::Word},
};

/// How often a change is tried again that met another one.
const TRIES: usize = 3;

/// Who admits.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Who is who.
    pub registrar: &'a Registrar,
    /// Where the person comes from.
    pub from: Option<IpAddr>,
    /// Who vouches.
    pub provider: &'a Provider,
}

impl Desk<'_> {
    /// The user that a person is; made where there is none yet, with the roles that follow from the claim.
    pub async fn admit(&self, person: &Person) -> Result<User, OidcError> {
        for _ in 0..TRIES {
            match self.attempt(person).await {
                Err(OidcError::Order(OrderError::Changed { .. } | OrderError::Exists { .. })) => {}
                other => return other,
            }
        }
        self.attempt(person).await
    }

    async fn attempt(&self, person: &Person) -> Result<User, OidcError> {
        let directory = self.registrar.directory();
        match directory.user_of_oidc(&person.identity).await? {
            Some(user) if !user.enabled => Err(PersonError::Disabled(user.name).into()),
            Some(user) => self.follow(user, person).await,
            None => self.make(person).await,
        }
    }

    async fn make(&self, person: &Person) -> Result<User, OidcError> {
        let directory = self.registrar.directory();
        let claim = &self.provider.settings.name_claim;
        let said = person.name.as_deref().ok_or_else(|| PersonError::Nameless(claim.clone()))?;
        let name: UserName = said.parse().map_err(|error| PersonError::Name(format!("{error}")))?;
        if directory.user(&name).await?.is_some() {
            return Err(PersonError::Taken(name).into());
        }
        let rights = person.rights.clone().unwrap_or_default();
        // Else the first who comes would use the set-up link up, and nobody could manage anything.
        if rights.everywhere != Some(Role::Admin) && !directory.has_users().await? {
            return Err(PersonError::First.into());
        }
        let after = json!({"enabled": true, "roles": roles(&rights)});
        let deed = Deed::done(self.doer(), Act::UserCreate, format!("user/{name}"))
            .changing(None, Some(after))
            .because(format!("first sign-in of {}; {}", person.identity, self.claim(person)));
        let oidc = Some(person.identity.clone());
        let user = NewUser { name: name.clone(), password: None, oidc, rights };
        self.registrar.order(Order::CreateUser(user), &deed).await?;
        let made = directory.user(&name).await?;
        Ok(made.ok_or(OrderError::Missing { what: format!("user/{name}") })?)
    }

    /// Gives a user the roles that the claim says now.
    async fn follow(&self, user: User, person: &Person) -> Result<User, OidcError> {
        let Some(rights) = person.rights.clone().filter(|rights| *rights != user.rights) else {
            return Ok(user);
        };
        let act = if gains(&user.rights, &rights) { Act::RoleGrant } else { Act::RoleRevoke };
        let deed = Deed::done(self.doer(), act, format!("user/{}", user.name))
            .changing(Some(json!(roles(&user.rights))), Some(json!(roles(&rights))))
            .because(format!("{}: {}", person.identity, self.claim(person)));
        let order = Order::SetRights {
            user: user.name.clone(),
            rights: rights.clone(),
            expected: Some(user.revision),
        };
        match self.registrar.order(order, &deed).await {
            Ok(_) => {}
            Err(OrderError::LastAdmin) => return Err(PersonError::LastAdmin(user.name).into()),
            Err(error) => return Err(error.into()),
        }
        self.tell(&user.name, &rights).await;
        Ok(User { rights, ..user })
    }

    async fn tell(&self, user: &UserName, rights: &Rights) {
        let message =
            format!("Your roles follow from your identity provider and changed: {rights}");
        let link = Some("/account".to_owned());
        let word = Word { severity: Severity::Info, message, link };
        self.registrar.tell_person(user, word).await;
    }

    /// What the claim of roles said.
    fn claim(&self, person: &Person) -> String {
        let claim = &self.provider.settings.role_claim;
        match (&person.rights, person.said.as_str()) {
            (None, _) => "roles are given here".to_owned(),
            (Some(_), "") => format!("the claim `{claim}` has no value"),
            (Some(_), said) => format!("the claim `{claim}` has {said}"),
        }
    }

    /// Nobody in particular does it: the person is not in yet.
    fn doer(&self) -> Doer {
        Doer { means: Means::None, ..Caller::nobody(self.from).doer() }
    }
}
