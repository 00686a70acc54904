//! People: what is done to users, their passwords, sessions and tokens; one way for pages, API and command line.
//!
//! Invariant: nothing is done that the policy does not allow, and nothing without its deed; whoever's account
//! somebody else changes is told; no password and no token is in a deed or a message.

use domain::{
    access::{Action, Need, Rights, Subject, Verdict, Who},
    account::{Label, UserName},
    audit::{Act, Deed},
    state::Severity,
};
use engine::{
    clock::now_ms,
    store::{
        StoreError,
        directory::{Digest, NewUser, Order, OrderError, Session, Token, User},
    },
};
use serde_json::{Value, json};

use crate::registrar::{
    Registrar, SignInError,
    caller::{Caller, Credential},
    notices::Word,
    password::PasswordError,
    secret,
};

/// Shortest life of a token, in milliseconds.
const SHORTEST_LIFE_MS: i64 = 60_000;
/// Longest life of a token, in milliseconds: what is forgotten ends by itself.
const LONGEST_LIFE_MS: i64 = 366 * 86_400_000;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// Something given will not do.
    #[error("{detail}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What would do.
        detail: String,
    },
    /// The policy says no.
    #[error("{0}")]
    Needs(Need),
    /// Too many wrong passwords.
    #[error("too many failed attempts; wait {seconds} s")]
    Throttled {
        /// Until the next is looked at, in seconds.
        seconds: u64,
    },
    /// The directory says no.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// Passwords could not be made or compared.
    #[error(transparent)]
    Password(#[from] PasswordError),
}

impl From<StoreError> for PeopleError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "errors are handed over as they come")]
fn field(field: &'static str, detail: impl ToString) -> PeopleError {
    PeopleError::Field { field, detail: detail.to_string() }
}

fn missing(what: String) -> PeopleError {
    PeopleError::Order(OrderError::Missing { what })
}

/// See the module: what somebody does to people.
#[derive(Debug, Clone)]
pub struct People {
    registrar: Registrar,
    caller: Caller,
    /// The revision that a user must have to be changed; none: whatever it is.
    expected: Option<u64>,
}

impl People {
    /// What a caller does.
    pub fn new(registrar: &Registrar, caller: &Caller) -> Self {
        Self { registrar: registrar.clone(), caller: caller.clone(), expected: None }
    }

    /// The same, only to a user of this revision; none: whatever it is.
    #[must_use]
    pub fn expecting(&self, expected: Option<u64>) -> Self {
        Self { expected, ..self.clone() }
    }

    /// Has a user changed, as they were read; gives their revision then.
    async fn order_on(
        &self,
        user: &UserName,
        order: Order,
        deed: &Deed,
    ) -> Result<u64, PeopleError> {
        let order = match self.expected {
            Some(revision) => {
                Order::OnRevision { user: user.clone(), revision, order: Box::new(order) }
            }
            None => order,
        };
        Ok(self.registrar.order(order, deed).await?.revision)
    }

    /// What is done at the server's own command line.
    pub fn console(registrar: &Registrar) -> Self {
        let caller = Caller { who: Who::console(), ..Caller::nobody(None) };
        Self::new(registrar, &caller)
    }

    /// Whether the policy allows something in the house.
    fn may(&self, action: Action) -> Result<(), PeopleError> {
        match self.caller.verdict(action, Subject::House) {
            Verdict::Allowed => Ok(()),
            Verdict::Needs(need) => Err(PeopleError::Needs(need)),
            Verdict::Hidden => Err(PeopleError::Needs(Need::SignIn)),
        }
    }

    /// Whether it may be done to somebody: by an admin, or by themselves.
    fn may_for(&self, user: &UserName, own: Action) -> Result<(), PeopleError> {
        let managed = self.may(Action::ManageUsers);
        if managed.is_err() && self.is_self(user) { self.may(own) } else { managed }
    }

    fn is_self(&self, user: &UserName) -> bool {
        self.caller.user.as_ref() == Some(user)
    }

    fn deed(&self, act: Act, on: String) -> Deed {
        Deed::done(self.caller.doer(), act, on)
    }

