//! How a registered fabric is reached and watched, as people say it: access, watch plan, and what a test of it
//! found.
//!
//! Invariant: no secret can be serialized or shown by accident; no mistake's text quotes one; no I/O.

use std::fmt;

use serde::{Deserialize, Serialize};

pub mod mistake;
pub mod plan;
pub mod report;
pub mod rights;
pub mod selector;
pub mod server;

pub use self::{
    mistake::{Field, Mistake},
    plan::{Coverage, Kinds, Namespace, PlanInput, WatchPlan},
    report::{CertificateView, Examination, Fact, Outcome, Stage, Step, TlsFault},
    selector::LabelSelector,
    server::ServerUrl,
};

/// Longest kubeconfig, in bytes.
pub const LARGEST_KUBECONFIG: usize = 1024 * 1024;
/// Most PEM text of certificate authorities, in bytes.
pub const LARGEST_AUTHORITY: usize = 256 * 1024;
/// Longest token, in bytes.
pub const LARGEST_TOKEN: usize = 64 * 1024;
/// Longest name of a context or a server, in bytes.
const LONGEST_NAME: usize = 253;

/// A text that is never shown and never serialized; what is to be sealed goes through [`Access::to_sealable`].
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for those who use it, not for those who show it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// By a kubeconfig, as pasted.
    Kubeconfig {
        /// Its text: it holds credentials.
        text: Secret,
        /// Name of the context; none: the current one.
        context: Option<String>,
    },
    /// By an address and a bearer token.
    Direct {
        /// Address of the API server.
        server: ServerUrl,
        /// Certificates of the authorities to trust, as PEM; none: those of the system.
        ca_pem: Option<String>,
        /// The token.
        token: Secret,
        /// Name that the certificate must carry, where it is not the address's host.
        tls_server_name: Option<String>,
    },
    /// As a pod of the cluster itself, by its service account.
    InCluster,
}

/// What of an [`Access`] is sealed and read back.
#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Sealed {
    Kubeconfig {
        text: String,
        context: Option<String>,
    },
    Direct {
        server: ServerUrl,
        ca_pem: Option<String>,
        token: String,
        tls_server_name: Option<String>,
    },
    InCluster,
}

/// What was unsealed is no access.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stored access to the fabric cannot be read; enter it again")]
pub struct UnreadableAccess;

impl Access {
    /// Checks sizes and shapes; what is in a kubeconfig is checked where it is read.
    pub fn check(&self) -> Result<(), Mistake> {
        match self {
            Self::Kubeconfig { text, context } => {
                bounded(Field::Kubeconfig, text.expose(), LARGEST_KUBECONFIG, "1 MiB")?;
                named(Field::Context, context.as_deref())
            }
            Self::Direct { ca_pem, token, tls_server_name, .. } => {
                if let Some(pem) = ca_pem {
                    authority(pem)?;
                }
                bounded(Field::Token, token.expose(), LARGEST_TOKEN, "64 KiB")?;
                if !token.expose().chars().all(|c| c.is_ascii_graphic()) {
                    let problem = "it holds blanks, line breaks or letters beyond ASCII".to_owned();
                    return Err(Mistake::Malformed { field: Field::Token, problem });
                }
                named(Field::TlsServerName, tls_server_name.as_deref())
            }
            Self::InCluster => Ok(()),
        }
    }

    /// Everything, secrets included, as one text to be sealed.
    pub fn to_sealable(&self) -> Secret {
        let sealed = match self.clone() {
            Self::Kubeconfig { text, context } => Sealed::Kubeconfig { text: text.0, context },
            Self::Direct { server, ca_pem, token, tls_server_name } => {
                Sealed::Direct { server, ca_pem, token: token.0, tls_server_name }
            }
            Self::InCluster => Sealed::InCluster,
        };
        // Plain texts always serialize.
        Secret(serde_json::to_string(&sealed).unwrap_or_default())
    }

    /// Reads what [`Self::to_sealable`] gave.
    pub fn from_sealable(text: &Secret) -> Result<Self, UnreadableAccess> {
        let sealed = serde_json::from_str(text.expose()).map_err(|_| UnreadableAccess)?;
        Ok(match sealed {
            Sealed::Kubeconfig { text, context } => {
                Self::Kubeconfig { text: Secret(text), context }
            }
            Sealed::Direct { server, ca_pem, token, tls_server_name } => {
                Self::Direct { server, ca_pem, token: Secret(token), tls_server_name }
            }
            Sealed::InCluster => Self::InCluster,
        })
    }
}

