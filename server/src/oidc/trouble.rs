//! What can go wrong when people sign in through a provider, in words.
//!
//! Invariant: no word of it is a token, a code or a secret; what the provider wrote is cut and without control
//! characters.

use domain::account::UserName;
use engine::store::{StoreError, directory::OrderError};
use openidconnect::DiscoveryError;

/// What is wrong with the provider, or on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No connection.
    #[error("cannot reach {host}: {why}")]
    Unreachable {
        /// Whom.
        host: String,
        /// Why not.
        why: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {seconds} s")]
    Late {
        /// Who.
        host: String,
        /// Within how long, in seconds.
        seconds: u64,
    },
    /// More than is read.
    #[error("{host} answered with more than {most} bytes")]
    Large {
        /// Who.
        host: String,
        /// Most that is read, in bytes.
        most: usize,
    },
    /// An answer with the wrong status or type.
    #[error("{issuer} does not answer as an OpenID Connect provider: {why}")]
    Answer {
        /// Who.
        issuer: String,
        /// Status and place.
        why: String,
    },
    /// It is another one than it should be.
    #[error("it is not the issuer that it should be: {0}")]
    Issuer(String),
    /// What it offers is not enough.
    #[error("{host} cannot be used: {why}")]
    Unfit {
        /// Who.
        host: String,
        /// Why not.
        why: String,
    },
    /// It does not exchange the code.
    #[error("{host} refused to say who it is: {why}")]
    Refused {
        /// Who.
        host: String,
        /// Its reason.
        why: String,
    },
}

impl Trouble {
    /// Trouble with what a provider says of itself.
    pub(super) fn of_discovery(issuer: &str, error: DiscoveryError<Self>) -> Self {
        let answer = |why: String| Self::Answer { issuer: issuer.to_owned(), why: plain(&why) };
        match error {
            DiscoveryError::Request(trouble) => trouble,
            DiscoveryError::Response(_, _, why) | DiscoveryError::Other(why) => answer(why),
            DiscoveryError::Parse(error) => answer(format!("what it says does not read: {error}")),
            DiscoveryError::Validation(why) => Self::Issuer(plain(&why)),
            other => answer(chain(&other)),
        }
    }
}

/// Why somebody is not who they would be, or may not come in all the same.
#[derive(Debug, thiserror::Error)]
pub enum OidcError {
    /// The provider fails.
    #[error(transparent)]
    Provider(#[from] Trouble),
    /// The provider, or the person before it, said no.
    #[error("the identity provider did not let you sign in: {0}")]
    Denied(String),
    /// The browser came back without the attempt that it went with.
    #[error(transparent)]
    Attempt(#[from] AttemptError),
    /// What the provider gave proves nothing.
    #[error("what the identity provider says of you cannot be believed: {0}")]
    Token(String),
    /// They are who they are, and may not come in.
    #[error(transparent)]
    Person(#[from] PersonError),
    /// Too many failures.
    #[error("too many failed attempts; wait {seconds} s")]
    Throttled {
        /// Until one may try again, in seconds.
        seconds: u64,
    },
    /// The directory fails.
    #[error(transparent)]
    Order(#[from] OrderError),
}

impl From<StoreError> for OidcError {
    fn from(error: StoreError) -> Self {
        Self::Order(error.into())
    }
}

/// Why an answer of the provider belongs to no attempt of this browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttemptError {
    /// Nothing was begun here.
    #[error("this sign-in was not begun in this browser, or cookies are refused; begin it here")]
    Absent,
    /// Something was begun, and this is the answer to something else.
    #[error("this answer belongs to another sign-in than the one begun last; begin again")]
    Foreign,
    /// It took too long.
    #[error("this sign-in took longer than ten minutes; begin again")]
    Expired,
    /// It was used before.
    #[error("this sign-in was used already; begin again")]
    Used,
    /// It is none.
    #[error("the identity provider sent you back without a code; begin again")]
    Malformed,
}

/// Why somebody whom the provider vouches for may not come in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PersonError {
    /// They are kept out.
    #[error("{0} may not sign in here; ask an admin")]
    Disabled(UserName),
    /// Their name is somebody else's.
    #[error(
        "the name {0} belongs to an account here that is not yours at the identity provider; ask an admin to remove that account or to have you named otherwise"
    )]
    Taken(UserName),
    /// They have no name.
    #[error(
        "the identity provider does not say your name: the claim `{0}` is missing; ask an admin to set `oidc.name_claim`"
    )]
    Nameless(String),
    /// Their name is none here.
    #[error("the identity provider says a name that cannot be one here: {0}")]
    Name(String),
    /// There is nobody yet, and they are no admin.
    #[error(
        "nobody has an account here yet: the first admin comes in by the set-up link on the server's console, or by a role that the identity provider gives"
    )]
    First,
    /// They would be no admin any more, and nobody else is one.
    #[error(
        "the identity provider no longer makes {0} an admin, and no other admin is left; run `hnp user` on the server to make one"
    )]
    LastAdmin(UserName),
}

/// An error with its causes, as one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    plain(&text)
}

/// What is at the bottom of an error, and whether it is a refused connection.
fn root(error: &reqwest::Error) -> (String, bool) {
    let mut bottom: &(dyn std::error::Error + 'static) = error;
    while let Some(cause) = bottom.source() {
        bottom = cause;
    }
    let kind = bottom.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    (bottom.to_string(), kind == Some(std::io::ErrorKind::ConnectionRefused))
}

/// What somebody else wrote, as it may be shown: one line of at most 300 characters.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect()
}

/// Why a request came to nothing, of an error of the HTTP client.
pub(super) fn unreachable(host: String, error: &reqwest::Error, seconds: u64) -> Trouble {
    if error.is_timeout() {
        return Trouble::Late { host, seconds };
    }
    let text = chain(error);
    let (bottom, is_refused) = root(error);
    let why = if is_refused {
        "connection refused".to_owned()
    } else if text.contains("certificate") {
        format!("its certificate is not trusted ({bottom}); see `oidc.ca_file`")
    } else if text.contains("dns error") {
        "its name is not known (DNS)".to_owned()
    } else {
        bottom
    };
    Trouble::Unreachable { host, why: plain(&why) }
}
