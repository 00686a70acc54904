//! Configuration: flags over environment (`HNP_…`) over file over defaults.
//!
//! Each key is one row of the table below; from it come the environment's name, the file's key, the
//! default, `--print-config` and the check for unknown keys.
//!
//! Invariant: the environment and the file are read here and nowhere else.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use engine::store::Retention;

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

/// Limits of the live link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest message of a client, in bytes.
    pub inbound_bytes: usize,
    /// Messages per second of one client; twice that in a burst.
    pub rate: u32,
    /// Topics that one client may ask for; a wildcard is one.
    pub topics: usize,
    /// Connections per address, loopback exempt.
    pub per_address: usize,
    /// Connections in all.
    pub total: usize,
}

/// The configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Address that people use, `http://host:port`; none: from `listen`.
    pub public_url: Option<String>,
    /// Where data lies.
    pub data_dir: PathBuf,
    /// Where records are kept, `sqlite://path`; none: `hnp.db` in `data_dir`.
    pub database_url: Option<String>,
    /// Whether delivery lag is measured.
    pub canary: Canary,
    /// How long and how much is kept of what happened.
    pub history: Retention,
    /// Folder of the client's files; none: `site/` beside the executable, else `target/site`.
    pub site: Option<PathBuf>,
    /// Further origins from which a browser may open the live link, exact.
    pub allowed_origins: Vec<String>,
    /// Filter of the log.
    pub log: String,
    /// Format of the log.
    pub log_format: LogFormat,
    /// Limits of the live link.
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
    /// A value that does not read.
    #[error("`{key}` from {place} is `{value}`, which is not {wanted}")]
    Value {
        /// The key.
        key: &'static str,
        /// Where it came from.
        place: String,
        /// The value.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// The listener is not on loopback.
    #[error(
        "`listen` is {listen}, which others can reach, but there are no accounts yet; use 127.0.0.1, [::1] or a tunnel"
    )]
    NotLoopback {
        /// The address.
        listen: SocketAddr,
    },
}

/// A key, its environment variable and its default.
struct Key {
    name: &'static str,
    env: &'static str,
    default: &'static str,
}

const KEYS: [Key; 16] = [
    Key { name: "listen", env: "HNP_LISTEN", default: "127.0.0.1:3000" },
    Key { name: "public_url", env: "HNP_PUBLIC_URL", default: "" },
    Key { name: "data_dir", env: "HNP_DATA_DIR", default: "./data" },
    Key { name: "database_url", env: "HNP_DATABASE_URL", default: "" },
    Key { name: "canary", env: "HNP_CANARY", default: "off" },
    Key { name: "history_max_age", env: "HNP_HISTORY_MAX_AGE", default: "30d" },
    Key { name: "history_max_bytes", env: "HNP_HISTORY_MAX_BYTES", default: "2GiB" },
    Key { name: "site", env: "HNP_SITE", default: "" },
    Key { name: "allowed_origins", env: "HNP_ALLOWED_ORIGINS", default: "" },
    Key { name: "log", env: "HNP_LOG", default: "info" },
    Key { name: "log_format", env: "HNP_LOG_FORMAT", default: "auto" },
    Key { name: "limits.inbound_bytes", env: "HNP_LIMITS_INBOUND_BYTES", default: "16384" },
    Key { name: "limits.rate", env: "HNP_LIMITS_RATE", default: "20" },
    Key { name: "limits.topics", env: "HNP_LIMITS_TOPICS", default: "256" },
    Key { name: "limits.per_address", env: "HNP_LIMITS_PER_ADDRESS", default: "200" },
    Key { name: "limits.total", env: "HNP_LIMITS_TOTAL", default: "10000" },
];

/// A value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sourced {
    /// The value, as text.
    pub value: String,
    /// Where it came from.
    pub place: String,
}