    /// A user who is there.
    pub async fn user(&self, name: &UserName) -> Result<User, PeopleError> {
        let found = self.registrar.directory().user(name).await?;
        found.ok_or_else(|| missing(named(name)))
    }

    /// Makes a user.
    pub async fn create(
        &self,
        name: &str,
        password: &str,
        rights: Rights,
    ) -> Result<User, PeopleError> {
        self.may(Action::ManageUsers)?;
        let name: UserName = name.parse().map_err(|error| field("name", error))?;
        // Before the password is worked on, which takes long.
        if self.registrar.directory().user(&name).await?.is_some() {
            return Err(OrderError::Exists { what: named(&name) }.into());
        }
        let password = Some(self.hash(password, &name, "password").await?);
        let after = json!({"enabled": true, "roles": roles(&rights)});
        let deed = self.deed(Act::UserCreate, named(&name)).changing(None, Some(after));
        let user = NewUser { name: name.clone(), password, oidc: None, rights };
        self.registrar.order(Order::CreateUser(user), &deed).await?;
        self.user(&name).await
    }

    async fn hash(
        &self,
        password: &str,
        name: &UserName,
        of: &'static str,
    ) -> Result<String, PeopleError> {
        self.registrar.judge(password, name).map_err(|problem| field(of, problem))?;
        Ok(self.registrar.passwords().hash(password).await?)
    }

    /// Gives somebody these rights instead of those they have; gives their revision then.
    pub async fn set_rights(&self, name: &UserName, rights: Rights) -> Result<u64, PeopleError> {
        self.may(Action::ManageUsers)?;
        let before = self.user(name).await?.rights;
        let act = if gains(&before, &rights) { Act::RoleGrant } else { Act::RoleRevoke };
        let deed = self
            .deed(act, named(name))
            .changing(Some(json!(roles(&before))), Some(json!(roles(&rights))));
        let now = rights.to_string();
        let order = Order::SetRights { user: name.clone(), rights, expected: None };
        let revision = self.order_on(name, order, &deed).await?;
        self.tell(name, &format!("Your roles were changed: {now}")).await;
        Ok(revision)
    }

    /// Lets somebody sign in, or not any more.
    pub async fn set_enabled(&self, name: &UserName, enabled: bool) -> Result<u64, PeopleError> {
        self.may(Action::ManageUsers)?;
        let act = if enabled { Act::UserEnable } else { Act::UserDisable };
        let before = self.user(name).await?.enabled;
        let deed = self
            .deed(act, named(name))
            .changing(Some(json!({"enabled": before})), Some(json!({"enabled": enabled})));
        let order = Order::SetEnabled { user: name.clone(), enabled };
        let revision = self.order_on(name, order, &deed).await?;
        if enabled && !before {
            self.tell(name, "You may sign in again").await;
        }
        Ok(revision)
    }

    /// Sets somebody else's password; all their sessions end.
    pub async fn reset_password(&self, name: &UserName, new: &str) -> Result<u64, PeopleError> {
        self.may(Action::ManageUsers)?;
        if self.is_self(name) {
            let detail = "change your own password on the page of your account, which asks for the current one";
            return Err(field("password", detail));
        }
        self.user(name).await?;
        let password = self.hash(new, name, "password").await?;
        let deed = self.deed(Act::PasswordChange, named(name)).because("set by somebody else");
        let order = Order::SetPassword { user: name.clone(), password, keep: None };
        let revision = self.order_on(name, order, &deed).await?;
        self.tell(name, "A new password was set for you, and your sessions were ended").await;
        Ok(revision)
    }

