//! The listener's certificate: read from files, checked, and read again when they change.
//!
//! Invariant: the key is never shown; a certificate that cannot be used never takes the place of one that
//! can; no connection is dropped because a file changed.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use engine::clock::now_ms;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::config::TlsFiles;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);
/// A certificate that ends within this time is warned about when it is read, in milliseconds.
const SOON_MS: i64 = 14 * 24 * 3_600_000;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("could not read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        cause: io::Error,
    },
    /// The file holds no certificate.
    #[error("{path} holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)")]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no key.
    #[error(
        "{path} holds no private key in PEM that can be used without a passphrase (`-----BEGIN PRIVATE KEY-----`)"
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is of a sort that is not spoken.
    #[error(
        "the key in {path} cannot be used: it must be RSA (2048 bits or more), ECDSA P-256 or P-384, or Ed25519"
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// They are not a pair.
    #[error(
        "the key in {key} does not belong to the first certificate in {cert}; the server's own comes first, then its issuers"
    )]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The certificate's time is over, or has not come.
    #[error("the certificate in {path} counts from {from} to {until} only")]
    OutOfDate {
        /// The file.
        path: PathBuf,
        /// Its first moment.
        from: String,
        /// Its last moment.
        until: String,
    },
    /// The TLS stack does not start.
    #[error("could not set up TLS")]
    SetUp(#[source] rustls::Error),
}

/// What the files held when they were last looked at.
#[derive(Clone, PartialEq, Eq)]
struct Content {
    cert: Vec<u8>,
    key: Vec<u8>,
}

/// A certificate that is served, and where it came from.
pub struct Certificate {
    files: TlsFiles,
    server: Arc<ServerConfig>,
    desk: Arc<Desk>,
    /// What was seen last, good or bad, so that the same fault is told once.
    seen: Mutex<Content>,
}

/// Hands out the present certificate.
struct Desk(Mutex<Arc<CertifiedKey>>);

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Desk")
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Desk {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// What a look at the files brought.
#[derive(Debug)]
pub enum Look {
    /// The same as before.
    Same,
    /// A new certificate, served from now on.
    New,
    /// Something that cannot be used; the old one goes on.
    Bad(TlsError),
}

impl Certificate {
    /// Reads and checks the files.
    pub fn open(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let content = Content::read(files)?;
        let desk = Arc::new(Desk(Mutex::new(content.certified(files)?)));
        let mut server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::SetUp)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&desk) as _);
        server.alpn_protocols = vec![b"http/1.1".to_vec()];
        warn_of_readers(&files.key);
        let files = files.clone();
        Ok(Arc::new(Self { files, server: Arc::new(server), desk, seen: Mutex::new(content) }))
    }

    /// What connections are accepted with.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }

    /// Looks at the files, and serves what they hold if it is new and good.
    pub fn look(&self) -> Look {
        let content = match Content::read(&self.files) {
            Ok(content) => content,
            Err(error) => return Look::Bad(error),
        };
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if *seen == content {
                return Look::Same;
            }
            seen.clone_from(&content);
        }
        match content.certified(&self.files) {
            Ok(certified) => {
                *self.desk.0.lock().unwrap_or_else(PoisonError::into_inner) = certified;
                Look::New
            }
            Err(error) => Look::Bad(error),
        }
    }

    /// Looks at the files now and then, and on SIGHUP, until cancelled.
    pub async fn keep_fresh(self: Arc<Self>, cancel: CancellationToken) -> anyhow::Result<()> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(LOOK_EVERY) => {}
                _ = hangup.recv() => {}
            }
            let this = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || this.look()).await {
                Ok(Look::New) => tracing::info!("the TLS certificate was read anew"),
                Ok(Look::Bad(error)) => {
                    let error = format!("{:#}", anyhow::Error::new(error));
                    tracing::error!(%error, "the new TLS certificate cannot be used; the old one goes on");
                }
                Ok(Look::Same) | Err(_) => {}
            }
        }
    }
}

impl Content {
    fn read(files: &TlsFiles) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|cause| TlsError::Read { path: path.to_owned(), cause })
        };
        Ok(Self { cert: read(&files.cert)?, key: read(&files.key)? })
    }

    /// What is served, if all of it fits together and its time is now.
    fn certified(&self, files: &TlsFiles) -> Result<Arc<CertifiedKey>, TlsError> {
        let no_certificate = || TlsError::NoCertificate { path: files.cert.clone() };
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&self.cert)
            .collect::<Result<_, _>>()
            .map_err(|_| no_certificate())?;
        let first = chain.first().ok_or_else(no_certificate)?;
        in_time(first, &files.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| TlsError::NoKey { path: files.key.clone() })?;
        let key = ring::sign::any_supported_type(&key)
            .map_err(|_| TlsError::Key { path: files.key.clone() })?;
        let certified = CertifiedKey::new(chain, key);
        certified
            .keys_match()
            .map_err(|_| TlsError::Mismatch { cert: files.cert.clone(), key: files.key.clone() })?;
        Ok(Arc::new(certified))
    }
}

fn in_time(certificate: &CertificateDer<'_>, path: &Path) -> Result<(), TlsError> {
    let (_, parsed) = X509Certificate::from_der(certificate)
        .map_err(|_| TlsError::NoCertificate { path: path.to_owned() })?;
    let validity = parsed.validity();
    let now = now_ms();
    let (from, until) =
        (validity.not_before.timestamp() * 1_000, validity.not_after.timestamp() * 1_000);
    if !(from..=until).contains(&now) {
        let (from, until) = (validity.not_before.to_string(), validity.not_after.to_string());
        return Err(TlsError::OutOfDate { path: path.to_owned(), from, until });
    }
    if until - now < SOON_MS {
        tracing::warn!(until = %validity.not_after, "the TLS certificate ends soon");
    }
    Ok(())
}

/// A key that everybody on the machine can read is no reason not to serve, but one to say so.
fn warn_of_readers(key: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(key).map(|metadata| metadata.permissions().mode());
    if mode.is_ok_and(|mode| mode & 0o007 != 0) {
        tracing::warn!(key = %key.display(), "everybody on this machine can read the TLS key; `chmod o= ` it");
    }
}

#[cfg(test)]
mod tests;
