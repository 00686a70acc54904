//! Configuration: flags over environment (`HNP_…`) over file over defaults.
//!
//! Each key is one row of the table in [`keys`]; from it come the environment's name, the file's key, the
//! default, `--print-config` and the check for unknown keys. `docs/configuration.md` describes them.
//!
//! Invariant: the environment and the file are read here and nowhere else; no secret is shown by `Debug`,
//! [`Sources`] or an error.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use engine::store::Retention;
use ipnet::IpNet;

pub mod keys;
pub mod oidc;
mod read;

use self::keys::Values;
pub use self::{
    keys::{Sourced, Sources},
    oidc::{Oidc, Rule},
};

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// Text.
    Text,
    /// One JSON object per line.
    Json,
}

/// Whether delivery lag is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// It is not: nothing is written to clusters.
    Off,
    /// By a Lease of ours that is written every 10 s.
    Lease,
}

/// Limits of the live link, and of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message of a client over the live link, in bytes.
    pub inbound_bytes: usize,
    /// Messages per second of one client; twice that in a burst.
    pub rate: u32,
    /// Topics that one client may ask for; a wildcard is one.
    pub topics: usize,
    /// Live links per address, loopback exempt.
    pub per_address: usize,
    /// Live links per person.
    pub per_user: usize,
    /// Live links in all.
    pub total: usize,
    /// Largest body of a request, in bytes.
    pub body_bytes: usize,
    /// Time for a request's head, and between two requests of a connection.
    pub head_time: Duration,
    /// Time for a request's body.
    pub body_time: Duration,
    /// Time until an answer begins.
    pub answer_time: Duration,
}

/// A secret from the environment; shows nothing of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The secret itself, for the one who needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// Where the key comes from that seals secrets in the database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file, made with mode 0600 where it is missing.
    File(PathBuf),
    /// The environment.
    Value(Hidden),
}

/// Files of the listener's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and the authority, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// In which header a trusted proxy says for whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, `-Proto` and `-Host`.
    XForwarded,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Proxies that are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proxies {
    /// Where they ask from; empty: none is believed.
    pub networks: Vec<IpNet>,
    /// What they say it in; the other header is ignored, since they may pass on what a client wrote there.
    pub header: ProxyHeader,
}

/// How long somebody stays signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sessions {
    /// Milliseconds from signing in.
    pub ttl_ms: i64,
    /// Milliseconds without any request.
    pub idle_ms: i64,
}

/// What kubeconfigs from people may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KubeconfigRules {
    /// Commands that run on this machine.
    pub exec: bool,
    /// Files of this machine.
    pub files: bool,
}

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Address that people use, `https://host:port` as browsers write it; none: from `listen`.
    pub public_url: Option<String>,
    /// The listener's certificate; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// Whether plain HTTP may leave this machine.
    pub insecure_http: bool,
    /// Whether metrics name fabrics to anybody on this machine: the demo's, no key of its own.
    pub open_metrics: bool,
    /// Proxies that are believed.
    pub proxies: Proxies,
    /// Where metrics are served instead of at `listen`, without signing in.
    pub metrics_listen: Option<SocketAddr>,
    /// Further origins from which a browser may open the live link, exact.
    pub allowed_origins: Vec<String>,
    /// Origins whose pages may embed parts of ours, exact.
    pub embed_origins: Vec<String>,
    /// Where data lies.
    pub data_dir: PathBuf,
    /// Where records are kept, `sqlite://path`; none: `hnp.db` in `data_dir`.
    pub database_url: Option<String>,
    /// Where the key comes from that seals secrets in the database.
    pub key: KeySource,
    /// How long somebody stays signed in.
    pub sessions: Sessions,
    /// Fewest characters of a password.
    pub password_min_length: usize,
    /// Signing in through an identity provider; none: with passwords only.
    pub oidc: Option<Oidc>,
    /// What kubeconfigs from people may refer to.
    pub kubeconfig: KubeconfigRules,
    /// Whether delivery lag is measured.
    pub canary: Canary,
    /// How long and how much is kept of what happened.
    pub history: Retention,
    /// Folder of the client's files; none: `site/` beside the executable, else `target/site`.
    pub site: Option<PathBuf>,
    /// Filter of the log.
    pub log: String,
    /// Format of the log.
    pub log_format: LogFormat,
    /// Limits of the live link, and of every request.
    pub limits: Limits,
}