    /// Changes one's own password; the other sessions end.
    pub async fn change_password(&self, current: &str, new: &str) -> Result<(), PeopleError> {
        self.may(Action::ChangeOwn)?;
        let Some(name) = self.caller.user.clone() else {
            return Err(PeopleError::Needs(Need::SignIn));
        };
        if self.user(&name).await?.password.is_none() {
            let detail = "you sign in through an identity provider; change the password there";
            return Err(field("current", detail));
        }
        self.registrar.judge(new, &name).map_err(|problem| field("new", problem))?;
        let proved =
            self.registrar.prove(Act::PasswordChange, name.as_str(), current, self.caller.from);
        proved.await.map_err(|error| match error {
            SignInError::BadCredentials => field("current", "this is not your current password"),
            SignInError::Throttled { seconds } => PeopleError::Throttled { seconds },
            SignInError::Order(error) => error.into(),
            SignInError::Password(error) => error.into(),
        })?;
        if current == new {
            return Err(field("new", "this is the current password; choose another"));
        }
        let password = self.hash(new, &name, "new").await?;
        let keep = match &self.caller.credential {
            Credential::Session(digest) => Some(digest.clone()),
            Credential::None | Credential::Token(_) => None,
        };
        let deed = self.deed(Act::PasswordChange, named(&name));
        let order = Order::SetPassword { user: name, password, keep };
        self.registrar.order(order, &deed).await?;
        Ok(())
    }

    /// Removes a user with sessions, tokens and notices. What they did stays in the audit log.
    pub async fn delete(&self, name: &UserName) -> Result<(), PeopleError> {
        self.may(Action::ManageUsers)?;
        let user = self.user(name).await?;
        let before = json!({"enabled": user.enabled, "roles": roles(&user.rights)});
        let deed = self.deed(Act::UserDelete, named(name)).changing(Some(before), None);
        self.order_on(name, Order::DeleteUser(name.clone()), &deed).await?;
        Ok(())
    }

    /// Somebody's sessions that hold, the newest first.
    pub async fn sessions(&self, user: &UserName) -> Result<Vec<Session>, PeopleError> {
        self.may_for(user, Action::ReadAccount)?;
        let (now, idle) = (now_ms(), self.registrar.terms().idle_ms);
        let mut held = self.registrar.directory().sessions(Some(user)).await?;
        held.retain(|held| held.expires_ms > now && held.seen_ms.saturating_add(idle) > now);
        held.sort_by(|one, other| {
            (other.created_ms, &other.digest).cmp(&(one.created_ms, &one.digest))
        });
        Ok(held)
    }

    /// Ends one of somebody's sessions, by its public id.
    pub async fn end_session(&self, user: &UserName, id: &str) -> Result<(), PeopleError> {
        self.may_for(user, Action::ChangeOwn)?;
        let held = self.registrar.directory().sessions(Some(user)).await?;
        let session = held.into_iter().find(|session| session.digest.id() == id);
        let session = session.ok_or_else(|| missing(format!("session/{}", printable(id))))?;
        let from = session.from.as_deref().unwrap_or("unknown");
        let deed = self
            .deed(Act::SessionEnd, format!("session/{id}"))
            .because(format!("of {}, opened from {from}", named(user)));
        let told = format!("A session of yours was ended that was opened from {from}");
        self.registrar.order(Order::EndSession(session.digest.clone()), &deed).await?;
        self.tell(user, &told).await;
        Ok(())
    }

    /// Ends all of somebody's sessions but the one that asks.
    pub async fn end_sessions(&self, user: &UserName) -> Result<(), PeopleError> {
        self.may_for(user, Action::ChangeOwn)?;
        let keep = match &self.caller.credential {
            Credential::Session(digest) if self.is_self(user) => Some(digest.clone()),
            _ => None,
        };
        let others = if keep.is_some() { "all but the one that asked" } else { "all" };
        let deed = self.deed(Act::SessionEnd, named(user)).because(others);
        self.registrar.order(Order::EndSessions { user: user.clone(), keep }, &deed).await?;
        self.tell(user, "Your sessions were ended").await;
        Ok(())
    }

    /// Somebody's tokens, or everybody's, the newest first; revoked and expired ones too, for a while.
    pub async fn tokens(&self, user: Option<&UserName>) -> Result<Vec<Token>, PeopleError> {
        match user {
            Some(user) => self.may_for(user, Action::ReadAccount)?,
            None => self.may(Action::ManageUsers)?,
        }
        let mut tokens = self.registrar.directory().tokens(user).await?;
        tokens.sort_by(|one, other| {
            (other.created_ms, &other.digest).cmp(&(one.created_ms, &one.digest))
        });
        Ok(tokens)
    }

