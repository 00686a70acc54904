//! The table of keys, and where each value came from.
//!
//! Invariant: a secret is never part of [`Sources`], nor of an error.

use std::{collections::BTreeMap, path::Path};

use super::ConfigError;

/// Whether others may see a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sight {
    /// They may.
    Open,
    /// All but the password of an address, `scheme://user:password@host`.
    Address,
    /// They may not; it is taken from the environment only, since files get around.
    Secret,
}

/// A key, its environment variable and its default.
struct Key {
    name: &'static str,
    env: &'static str,
    default: &'static str,
    sight: Sight,
}

const fn open(name: &'static str, env: &'static str, default: &'static str) -> Key {
    Key { name, env, default, sight: Sight::Open }
}

/// All keys; described in `docs/configuration.md`, in this order.
const KEYS: [Key; 46] = [
    open("listen", "HNP_LISTEN", "127.0.0.1:3000"),
    open("public_url", "HNP_PUBLIC_URL", ""),
    open("tls.cert_file", "HNP_TLS_CERT_FILE", ""),
    open("tls.key_file", "HNP_TLS_KEY_FILE", ""),
    open("insecure_http", "HNP_INSECURE_HTTP", "false"),
    open("trusted_proxies", "HNP_TRUSTED_PROXIES", ""),
    open("trusted_proxy_header", "HNP_TRUSTED_PROXY_HEADER", "x-forwarded"),
    open("metrics_listen", "HNP_METRICS_LISTEN", ""),
    open("allowed_origins", "HNP_ALLOWED_ORIGINS", ""),
    open("embed_origins", "HNP_EMBED_ORIGINS", ""),
    open("data_dir", "HNP_DATA_DIR", "./data"),
    Key { name: "database_url", env: "HNP_DATABASE_URL", default: "", sight: Sight::Address },
    open("secret_key_file", "HNP_SECRET_KEY_FILE", ""),
    Key { name: "secret_key", env: "HNP_SECRET_KEY", default: "", sight: Sight::Secret },
    open("session_ttl", "HNP_SESSION_TTL", "12h"),
    open("session_idle", "HNP_SESSION_IDLE", "2h"),
    open("password.min_length", "HNP_PASSWORD_MIN_LENGTH", "12"),
    open("oidc.issuer", "HNP_OIDC_ISSUER", ""),
    open("oidc.client_id", "HNP_OIDC_CLIENT_ID", ""),
    open("oidc.client_secret_file", "HNP_OIDC_CLIENT_SECRET_FILE", ""),
    open("oidc.redirect_url", "HNP_OIDC_REDIRECT_URL", ""),
    open("oidc.scopes", "HNP_OIDC_SCOPES", "openid,profile,email"),
    open("oidc.name_claim", "HNP_OIDC_NAME_CLAIM", "preferred_username"),
    open("oidc.role_claim", "HNP_OIDC_ROLE_CLAIM", "groups"),
    open("oidc.admin_values", "HNP_OIDC_ADMIN_VALUES", ""),
    open("oidc.operator_values", "HNP_OIDC_OPERATOR_VALUES", ""),
    open("oidc.viewer_values", "HNP_OIDC_VIEWER_VALUES", ""),
    open("oidc.ca_file", "HNP_OIDC_CA_FILE", ""),
    open("kubeconfig.allow_exec", "HNP_KUBECONFIG_ALLOW_EXEC", "false"),
    open("kubeconfig.allow_files", "HNP_KUBECONFIG_ALLOW_FILES", "false"),
    open("canary", "HNP_CANARY", "off"),
    open("history_max_age", "HNP_HISTORY_MAX_AGE", "30d"),
    open("history_max_bytes", "HNP_HISTORY_MAX_BYTES", "2GiB"),
    open("site", "HNP_SITE", ""),
    open("log", "HNP_LOG", "info"),
    open("log_format", "HNP_LOG_FORMAT", "auto"),
    open("limits.inbound_bytes", "HNP_LIMITS_INBOUND_BYTES", "16384"),
    open("limits.rate", "HNP_LIMITS_RATE", "20"),
    open("limits.topics", "HNP_LIMITS_TOPICS", "256"),
    open("limits.per_address", "HNP_LIMITS_PER_ADDRESS", "200"),
    open("limits.per_user", "HNP_LIMITS_PER_USER", "100"),
    open("limits.total", "HNP_LIMITS_TOTAL", "10000"),
    open("limits.body_bytes", "HNP_LIMITS_BODY_BYTES", "2MiB"),
    open("limits.head_seconds", "HNP_LIMITS_HEAD_SECONDS", "30"),
    open("limits.body_seconds", "HNP_LIMITS_BODY_SECONDS", "30"),
    open("limits.answer_seconds", "HNP_LIMITS_ANSWER_SECONDS", "60"),
];

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The value, as text; of a secret only whether there is one.
    pub value: String,
    /// Where it came from.
    pub place: String,
}

/// All keys with their values and sources, secrets masked.
pub type Sources = BTreeMap<&'static str, Sourced>;

