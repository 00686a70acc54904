//! The one policy: who may do what, on what.
//!
//! Pages, server functions, the HTTP API, the live link and the command line ask [`decide`] and nothing
//! else; its whole table is the snapshot `access/policy.txt`, so that a change of rights is seen in review.
//!
//! Invariant: no right follows from anything but the rights of the person and the means of signing in;
//! more role never means fewer rights; what somebody has no right on does not exist for them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{kind::Kind, topic::FabricId};

/// What somebody may do, everywhere or on one fabric; each includes the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees.
    Viewer,
    /// Sees and acts.
    Operator,
    /// Sees, acts and decides who else may.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A word that is no role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a role; write `viewer`, `operator` or `admin`")]
pub struct RoleError(String);

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let role = Self::ALL.into_iter().find(|role| role.word() == text);
        role.ok_or_else(|| RoleError(text.chars().take(80).collect()))
    }
}

/// What somebody may do: a role everywhere, and roles on single fabrics. The greater one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// The role on every fabric, now and later, and in the house itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub everywhere: Option<Role>,
    /// Roles on single fabrics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fabrics: BTreeMap<FabricId, Role>,
}

impl Rights {
    /// A role everywhere.
    pub fn everywhere(role: Role) -> Self {
        Self { everywhere: Some(role), fabrics: BTreeMap::new() }
    }

    /// A role on one fabric.
    pub fn on(fabric: FabricId, role: Role) -> Self {
        Self { everywhere: None, fabrics: BTreeMap::from([(fabric, role)]) }
    }

    /// With one grant more; the greater role counts.
    #[must_use]
    pub fn with(mut self, scope: Option<FabricId>, role: Role) -> Self {
        match scope {
            None => self.everywhere = self.everywhere.max(Some(role)),
            Some(fabric) => {
                let held = self.fabrics.entry(fabric).or_insert(role);
                *held = role.max(*held);
            }
        }
        self
    }

    /// The role on a fabric; none: it does not exist for them.
    pub fn role_on(&self, fabric: &FabricId) -> Option<Role> {
        self.everywhere.max(self.fabrics.get(fabric).copied())
    }

    /// Whether there is any right at all.
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_none() && self.fabrics.is_empty()
    }

    /// Whether nothing of other rights goes beyond these, on any fabric.
    pub fn cover(&self, other: &Self) -> bool {
        let named = self.fabrics.keys().chain(other.fabrics.keys());
        let mut named = named.map(|fabric| (self.role_on(fabric), other.role_on(fabric)));
        self.everywhere >= other.everywhere && named.all(|(own, other)| own >= other)
    }

    /// What is left of these rights within a scope (of an API token): on each place the smaller role.
    #[must_use]
    pub fn within(&self, scope: &Self) -> Self {
        let both = |one: Option<Role>, other: Option<Role>| Some(one?.min(other?));
        let everywhere = both(self.everywhere, scope.everywhere);
        let named = self.fabrics.keys().chain(scope.fabrics.keys());
        let fabrics = named.filter_map(|fabric| {
            let role = both(self.role_on(fabric), scope.role_on(fabric))?;
            Some((fabric.clone(), role)).filter(|_| Some(role) > everywhere)
        });
        Self { everywhere, fabrics: fabrics.collect() }
    }
}

/// Roles as people read them: `admin`, `viewer, operator on prod`, `none`.
impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        let everywhere = self.everywhere.map(|role| role.word().to_owned());
        let single = self.fabrics.iter().map(|(fabric, role)| format!("{role} on {fabric}"));
        let words: Vec<String> = everywhere.into_iter().chain(single).collect();
        f.write_str(&words.join(", "))
    }
}

/// How somebody proved who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Means {
    /// Not at all.
    None,
    /// By signing in: a session of a browser.
    Session,
    /// By an API token that may do all that its owner may.
    Token,
    /// By an API token that was made for a part of it: what is its owner's own is none of its business.
    #[serde(rename = "scoped-token")]
    ScopedToken,
    /// By being able to run commands on the server's own database.
    Console,
}