    /// Makes a token of somebody; it is returned in clear this once. No scope: all that its owner may do.
    pub async fn create_token(
        &self,
        owner: &UserName,
        label: &str,
        scope: Option<Rights>,
        life_ms: i64,
    ) -> Result<(Token, String), PeopleError> {
        // Who may manage users may not act as them: a token is made by its owner, or at the console.
        let console = self.caller.who.means == domain::access::Means::Console;
        if !console {
            self.may(Action::OwnTokens)?;
            if !self.is_self(owner) {
                return Err(field(
                    "user",
                    "a token is made by its owner, or on the server with `hnp token create`",
                ));
            }
        }
        let user = self.user(owner).await?;
        let label: Label = label.parse().map_err(|error| field("label", error))?;
        let scope = scope.unwrap_or_else(|| user.rights.clone());
        fits(&scope, &user.rights)?;
        if !(SHORTEST_LIFE_MS..=LONGEST_LIFE_MS).contains(&life_ms) {
            return Err(field(
                "expires_in",
                "a token lives from one minute to 366 days, for example `30d`",
            ));
        }
        let token = secret::fresh_token();
        let now = now_ms();
        let kept = Token {
            digest: secret::digest(&token),
            user: owner.clone(),
            label,
            scope,
            created_ms: now,
            expires_ms: now.saturating_add(life_ms),
            used_ms: None,
            revoked_ms: None,
        };
        let after = json!({"user": owner, "label": kept.label, "roles": roles(&kept.scope)});
        let on = format!("token/{}", kept.digest.id());
        let deed = self.deed(Act::TokenCreate, on).changing(None, Some(after));
        self.registrar.order(Order::CreateToken(kept.clone()), &deed).await?;
        self.tell(owner, &format!("A token “{}” was made for you", kept.label.as_str())).await;
        Ok((kept, token))
    }

    /// Revokes a token by its public id: one's own, or any as an admin. One that is revoked already stays so.
    pub async fn revoke_token(&self, id: &str) -> Result<Token, PeopleError> {
        let absent = || missing(format!("token/{}", printable(id)));
        let managed = self.may(Action::ManageUsers).is_ok();
        let own = if managed { None } else { Some(self.caller.user.clone().ok_or_else(absent)?) };
        let held = self.registrar.directory().tokens(own.as_ref()).await?;
        let token = held.into_iter().find(|token| token.digest.id() == id).ok_or_else(absent)?;
        self.may_for(&token.user, Action::OwnTokens)?;
        let before =
            json!({"user": token.user, "label": token.label, "roles": roles(&token.scope)});
        let deed = self.deed(Act::TokenRevoke, format!("token/{id}")).changing(Some(before), None);
        let order = Order::RevokeToken { id: token.digest.0.clone(), owner: own };
        self.registrar.order(order, &deed).await?;
        let told = format!("Your token “{}” was revoked", token.label.as_str());
        self.tell(&token.user, &told).await;
        Ok(token)
    }

    /// Tells somebody what was done to their account, unless they did it.
    async fn tell(&self, user: &UserName, what: &str) {
        if self.is_self(user) {
            return;
        }
        let by = match &self.caller.user {
            Some(by) => format!("{what} (by {by})"),
            None => format!("{what} (on the server's command line)"),
        };
        let link = Some("/account".to_owned());
        let word = Word { severity: Severity::Info, message: by, link };
        self.registrar.tell_person(user, word).await;
    }

    /// Whether a session is the one that asks.
    pub fn is_this(&self, digest: &Digest) -> bool {
        matches!(&self.caller.credential, Credential::Session(own) if own == digest)
    }
}

/// How the audit log and errors name a user.
fn named(name: &UserName) -> String {
    format!("user/{name}")
}

/// Roles as words, for the audit log: `admin`, `operator:prod`.
pub fn roles(rights: &Rights) -> Vec<String> {
    let everywhere = rights.everywhere.iter().map(|role| role.word().to_owned());
    let single = rights.fabrics.iter().map(|(fabric, role)| format!("{role}:{fabric}"));
    everywhere.chain(single).collect()
}

