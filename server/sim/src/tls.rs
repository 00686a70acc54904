//! A certificate authority and a server certificate, made on the spot.
//!
//! Invariant: keys never leave memory and are never shown.

use std::{fmt, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
    date_time_ymd,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificates could not be made.
    #[error("could not make the certificates")]
    Make(#[source] rcgen::Error),
    /// The TLS stack does not take them.
    #[error("could not set up TLS")]
    SetUp(#[source] rustls::Error),
}

/// What a server needs for HTTPS, and what its clients must trust.
#[derive(Clone)]
pub struct Tls {
    ca_pem: String,
    config: Arc<ServerConfig>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Now.
    Now,
    /// It was, in the year 2000.
    Over,
    /// It will be, in the year 2090.
    NotYet,
}

impl Tls {
    /// A new authority and a certificate for `localhost`, `127.0.0.1` and `::1`.
    pub fn self_signed() -> Result<Self, TlsError> {
        Self::of(&["localhost", "127.0.0.1", "::1"], Validity::Now)
    }

    /// A new authority and a certificate for these names.
    pub fn of(names: &[&str], validity: Validity) -> Result<Self, TlsError> {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "HNP simulator CA");
        let ca = KeyPair::generate()
            .and_then(|key| CertifiedIssuer::self_signed(ca, key))
            .map_err(TlsError::Make)?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut leaf = CertificateParams::new(names).map_err(TlsError::Make)?;
        leaf.distinguished_name.push(DnType::CommonName, "HNP simulator");
        let year = match validity {
            Validity::Now => None,
            Validity::Over => Some(2000),
            Validity::NotYet => Some(2090),
        };
        if let Some(year) = year {
            leaf.not_before = date_time_ymd(year, 1, 1);
            leaf.not_after = date_time_ymd(year + 1, 1, 1);
        }
        let key = KeyPair::generate().map_err(TlsError::Make)?;
        let cert = leaf.signed_by(&key, &ca).map_err(TlsError::Make)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key)
            })
            .map_err(TlsError::SetUp)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { ca_pem: ca.pem(), config: Arc::new(config) })
    }

    /// The certificate that clients must trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}