/// What a secret shows of itself.
const MASK: &str = "(set, not shown)";

/// All keys with their values, secrets included; stays in this module's parent.
pub(super) struct Values(BTreeMap<&'static str, (String, String)>);

impl Values {
    /// Every key at its default.
    pub(super) fn defaults() -> Self {
        let default = |key: &Key| (key.name, (key.default.to_owned(), "default".to_owned()));
        Self(KEYS.iter().map(default).collect())
    }

    /// Puts the values of a file over those that are there.
    pub(super) fn read_file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Read {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
            // Its own text would quote the line, and a line may hold a secret.
            ConfigError::Parse { path: path.to_owned(), message: error.message().to_owned() }
        })?;
        let place = path.display().to_string();
        for (name, value) in flatten("", &table) {
            match KEYS.iter().find(|key| key.name == name) {
                Some(key) if key.sight == Sight::Secret => {
                    return Err(ConfigError::OnlyEnvironment {
                        place,
                        key: key.name,
                        env: key.env,
                    });
                }
                Some(key) => self.set(key.name, value, &place),
                None => {
                    let nearest = nearest(&name);
                    return Err(ConfigError::UnknownKey { place, nearest, key: name });
                }
            }
        }
        Ok(())
    }

    /// Puts the values of the environment over those that are there.
    pub(super) fn read_env(&mut self, env: impl Fn(&str) -> Option<String>) {
        for key in &KEYS {
            if let Some(value) = env(key.env) {
                self.set(key.name, value, &format!("environment {}", key.env));
            }
        }
    }

    /// Puts one value over the one that is there.
    pub(super) fn set(&mut self, name: &'static str, value: String, place: &str) {
        self.0.insert(name, (value, place.to_owned()));
    }

    /// The value of a key, trimmed; empty where there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(|(value, _)| value.trim()).unwrap_or_default()
    }

    /// A value that does not read, as an error that shows no secret.
    pub(super) fn wrong(&self, key: &'static str, wanted: &'static str) -> ConfigError {
        let Sourced { value, place } = self.shown(key);
        ConfigError::Value { key, place, value, wanted }
    }

    /// What may be shown.
    pub(super) fn sources(&self) -> Sources {
        KEYS.iter().map(|key| (key.name, self.shown(key.name))).collect()
    }

    fn shown(&self, name: &str) -> Sourced {
        let (value, place) = self.0.get(name).cloned().unwrap_or_default();
        let sight = KEYS.iter().find(|key| key.name == name).map(|key| key.sight);
        let value = match sight {
            Some(Sight::Open) => value,
            Some(Sight::Address) => without_password(&value),
            _ if value.is_empty() => value,
            _ => MASK.to_owned(),
        };
        Sourced { value, place }
    }
}

/// An address without its password; what is before the last `@` of the authority counts as credentials.
fn without_password(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    // A password may hold any of `/?#@` where somebody forgot to encode it.
    let Some((credentials, place)) = rest.rsplit_once('@') else { return address.to_owned() };
    let Some((user, _)) = credentials.split_once(':') else { return address.to_owned() };
    format!("{scheme}://{user}:***@{place}")
}

fn flatten(prefix: &str, table: &toml::Table) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (key, value) in table {
        let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            toml::Value::Table(table) => out.extend(flatten(&name, table)),
            toml::Value::String(text) => out.push((name, text.clone())),
            toml::Value::Array(items) => {
                let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                out.push((name, items.join(",")));
            }
            other => out.push((name, other.to_string())),
        }
    }
    out
}

/// The known key with the fewest edits to `name`.
fn nearest(name: &str) -> String {
    KEYS.iter()
        .min_by_key(|key| distance(key.name, name))
        .map_or_else(String::new, |key| key.name.to_owned())
}

fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.chars()) {
            let above = *cell;
            left = (corner + usize::from(x != y)).min(above + 1).min(left + 1);
            *cell = left;
            corner = above;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_described_with_its_variable_and_default() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
        let text = std::fs::read_to_string(file).unwrap();
        for key in &KEYS {
            let row = text.lines().find(|line| line.starts_with(&format!("| `{}` |", key.name)));
            let row = row.unwrap_or_else(|| panic!("docs/configuration.md lacks `{}`", key.name));
            assert!(row.contains(&format!("`{}`", key.env)), "{row}");
            assert!(key.default.is_empty() || row.contains(&format!("`{}`", key.default)), "{row}");
        }
        let rows = text.lines().filter(|line| line.starts_with("| `")).count();
        assert_eq!(rows, KEYS.len(), "no row for a key that does not exist");
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (address, shown) in [
            ("", ""),
            ("data/hnp.db", "data/hnp.db"),
            ("sqlite://data/x@y.db", "sqlite://data/x@y.db"),
            ("postgres://db/hnp", "postgres://db/hnp"),
            ("postgres://hnp:geheim@db/hnp", "postgres://hnp:***@db/hnp"),
            ("postgres://hnp:ge/h@im@db/hnp", "postgres://hnp:***@db/hnp"),
        ] {
            assert_eq!(without_password(address), shown);
        }
    }
}