/// Whether there is any place where somebody may do more than before.
pub(crate) fn gains(before: &Rights, after: &Rights) -> bool {
    !before.cover(after)
}

/// Whether a token's scope is within its owner's rights: one that waits for its owner to be promoted is none.
fn fits(scope: &Rights, rights: &Rights) -> Result<(), PeopleError> {
    if scope.is_empty() {
        let detail = if rights.is_empty() {
            "its owner has no role yet, so a token of theirs could do nothing"
        } else {
            "say what the token may do: at least one role"
        };
        return Err(field("rights", detail));
    }
    if scope.everywhere > rights.everywhere {
        let held = rights.everywhere.map_or("no role", domain::access::Role::word);
        let detail = format!("its owner has {held} everywhere; a token cannot do more");
        return Err(field("rights", detail));
    }
    for (fabric, role) in &scope.fabrics {
        let held = rights.role_on(fabric);
        if Some(*role) > held {
            let held = held.map_or("no role", domain::access::Role::word);
            let detail = format!("its owner has {held} on {fabric}; a token cannot do more");
            return Err(field("rights", detail));
        }
    }
    Ok(())
}

/// How a token is: it works, ended by itself, or was revoked.
pub fn state(token: &Token, now_ms: i64) -> &'static str {
    if token.revoked_ms.is_some() {
        "revoked"
    } else if token.expires_ms <= now_ms {
        "expired"
    } else {
        "active"
    }
}

/// Rights as answers and `--json` write them.
pub fn rights_as_json(rights: &Rights) -> Value {
    json!({"everywhere": rights.everywhere, "fabrics": rights.fabrics})
}

/// A length of time as people write it, `30d`, `12h`, `90m`, in milliseconds.
pub fn life(text: &str) -> Option<i64> {
    let text = text.trim();
    let unit = text.chars().last()?;
    let each = match unit {
        'd' => 86_400_000,
        'h' => 3_600_000,
        'm' => 60_000,
        _ => return None,
    };
    let number = text.strip_suffix(unit)?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse::<i64>().ok().filter(|_| digits)?.checked_mul(each)
}

/// What somebody typed as an id, fit for an error.
fn printable(id: &str) -> String {
    id.chars().filter(char::is_ascii_graphic).take(64).collect()
}

#[cfg(test)]
mod tests {
    use domain::access::Role;

    use super::*;

    fn on(fabric: &str, role: Role) -> Rights {
        Rights::on(fabric.parse().unwrap(), role)
    }

    #[test]
    fn a_token_never_holds_more_than_its_owner() {
        let operator = Rights::everywhere(Role::Operator);
        assert!(fits(&Rights::everywhere(Role::Viewer), &operator).is_ok());
        assert!(fits(&on("prod", Role::Operator), &operator).is_ok());
        assert!(fits(&on("prod", Role::Admin), &operator).is_err());
        assert!(fits(&Rights::everywhere(Role::Viewer), &on("prod", Role::Admin)).is_err());
        assert!(fits(&Rights::default(), &operator).is_err());
        let foreign = fits(&on("lab", Role::Viewer), &on("prod", Role::Admin)).unwrap_err();
        assert_eq!(foreign.to_string(), "its owner has no role on lab; a token cannot do more");
    }

    #[test]
    fn a_change_of_rights_is_a_grant_where_anything_is_gained() {
        let viewer = Rights::everywhere(Role::Viewer);
        assert!(gains(&Rights::default(), &viewer));
        assert!(gains(&viewer, &viewer.clone().with(Some("prod".parse().unwrap()), Role::Admin)));
        assert!(!gains(&viewer, &on("prod", Role::Viewer)));
        assert!(gains(&viewer, &on("prod", Role::Operator)));
        assert!(!gains(&viewer, &Rights::default()));
    }

    #[test]
    fn a_life_reads_as_people_write_it() {
        assert_eq!(life("30d"), Some(30 * 86_400_000));
        assert_eq!(life(" 90m "), Some(90 * 60_000));
        for text in ["", "d", "30", "30s", "-1d", "+1d", "1.5d", "9999999999999999d", "é"] {
            assert_eq!(life(text), None, "{text}");
        }
    }
}