impl Means {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Session => "session",
            Self::Token => "token",
            Self::ScopedToken => "scoped token",
            Self::Console => "console",
        }
    }
}

/// Somebody, as the policy sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// What they may do.
    pub rights: Rights,
    /// How they proved it.
    pub means: Means,
}

impl Who {
    /// Nobody in particular.
    pub fn nobody() -> Self {
        Self { rights: Rights::default(), means: Means::None }
    }

    /// Somebody who signed in.
    pub fn session(rights: Rights) -> Self {
        Self { rights, means: Means::Session }
    }

    /// Who runs commands on the server's own database.
    pub fn console() -> Self {
        Self { rights: Rights::everywhere(Role::Admin), means: Means::Console }
    }

    /// Whether they may see a fabric.
    pub fn sees(&self, fabric: &FabricId) -> bool {
        self.may(Action::View, Subject::Fabric(fabric))
    }

    /// Whether they may do something.
    pub fn may(&self, action: Action, subject: Subject<'_>) -> bool {
        decide(self, action, subject) == Verdict::Allowed
    }
}

/// What can be done. Each is on a fabric or in the house, see [`Action::place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// See a fabric: its objects, state, feed and past.
    View,
    /// Read how a fabric is connected and watched (never its credentials).
    ReadConnection,
    /// Have the connection of a fabric examined.
    TestFabric,
    /// Change how a fabric is connected and watched, switch it off and on.
    EditFabric,
    /// Register a fabric, and try a connection that is not registered yet.
    CreateFabric,
    /// Remove a fabric with all that was recorded of it.
    DeleteFabric,
    /// Know who one is.
    ReadOwn,
    /// Read what is one's own: what is addressed to one, one's sessions and tokens.
    ReadAccount,
    /// Change one's own password, end one's own sessions.
    ChangeOwn,
    /// Make and revoke one's own API tokens.
    OwnTokens,
    /// Read and change users, their roles, sessions and tokens.
    ManageUsers,
    /// Read, search, export and verify the audit log.
    ReadAudit,
    /// Read the server's own settings and measurements.
    ReadHouse,
    /// Copy and restore the database, change its key.
    Maintain,
}

/// Where an action takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On one fabric.
    Fabric,
    /// In the house.
    House,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::View,
        Self::ReadConnection,
        Self::TestFabric,
        Self::EditFabric,
        Self::CreateFabric,
        Self::DeleteFabric,
        Self::ReadOwn,
        Self::ReadAccount,
        Self::ChangeOwn,
        Self::OwnTokens,
        Self::ManageUsers,
        Self::ReadAudit,
        Self::ReadHouse,
        Self::Maintain,
    ];

    /// The name in tables and in the audit log.
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::ReadConnection => "read-connection",
            Self::TestFabric => "test-fabric",
            Self::EditFabric => "edit-fabric",
            Self::CreateFabric => "create-fabric",
            Self::DeleteFabric => "delete-fabric",
            Self::ReadOwn => "read-own",
            Self::ReadAccount => "read-account",
            Self::ChangeOwn => "change-own",
            Self::OwnTokens => "own-tokens",
            Self::ManageUsers => "manage-users",
            Self::ReadAudit => "read-audit",
            Self::ReadHouse => "read-house",
            Self::Maintain => "maintain",
        }
    }

    /// Where it takes place.
    pub const fn place(self) -> Place {
        match self {
            Self::View | Self::ReadConnection | Self::TestFabric | Self::EditFabric => {
                Place::Fabric
            }
            Self::CreateFabric
            | Self::DeleteFabric
            | Self::ReadOwn
            | Self::ReadAccount
            | Self::ChangeOwn
            | Self::OwnTokens
            | Self::ManageUsers
            | Self::ReadAudit
            | Self::ReadHouse
            | Self::Maintain => Place::House,
        }
    }

    /// What it takes.
    const fn price(self) -> Price {
        match self {
            Self::View => Price::Role(Role::Viewer),
            Self::ReadConnection | Self::TestFabric => Price::Role(Role::Operator),
            Self::EditFabric
            | Self::CreateFabric
            | Self::DeleteFabric
            | Self::ManageUsers
            | Self::ReadAudit
            | Self::ReadHouse => Price::Role(Role::Admin),
            Self::ReadOwn => Price::SignedIn,
            Self::ReadAccount => Price::Whole,
            Self::ChangeOwn | Self::OwnTokens => Price::InPerson,
            Self::Maintain => Price::AtConsole,
        }
    }
}