/// All keys with their values and sources.
pub type Sources = BTreeMap<&'static str, Sourced>;

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
    let mut sources: Sources = KEYS
        .iter()
        .map(|key| {
            (key.name, Sourced { value: key.default.to_owned(), place: "default".to_owned() })
        })
        .collect();
    let default_file = Path::new("hnp.toml");
    match &flags.file {
        Some(path) => read_file(path, &mut sources)?,
        None if default_file.exists() => read_file(default_file, &mut sources)?,
        None => {}
    }
    for key in &KEYS {
        if let Some(value) = env(key.env) {
            sources.insert(key.name, Sourced { value, place: format!("environment {}", key.env) });
        }
    }
    for (name, value) in [("listen", &flags.listen), ("data_dir", &flags.data_dir)] {
        if let Some(value) = value {
            sources
                .insert(name, Sourced { value: value.clone(), place: "command line".to_owned() });
        }
    }
    let config = parse(&sources)?;
    if config.listen.ip().is_loopback() {
        Ok((config, sources))
    } else {
        Err(ConfigError::NotLoopback { listen: config.listen })
    }
}

fn read_file(path: &Path, sources: &mut Sources) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConfigError::Read { path: path.to_owned(), message: error.to_string() })?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Parse {
        path: path.to_owned(),
        message: error.to_string(),
    })?;
    let place = path.display().to_string();
    for (name, value) in flatten("", &table) {
        match KEYS.iter().find(|key| key.name == name) {
            Some(key) => sources.insert(key.name, Sourced { value, place: place.clone() }),
            None => {
                return Err(ConfigError::UnknownKey { place, nearest: nearest(&name), key: name });
            }
        };
    }
    Ok(())
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

fn parse(sources: &Sources) -> Result<Config, ConfigError> {
    let text = |key: &'static str| {
        sources.get(key).map(|sourced| sourced.value.trim().to_owned()).unwrap_or_default()
    };
    let some = |key| Some(text(key)).filter(|text| !text.is_empty());
    let log_format = match text("log_format").as_str() {
        "auto" => LogFormat::Auto,
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        _ => return Err(wrong(sources, "log_format", "`auto`, `text` or `json`")),
    };
    Ok(Config {
        listen: read(sources, "listen", "an address with a port, such as 127.0.0.1:3000")?,
        public_url: some("public_url").map(|url| url.trim_end_matches('/').to_owned()),
        data_dir: text("data_dir").into(),
        database_url: some("database_url"),
        canary: match text("canary").as_str() {
            "off" => Canary::Off,
            "lease" => Canary::Lease,
            _ => return Err(wrong(sources, "canary", "`off` or `lease`")),
        },
        history: Retention {
            max_age_ms: quantity(sources, "history_max_age", &AGES, "an age such as 30d or 12h")?,
            max_bytes: quantity(
                sources,
                "history_max_bytes",
                &SIZES,
                "a size such as 2GiB or 500MiB",
            )?,
        },
        site: some("site").map(PathBuf::from),
        allowed_origins: text("allowed_origins")
            .split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(str::to_owned)
            .collect(),
        log: text("log"),
        log_format,
        limits: Limits {
            inbound_bytes: read(sources, "limits.inbound_bytes", "a number of bytes")?,
            rate: read(sources, "limits.rate", "a number of messages per second")?,
            topics: read(sources, "limits.topics", "a number of topics")?,
            per_address: read(sources, "limits.per_address", "a number of connections")?,
            total: read(sources, "limits.total", "a number of connections")?,
        },
    })
}

fn read<T: std::str::FromStr>(
    sources: &Sources,
    key: &'static str,
    wanted: &'static str,
) -> Result<T, ConfigError> {
    let text = sources.get(key).map(|sourced| sourced.value.trim()).unwrap_or_default();
    text.parse().map_err(|_| wrong(sources, key, wanted))
}

/// Units of ages, in milliseconds.
const AGES: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
/// Units of sizes, in bytes.
const SIZES: [(&str, u64); 7] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("B", 1),
];

/// A whole number with a unit, as people write it.
fn quantity<T: TryFrom<u64>>(
    sources: &Sources,
    key: &'static str,
    units: &[(&str, u64)],
    wanted: &'static str,
) -> Result<T, ConfigError> {
    let text = sources.get(key).map(|sourced| sourced.value.trim()).unwrap_or_default();
    let read = || {
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(digits)?;
        let (_, factor) = units.iter().find(|(name, _)| *name == unit.trim())?;
        T::try_from(number.parse::<u64>().ok()?.checked_mul(*factor)?).ok()
    };
    read().ok_or_else(|| wrong(sources, key, wanted))
}