/// Why a configuration cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("could not read {path}: {message}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// The file is not TOML.
    #[error("{path} is not TOML: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why not.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place} has the unknown key `{key}`; did you mean `{nearest}`?")]
    UnknownKey {
        /// The file, or "the environment".
        place: String,
        /// The key.
        key: String,
        /// The nearest known one.
        nearest: String,
    },
    /// A secret in a file.
    #[error(
        "{place} has `{key}`, which is taken from the environment only ({env}), since files get around"
    )]
    OnlyEnvironment {
        /// The file.
        place: String,
        /// The key.
        key: &'static str,
        /// Its variable.
        env: &'static str,
    },
    /// A value that does not read.
    #[error("`{key}` from {place} is `{value}`, which is not {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// Where it came from.
        place: String,
        /// The value; of a secret only that there is one.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A key that needs another one.
    #[error("`{key}` is set, but `{needs}` is not")]
    Incomplete {
        /// The key.
        key: &'static str,
        /// The one that it needs.
        needs: &'static str,
    },
    /// Plain HTTP for others than this machine.
    #[error(
        "`listen` is {listen}, which others can reach, and passwords would travel there in clear: neither `tls.cert_file` is set, nor `trusted_proxies` with a `public_url` of https"
    )]
    InClear {
        /// The address.
        listen: SocketAddr,
    },
}

/// What the command line says about configuration; empty where it says nothing.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--config`.
    pub file: Option<PathBuf>,
    /// `--listen`.
    pub listen: Option<String>,
    /// `--data-dir`.
    pub data_dir: Option<String>,
}

/// Puts a configuration together; `env` gives the environment, so that tests need none.
pub fn load(
    flags: &Flags,
    env: impl Fn(&str) -> Option<String>,
) -> Result<(Config, Sources), ConfigError> {
    let mut values = Values::defaults();
    let default_file = Path::new("hnp.toml");
    match &flags.file {
        Some(path) => values.read_file(path)?,
        None if default_file.exists() => values.read_file(default_file)?,
        None => {}
    }
    values.read_env(env);
    for (name, value) in [("listen", &flags.listen), ("data_dir", &flags.data_dir)] {
        if let Some(value) = value {
            values.set(name, value.clone(), "command line");
        }
    }
    let config = parse(&values)?;
    config.check()?;
    Ok((config, values.sources()))
}

impl Config {
    /// Whether people reach us encrypted: cookies are for such connections only, then.
    pub fn is_https(&self) -> bool {
        self.tls.is_some() || self.is_public_https()
    }

    /// Where an identity provider sends people back to; none: it cannot be known.
    pub fn oidc_redirect(&self) -> Option<String> {
        let given = self.oidc.as_ref().and_then(|oidc| oidc.redirect_url.clone());
        given.or_else(|| self.public_url.as_ref().map(|url| format!("{url}{}", oidc::CALLBACK)))
    }

    fn is_public_https(&self) -> bool {
        self.public_url.as_ref().is_some_and(|url| url.starts_with("https://"))
    }

    /// What no single key can say about itself.
    fn check(&self) -> Result<(), ConfigError> {
        let proxied = !self.proxies.networks.is_empty() && self.is_public_https();
        let sheltered = self.tls.is_some() || proxied || self.insecure_http;
        if !self.listen.ip().is_loopback() && !sheltered {
            return Err(ConfigError::InClear { listen: self.listen });
        }
        if self.oidc.is_some() && self.oidc_redirect().is_none() {
            return Err(ConfigError::Incomplete { key: "oidc.issuer", needs: "public_url" });
        }
        Ok(())
    }
}