/// What an action takes.
enum Price {
    /// To be somebody.
    SignedIn,
    /// To be somebody with all that they may do: a token for a part of it does not do.
    Whole,
    /// To have signed in: a token does not do.
    InPerson,
    /// To be at the server's own command line.
    AtConsole,
    /// A role where it takes place.
    Role(Role),
}

/// What something is done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// The house: users, settings, the set of fabrics.
    House,
    /// A fabric.
    Fabric(&'a FabricId),
    /// The objects of a kind in a fabric.
    Kind(&'a FabricId, Kind),
}

/// What an action would need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To sign in.
    SignIn,
    /// To sign in with a browser; an API token may not.
    Session,
    /// To sign in with a browser, or to come with a token that is for all that one may do.
    Whole,
    /// To run a command on the server.
    Console,
    /// A role on the fabric.
    OnFabric(Role),
    /// A role everywhere.
    Everywhere(Role),
}

/// As a sentence for a disabled button and for a refusal.
impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn => f.write_str("sign in first"),
            Self::Session => f.write_str("sign in with a browser; an API token may not do this"),
            Self::Whole => f.write_str(
                "sign in with a browser; this API token is for a part of what its owner may do",
            ),
            Self::Console => f.write_str("run the `hnp` command on the server"),
            Self::OnFabric(role) => {
                write!(f, "needs the role {role} on this fabric; ask an admin")
            }
            Self::Everywhere(role) => write!(f, "needs the role {role} everywhere; ask an admin"),
        }
    }
}

/// What the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Do it.
    Allowed,
    /// It would need this.
    Needs(Need),
    /// For this person there is no such fabric: answer as for a name that was never given.
    Hidden,
}

/// Decides. The only place in which rights are compared.
pub fn decide(who: &Who, action: Action, subject: Subject<'_>) -> Verdict {
    if who.means == Means::None {
        return Verdict::Needs(Need::SignIn);
    }
    let fabric = match subject {
        Subject::House => None,
        Subject::Fabric(fabric) | Subject::Kind(fabric, _) => Some(fabric),
    };
    if fabric.is_some_and(|fabric| who.rights.role_on(fabric).is_none()) {
        return Verdict::Hidden;
    }
    let held = match (action.place(), fabric) {
        (Place::Fabric, Some(fabric)) => who.rights.role_on(fabric),
        (Place::Fabric | Place::House, _) => who.rights.everywhere,
    };
    let (enough, need) = match action.price() {
        Price::SignedIn => (true, Need::SignIn),
        Price::Whole => (who.means != Means::ScopedToken, Need::Whole),
        Price::InPerson => (!matches!(who.means, Means::Token | Means::ScopedToken), Need::Session),
        Price::AtConsole => (who.means == Means::Console, Need::Console),
        Price::Role(role) => {
            let on_fabric = action.place() == Place::Fabric && fabric.is_some();
            let need = if on_fabric { Need::OnFabric(role) } else { Need::Everywhere(role) };
            (held >= Some(role), need)
        }
    };
    if enough { Verdict::Allowed } else { Verdict::Needs(need) }
}

#[cfg(test)]
mod tests;
