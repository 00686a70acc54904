//! What can be wrong in the form of a fabric: the field, the problem and the remedy.
//!
//! Invariant: no text that may be secret is repeated.

use serde::{Deserialize, Serialize};

/// A field of the form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// The pasted kubeconfig.
    Kubeconfig,
    /// Its context.
    Context,
    /// The API server's address.
    Server,
    /// Certificates of the authorities to trust.
    Authority,
    /// The bearer token.
    Token,
    /// The name that the certificate must carry.
    TlsServerName,
    /// The kinds to watch.
    Kinds,
    /// The namespaces to watch.
    Namespaces,
    /// The label selector.
    Labels,
}

impl Field {
    /// The word, as in forms and in the API.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
            Self::Context => "context",
            Self::Server => "server",
            Self::Authority => "authority",
            Self::Token => "token",
            Self::TlsServerName => "tls_server_name",
            Self::Kinds => "kinds",
            Self::Namespaces => "namespaces",
            Self::Labels => "labels",
        }
    }
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mistake {
    /// Nothing was given.
    #[error("{field}: nothing was given")]
    Empty {
        /// Where.
        field: Field,
    },
    /// Too much was given.
    #[error("{field}: it is longer than {limit}")]
    TooLong {
        /// Where.
        field: Field,
        /// The bound, in words.
        limit: &'static str,
    },
    /// Too many were given.
    #[error("{field}: more than {most} were given")]
    TooMany {
        /// Where.
        field: Field,
        /// The bound.
        most: usize,
    },
    /// It is not what it should be.
    #[error("{field}: {problem}")]
    Malformed {
        /// Where.
        field: Field,
        /// What is wrong.
        problem: String,
    },
    /// A private key where certificates belong.
    #[error("{field}: it holds a private key")]
    PrivateKey {
        /// Where.
        field: Field,
    },
}

impl Mistake {
    /// Where it is.
    pub const fn field(&self) -> Field {
        match self {
            Self::Empty { field }
            | Self::TooLong { field, .. }
            | Self::TooMany { field, .. }
            | Self::Malformed { field, .. }
            | Self::PrivateKey { field } => *field,
        }
    }

    /// What to do.
    pub const fn remedy(&self) -> &'static str {
        if let Self::PrivateKey { .. } = self {
            return "paste the certificates of the authority only, never its key";
        }
        match self.field() {
            Field::Kubeconfig => "paste what `kubectl config view --raw --flatten --minify` prints",
            Field::Context => "name one of the kubeconfig's contexts, or none for the current one",
            Field::Server => "write the API server's address as in `https://10.0.0.1:6443`",
            Field::Authority => {
                "paste the PEM text from `-----BEGIN CERTIFICATE-----` on, or leave it empty to trust the system's authorities"
            }
            Field::Token => {
                "paste the token alone, as `kubectl create token` prints it, without quotes"
            }
            Field::TlsServerName => "write a host name of the certificate, or leave it empty",
            Field::Kinds => "choose at least one kind, or all",
            Field::Namespaces => {
                "write namespaces as Kubernetes names them (lower-case letters, digits and `-`), at most 64, or none for all"
            }
            Field::Labels => {
                "write a label selector as kubectl takes it, for example `env=prod,tier in (a, b),!old`"
            }
        }
    }
}
