//! Why a cluster did not give us what we asked for.

use domain::state::Cause;

use crate::chain::Chain;

/// A failed request, by what one can do about it.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The request did not get through.
    #[error("could not {action}")]
    Connect {
        /// What we were doing.
        action: &'static str,
        /// Why not.
        #[source]
        cause: Box<kube::Error>,
    },
    /// No answer in time.
    #[error("no answer in {seconds} s to: {action}")]
    Timeout {
        /// What we were doing.
        action: &'static str,
        /// How long we waited.
        seconds: u64,
    },
    /// The server refused, with a status.
    #[error("the API server answered {code} to: {action}: {message}")]
    Status {
        /// What we were doing.
        action: &'static str,
        /// HTTP status.
        code: u16,
        /// What the server says.
        message: String,
    },
    /// The connection broke in the middle of an answer.
    #[error("the connection broke while we were trying to {action}: {message}")]
    Broken {
        /// What we were doing.
        action: &'static str,
        /// What the transport says.
        message: String,
    },
    /// The answer is not what the Kubernetes API says.
    #[error("the answer to `{action}` is not the Kubernetes API's: {message}")]
    Protocol {
        /// What we were doing.
        action: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// More than we are willing to hold.
    #[error("the answer to `{action}` is larger than {limit}")]
    TooLarge {
        /// What we were doing.
        action: &'static str,
        /// The limit, in words.
        limit: &'static str,
    },
}

impl ClusterError {
    /// HTTP status, if the server gave one.
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Status { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The word for it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Timeout { .. } => Cause::Timeout,
            Self::Status { code: 401, .. } => Cause::Unauthorized,
            Self::Status { code: 403, .. } => Cause::Forbidden,
            Self::Status { .. } => Cause::ServerError,
            Self::Broken { .. } => Cause::Tcp,
            Self::Protocol { .. } | Self::TooLarge { .. } => Cause::Protocol,
            Self::Connect { cause, .. } => cause_of(&Chain(&**cause).to_string(), cause),
        }
    }

    /// What failed and what to do, in a sentence for the screen.
    pub fn reason(&self) -> String {
        format!("{}; {}", Chain(self), self.remedy())
    }

    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self.cause() {
            Cause::Dns => "check the server's name in the kubeconfig and the resolver",
            Cause::Tcp => "check that the API server runs and can be reached from here",
            Cause::Tls => "check the certificate authority and the server's name in the kubeconfig",
            Cause::Timeout => "the server accepts connections but does not answer; check its load",
            Cause::Unauthorized => "the credentials are not accepted; renew them",
            Cause::Forbidden => "the credentials lack a right; grant get, list and watch",
            Cause::ServerError => "the server has trouble of its own; see its log",
            Cause::Protocol => "check that this address is a Kubernetes API server",
            Cause::Config => "mend the kubeconfig",
            Cause::Version => "install the fabric's CRDs in a version that HNP reads",
            Cause::ClockSkew => "synchronise the clocks of the API server and of this machine",
        }
    }
}

/// Whether the TLS stack itself is at the bottom; the names in its words may be anything.
fn is_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    if error.is::<rustls::Error>() {
        return true;
    }
    // What is wrapped in an I/O error is not its source, but the source of it is.
    let wrapped = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    wrapped.is_some_and(|inner| is_tls(inner)) || error.source().is_some_and(is_tls)
}

/// kube wraps resolver, socket and TLS errors alike; their texts tell them apart.
fn cause_of(text: &str, error: &kube::Error) -> Cause {
    let text = text.to_ascii_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    if matches!(error, kube::Error::Auth(_)) {
        Cause::Unauthorized
    } else if is_tls(error) {
        Cause::Tls
    } else if says(&["dns", "resolve", "lookup address", "name or service"]) {
        Cause::Dns
    } else if says(&["certificate", "tls", "handshake", "unknownissuer"]) {
        Cause::Tls
    } else if says(&["timed out", "timeout", "deadline"]) {
        Cause::Timeout
    } else {
        Cause::Tcp
    }
}
