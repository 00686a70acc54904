//! Signing in through an identity provider, as configured.
//!
//! Invariant: without a provider none of its keys means anything, so that a key left alone is an error;
//! nobody gets a role that no rule gives them.

use std::path::PathBuf;

use domain::{access::Role, topic::FabricId};

use super::{ConfigError, keys::Values, read};

/// Path, on this server, that a provider sends people back to.
pub const CALLBACK: &str = "/login/oidc/callback";

/// Who carries this value in the role claim gets this role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The value of the claim, exact.
    pub value: String,
    /// On this fabric; none: everywhere.
    pub fabric: Option<FabricId>,
    /// The role.
    pub role: Role,
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// Its address; `/.well-known/openid-configuration` below it describes it.
    pub issuer: String,
    /// Who we are to it.
    pub client_id: String,
    /// File with our secret; none: we are a public client, PKCE alone.
    pub client_secret_file: Option<PathBuf>,
    /// Where it sends people back to; none: `/login/oidc/callback` below our public address.
    pub redirect_url: Option<String>,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// Claim that names a person.
    pub name_claim: String,
    /// Claim that roles follow from: a text, or a list of them; `a.b` looks into objects.
    pub role_claim: String,
    /// Roles by value of that claim.
    pub rules: Vec<Rule>,
    /// Authority of its certificate, PEM; none: the system's.
    pub ca_file: Option<PathBuf>,
}

/// Keys that say nothing without a provider.
const DEPENDENT: [&str; 7] = [
    "oidc.client_id",
    "oidc.client_secret_file",
    "oidc.redirect_url",
    "oidc.admin_values",
    "oidc.operator_values",
    "oidc.viewer_values",
    "oidc.ca_file",
];

pub(super) fn parse(values: &Values) -> Result<Option<Oidc>, ConfigError> {
    let Some(issuer) = read::safe_url(values, "oidc.issuer")? else {
        return match DEPENDENT.iter().find(|key| !values.text(key).is_empty()) {
            Some(key) => Err(ConfigError::Incomplete { key, needs: "oidc.issuer" }),
            None => Ok(None),
        };
    };
    let client_id = values.text("oidc.client_id").to_owned();
    if client_id.is_empty() {
        return Err(ConfigError::Incomplete { key: "oidc.issuer", needs: "oidc.client_id" });
    }
    let mut scopes = read::list(values, "oidc.scopes");
    if scopes.iter().all(|scope| scope != "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    let rules = [
        ("oidc.admin_values", Role::Admin),
        ("oidc.operator_values", Role::Operator),
        ("oidc.viewer_values", Role::Viewer),
    ]
    .into_iter()
    .map(|(key, role)| rules(values, key, role))
    .collect::<Result<Vec<_>, _>>()?;
    let named = |key: &'static str| {
        let name = values.text(key).to_owned();
        if name.is_empty() { Err(values.wrong(key, "the name of a claim")) } else { Ok(name) }
    };
    Ok(Some(Oidc {
        issuer,
        client_id,
        client_secret_file: read::path(values, "oidc.client_secret_file"),
        redirect_url: redirect(values)?,
        scopes,
        name_claim: named("oidc.name_claim")?,
        role_claim: named("oidc.role_claim")?,
        rules: rules.concat(),
        ca_file: read::path(values, "oidc.ca_file"),
    }))
}

/// It must lead to where answers are taken, behind whatever proxy.
fn redirect(values: &Values) -> Result<Option<String>, ConfigError> {
    let url = read::safe_url(values, "oidc.redirect_url")?;
    let wanted = "an address that ends with /login/oidc/callback right after host and port";
    match url.as_deref().map(|url| url.strip_suffix(CALLBACK)) {
        None => Ok(None),
        Some(Some(home)) if read::origin(home).is_some() => Ok(url),
        Some(_) => Err(values.wrong("oidc.redirect_url", wanted)),
    }
}

/// `value` everywhere, `fabric:value` on one fabric. A value that has a colon itself is written after the
/// empty fabric: `:urn:group`.
fn rules(values: &Values, key: &'static str, role: Role) -> Result<Vec<Rule>, ConfigError> {
    let read = |text: String| {
        let wanted = "a list of `value` (everywhere) or `fabric:value` (on that fabric)";
        let (fabric, value) = match text.split_once(':') {
            None => (None, text.as_str()),
            Some(("", value)) => (None, value),
            Some((fabric, value)) => {
                (Some(fabric.parse().map_err(|_| values.wrong(key, wanted))?), value)
            }
        };
        if value.is_empty() {
            return Err(values.wrong(key, wanted));
        }
        Ok(Rule { value: value.to_owned(), fabric, role })
    };
    read::list(values, key).into_iter().map(read).collect()
}