/// A filled text within its bound.
fn bounded(field: Field, text: &str, most: usize, limit: &'static str) -> Result<(), Mistake> {
    if text.trim().is_empty() {
        return Err(Mistake::Empty { field });
    }
    if text.len() > most { Err(Mistake::TooLong { field, limit }) } else { Ok(()) }
}

/// A name that may be absent, but not empty.
fn named(field: Field, name: Option<&str>) -> Result<(), Mistake> {
    let Some(name) = name else { return Ok(()) };
    bounded(field, name, LONGEST_NAME, "253 bytes")?;
    if name.chars().any(char::is_control) {
        let problem = "it holds control characters".to_owned();
        return Err(Mistake::Malformed { field, problem });
    }
    Ok(())
}

/// PEM of certificates, and of nothing else.
fn authority(pem: &str) -> Result<(), Mistake> {
    let field = Field::Authority;
    bounded(field, pem, LARGEST_AUTHORITY, "256 KiB")?;
    if pem.contains("PRIVATE KEY-----") {
        return Err(Mistake::PrivateKey { field });
    }
    if pem.contains("-----BEGIN CERTIFICATE-----") {
        return Ok(());
    }
    Err(Mistake::Malformed { field, problem: "it holds no PEM certificate".to_owned() })
}

/// Which way of access it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessKind {
    /// A pasted kubeconfig.
    Kubeconfig,
    /// Address, authority and token.
    Direct,
    /// The pod's own service account.
    InCluster,
    /// A kubeconfig file named on the command line.
    CommandLine,
}

/// How the cluster is told who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// Not at all.
    None,
    /// By a bearer token.
    Token,
    /// By a token that is read from a file.
    TokenFile,
    /// By a client certificate.
    ClientCertificate,
    /// By a program that is asked for a credential.
    Exec,
}

/// What may be shown of an access: no credential is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessView {
    /// Which way.
    pub kind: AccessKind,
    /// Address of the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Context in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Contexts there are.
    #[serde(default)]
    pub contexts: Vec<String>,
    /// Namespace of the context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// How we say who asks.
    pub credential: Credential,
    /// Authorities that are trusted; empty: those of the system.
    #[serde(default)]
    pub authorities: Vec<CertificateView>,
    /// Name that the certificate must carry, where it is not the address's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_server_name: Option<String>,
    /// Whether the server's certificate is verified.
    pub verified: bool,
    /// Why it cannot be used, and what to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn direct(token: &str, ca_pem: Option<&str>) -> Access {
        Access::Direct {
            server: "https://10.0.0.1:6443/".parse().unwrap(),
            ca_pem: ca_pem.map(str::to_owned),
            token: Secret::new(token),
            tls_server_name: None,
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let text = format!("{:?} {:?}", direct("planted", None), Secret::new("planted"));
        assert!(!text.contains("planted"), "{text}");
    }

    #[test]
    fn what_is_sealed_reads_back() {
        let pasted = Access::Kubeconfig { text: Secret::new("a: b"), context: Some("c".into()) };
        for access in [pasted, direct("t", Some("pem")), Access::InCluster] {
            assert_eq!(Access::from_sealable(&access.to_sealable()).unwrap(), access);
        }
        assert!(Access::from_sealable(&Secret::new("{}")).is_err());
    }

    #[test]
    fn mistakes_name_the_field_and_never_quote_a_secret() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nplanted\n";
        let long = "x".repeat(LARGEST_KUBECONFIG + 1);
        let pasted = |text: &str| Access::Kubeconfig { text: Secret::new(text), context: None };
        for (access, field) in [
            (direct("", None), Field::Token),
            (direct("two planted words", None), Field::Token),
            (direct("t", Some(key)), Field::Authority),
            (direct("t", Some("planted")), Field::Authority),
            (pasted(" \n"), Field::Kubeconfig),
            (pasted(&long), Field::Kubeconfig),
        ] {
            let mistake = access.check().unwrap_err();
            assert_eq!(mistake.field(), field);
            let text = format!("{mistake}; {}", mistake.remedy());
            assert!(!text.contains("planted"), "{text}");
        }
        assert_eq!(direct("abc.def-ghi", None).check(), Ok(()));
    }
}
