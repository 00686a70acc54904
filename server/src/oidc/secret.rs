//! Our secret before the provider, and what keeps a provider from being used at all.
//!
//! Invariant: the secret is in no error and no `Debug`; a file that others may read is refused.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use openidconnect::ClientSecret;

/// Longest secret that is read, in bytes.
const LONGEST: u64 = 4_096;

/// Why a provider cannot be used as it is configured.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// An address that is none.
    #[error("`{key}` is no address: {why}")]
    Url {
        /// The key.
        key: &'static str,
        /// Why not.
        why: String,
    },
    /// A file that cannot be read.
    #[error("could not read {path} (`{key}`): {why}; let the user that runs hnp read it", path = path.display())]
    Read {
        /// The key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A secret that others may read.
    #[error("others may read {path} (`oidc.client_secret_file`, mode {mode:o}); chmod 600 it, or 640 with a group of hnp's own", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A secret that is none.
    #[error("{path} (`oidc.client_secret_file`) holds no secret: one line of at most {LONGEST} bytes is expected", path = path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// Authorities that are none.
    #[error("{path} (`oidc.ca_file`) holds no certificate in PEM", path = path.display())]
    Authorities {
        /// The file.
        path: PathBuf,
    },
    /// No client can be made.
    #[error("no connection to an identity provider can be made: {0}")]
    Client(String),
}

impl OpenError {
    pub(super) fn url(key: &'static str, error: openidconnect::url::ParseError) -> Self {
        Self::Url { key, why: error.to_string() }
    }

    pub(super) fn read(key: &'static str, path: &Path, error: &std::io::Error) -> Self {
        Self::Read { key, path: path.to_owned(), why: error.to_string() }
    }
}

/// The secret of a file: its only line.
pub(super) fn read(path: &Path) -> Result<ClientSecret, OpenError> {
    let failed = |error: std::io::Error| OpenError::read("oidc.client_secret_file", path, &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    #[cfg(unix)]
    {
        let data = file.metadata().map_err(failed)?;
        let mode = std::os::unix::fs::PermissionsExt::mode(&data.permissions()) & 0o777;
        // A group may: that is how secrets are mounted into containers.
        if mode & 0o007 != 0 {
            return Err(OpenError::Exposed { path: path.to_owned(), mode });
        }
    }
    let mut text = String::new();
    file.take(LONGEST + 1).read_to_string(&mut text).map_err(failed)?;
    let secret = text.trim();
    let one_line = !secret.is_empty() && !secret.chars().any(char::is_control);
    if !one_line || text.len() as u64 > LONGEST {
        return Err(OpenError::Empty { path: path.to_owned() });
    }
    Ok(ClientSecret::new(secret.to_owned()))
}
