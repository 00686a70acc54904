//! The address of an API server.
//!
//! Invariant: no credentials, query or fragment are in it; it has no trailing slash.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::mistake::{Field, Mistake};

/// Longest address, in bytes.
const LONGEST: usize = 2_048;

/// `https://host[:port][/path]`; `http` only where nothing is encrypted, as in tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ServerUrl> for String {
    fn from(url: ServerUrl) -> Self {
        url.0
    }
}

impl TryFrom<String> for ServerUrl {
    type Error = Mistake;

    fn try_from(text: String) -> Result<Self, Mistake> {
        text.parse()
    }
}

impl FromStr for ServerUrl {
    type Err = Mistake;

    fn from_str(text: &str) -> Result<Self, Mistake> {
        let field = Field::Server;
        let bad = |problem: &str| Mistake::Malformed { field, problem: problem.to_owned() };
        let text = text.trim();
        if text.is_empty() {
            return Err(Mistake::Empty { field });
        }
        if text.len() > LONGEST {
            return Err(Mistake::TooLong { field, limit: "2048 bytes" });
        }
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let rest = rest.ok_or_else(|| bad("it does not begin with `https://`"))?;
        if !text.chars().all(|c| c.is_ascii_graphic()) {
            return Err(bad("it holds blanks or letters beyond ASCII"));
        }
        if text.contains(['?', '#']) {
            return Err(bad("it holds a query or a fragment"));
        }
        let authority = rest.split('/').next().unwrap_or_default();
        if authority.contains('@') {
            return Err(bad("it holds a user or a password"));
        }
        let (host, port) = host_and_port(authority).ok_or_else(|| bad("its port is no port"))?;
        if host.is_empty() || !is_host(host) {
            return Err(bad("it names no host"));
        }
        if port == Some(0) {
            return Err(bad("its port is no port"));
        }
        Ok(Self(text.trim_end_matches('/').to_owned()))
    }
}

/// The host, without the brackets of IPv6, and the port if it is there; none where the port is no number.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inside) => inside.split_once(']')?,
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    match rest.strip_prefix(':') {
        Some(port) => Some((host, Some(port.parse().ok()?))),
        None => rest.is_empty().then_some((host, None)),
    }
}

fn is_host(host: &str) -> bool {
    host.parse::<std::net::IpAddr>().is_ok()
        || host.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_as_people_write_them() {
        for (text, expected) in [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443"),
            (" https://api.example.net/ ", "https://api.example.net"),
            ("https://[::1]:6443", "https://[::1]:6443"),
            (
                "https://rancher.example.net/k8s/clusters/c-1",
                "https://rancher.example.net/k8s/clusters/c-1",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(text.parse::<ServerUrl>().unwrap().as_str(), expected);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "10.0.0.1:6443",
            "ftp://host",
            "https://",
            "https:///path",
            "https://user:secret@host",
            "https://host:port",
            "https://host:0",
            "https://host:99999",
            "https://ho st",
            "https://host?x=1",
            "https://[::1",
            "https://[::1]x",
        ] {
            let mistake = text.parse::<ServerUrl>().unwrap_err();
            assert_eq!(mistake.field(), Field::Server, "{text}");
            assert!(!mistake.to_string().contains("secret"));
        }
    }
}