fn wrong(sources: &Sources, key: &'static str, wanted: &'static str) -> ConfigError {
    let Sourced { value, place } = sources
        .get(key)
        .cloned()
        .unwrap_or(Sourced { value: String::new(), place: "nowhere".to_owned() });
    ConfigError::Value { key, place, value, wanted }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> Flags {
        let path =
            std::env::temp_dir().join(format!("hnp-config-{}-{name}.toml", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Flags { file: Some(path), ..Flags::default() }
    }

    #[test]
    fn flags_beat_environment_beats_file_beats_default() {
        let mut flags =
            file("order", "listen = \"127.0.0.1:1\"\ndata_dir = \"/d\"\n[limits]\nrate = 7\n");
        let env = |name: &str| (name == "HNP_LISTEN").then(|| "127.0.0.1:2".to_owned());
        let (config, sources) = load(&flags, env).unwrap();
        assert_eq!((config.listen.port(), config.limits.rate, config.limits.total), (2, 7, 10_000));
        assert_eq!(sources["listen"].place, "environment HNP_LISTEN");
        flags.listen = Some("127.0.0.1:3".to_owned());
        assert_eq!(load(&flags, env).unwrap().0.listen.port(), 3);
    }

    #[test]
    fn an_unknown_key_names_the_nearest() {
        let error = load(&file("unknown", "lisen = \"x\"\n"), |_| None).unwrap_err();
        assert!(
            matches!(&error, ConfigError::UnknownKey { key, nearest, .. } if key == "lisen" && nearest == "listen"),
            "{error}"
        );
        let error = load(&file("nested", "[limits]\nrat = 1\n"), |_| None).unwrap_err();
        assert!(
            matches!(&error, ConfigError::UnknownKey { nearest, .. } if nearest == "limits.rate"),
            "{error}"
        );
    }

    #[test]
    fn only_loopback_is_accepted_before_there_are_accounts() {
        for listen in ["0.0.0.0:3000", "192.168.1.1:3000", "[::]:3000"] {
            let flags = Flags { listen: Some(listen.to_owned()), ..Flags::default() };
            assert!(
                matches!(load(&flags, |_| None), Err(ConfigError::NotLoopback { .. })),
                "{listen}"
            );
        }
        for listen in ["127.0.0.1:0", "[::1]:3000", "127.9.9.9:1"] {
            let flags = Flags { listen: Some(listen.to_owned()), ..Flags::default() };
            assert!(load(&flags, |_| None).is_ok(), "{listen}");
        }
    }

    #[test]
    fn ages_and_sizes_read_as_people_write_them() {
        let with = |name: &'static str, value: &'static str| {
            load(&Flags::default(), move |asked| (asked == name).then(|| value.to_owned()))
        };
        let (config, _) = with("HNP_HISTORY_MAX_AGE", "12h").unwrap();
        assert_eq!(config.history.max_age_ms, 12 * 3_600_000);
        assert_eq!(config.history.max_bytes, 2 << 30, "the default");
        let (config, _) = with("HNP_HISTORY_MAX_BYTES", "500 MB").unwrap();
        assert_eq!(config.history.max_bytes, 500_000_000);
        for bad in ["30", "d", "-1d", "3 weeks", "99999999999999999d"] {
            let error = with("HNP_HISTORY_MAX_AGE", bad).unwrap_err().to_string();
            assert!(error.contains("30d or 12h"), "{bad}: {error}");
        }
    }

    #[test]
    fn a_value_that_does_not_read_says_where_it_came_from() {
        let error =
            load(&Flags::default(), |name| (name == "HNP_LIMITS_RATE").then(|| "many".to_owned()))
                .unwrap_err();
        assert_eq!(
            error.to_string(),
            "`limits.rate` from environment HNP_LIMITS_RATE is `many`, which is not a number of messages per second"
        );
    }
}