fn parse(values: &Values) -> Result<Config, ConfigError> {
    let some = |key| Some(values.text(key).to_owned()).filter(|text| !text.is_empty());
    let data_dir = PathBuf::from(values.text("data_dir"));
    let public_url = some("public_url").map(|url| {
        let wanted = "an address without a path, such as https://hnp.example";
        read::origin(&url).ok_or_else(|| values.wrong("public_url", wanted))
    });
    Ok(Config {
        listen: read::value(values, "listen", "an address with a port, such as 127.0.0.1:3000")?,
        public_url: public_url.transpose()?,
        tls: tls(values)?,
        insecure_http: read::flag(values, "insecure_http")?,
        open_metrics: false,
        proxies: Proxies {
            networks: read::networks(values, "trusted_proxies")?,
            header: match values.text("trusted_proxy_header") {
                "x-forwarded" => ProxyHeader::XForwarded,
                "forwarded" => ProxyHeader::Forwarded,
                _ => {
                    return Err(
                        values.wrong("trusted_proxy_header", "`x-forwarded` or `forwarded`")
                    );
                }
            },
        },
        metrics_listen: read::maybe(
            values,
            "metrics_listen",
            "an address with a port, such as 10.0.0.5:9100",
        )?,
        allowed_origins: read::origins(values, "allowed_origins")?,
        embed_origins: read::origins(values, "embed_origins")?,
        database_url: some("database_url"),
        key: key(values, &data_dir)?,
        data_dir,
        sessions: sessions(values)?,
        password_min_length: password_min_length(values)?,
        oidc: oidc::parse(values)?,
        kubeconfig: KubeconfigRules {
            exec: read::flag(values, "kubeconfig.allow_exec")?,
            files: read::flag(values, "kubeconfig.allow_files")?,
        },
        canary: match values.text("canary") {
            "off" => Canary::Off,
            "lease" => Canary::Lease,
            _ => return Err(values.wrong("canary", "`off` or `lease`")),
        },
        history: Retention {
            max_age_ms: read::age(values, "history_max_age")?,
            max_bytes: read::size(values, "history_max_bytes")?,
        },
        site: read::path(values, "site"),
        log: values.text("log").to_owned(),
        log_format: match values.text("log_format") {
            "auto" => LogFormat::Auto,
            "text" => LogFormat::Text,
            "json" => LogFormat::Json,
            _ => return Err(values.wrong("log_format", "`auto`, `text` or `json`")),
        },
        limits: limits(values)?,
    })
}

fn tls(values: &Values) -> Result<Option<TlsFiles>, ConfigError> {
    match (read::path(values, "tls.cert_file"), read::path(values, "tls.key_file")) {
        (Some(cert), Some(key)) => Ok(Some(TlsFiles { cert, key })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(ConfigError::Incomplete { key: "tls.cert_file", needs: "tls.key_file" })
        }
        (None, Some(_)) => {
            Err(ConfigError::Incomplete { key: "tls.key_file", needs: "tls.cert_file" })
        }
    }
}

fn key(values: &Values, data_dir: &Path) -> Result<KeySource, ConfigError> {
    let (value, file) = (values.text("secret_key"), read::path(values, "secret_key_file"));
    if value.is_empty() {
        return Ok(KeySource::File(file.unwrap_or_else(|| data_dir.join("secret.key"))));
    }
    if file.is_some() {
        // Which of them seals is nothing to guess about.
        return Err(values.wrong("secret_key", "needed beside `secret_key_file`; set one of them"));
    }
    Ok(KeySource::Value(Hidden(value.to_owned())))
}

fn sessions(values: &Values) -> Result<Sessions, ConfigError> {
    /// Shorter, and nobody gets anything done.
    const SHORTEST_MS: i64 = 1_000;
    let sessions = Sessions {
        ttl_ms: read::age(values, "session_ttl")?,
        idle_ms: read::age(values, "session_idle")?,
    };
    for (key, ms) in [("session_ttl", sessions.ttl_ms), ("session_idle", sessions.idle_ms)] {
        if ms < SHORTEST_MS {
            return Err(values.wrong(key, "at least 1s"));
        }
    }
    Ok(sessions)
}

fn password_min_length(values: &Values) -> Result<usize, ConfigError> {
    let wanted = "a number of characters from 8 to 128";
    let length = read::within(values, "password.min_length", 8..=128, wanted)?;
    usize::try_from(length).map_err(|_| values.wrong("password.min_length", wanted))
}

fn limits(values: &Values) -> Result<Limits, ConfigError> {
    let seconds = |key| {
        read::within(values, key, 1..=3_600, "a number of seconds from 1 to 3600")
            .map(Duration::from_secs)
    };
    Ok(Limits {
        inbound_bytes: read::value(values, "limits.inbound_bytes", "a number of bytes")?,
        rate: read::value(values, "limits.rate", "a number of messages per second")?,
        topics: read::value(values, "limits.topics", "a number of topics")?,
        per_address: read::value(values, "limits.per_address", "a number of connections")?,
        per_user: read::value(values, "limits.per_user", "a number of connections")?,
        total: read::value(values, "limits.total", "a number of connections")?,
        body_bytes: read::size(values, "limits.body_bytes")?,
        head_time: seconds("limits.head_seconds")?,
        body_time: seconds("limits.body_seconds")?,
        answer_time: seconds("limits.answer_seconds")?,
    })
}

#[cfg(test)]
mod tests;
