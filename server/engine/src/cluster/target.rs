//! A cluster that can be asked: its client, and what a look at its wire needs to know.
//!
//! Invariant: making one asks nobody; no credential can be read from it.

use std::{path::PathBuf, sync::Arc};

use domain::hex::hex;
use sha2::{Digest, Sha256};

use super::kubeconfig::CONNECT_DEADLINE;

/// A cluster that can be asked.
#[derive(Clone)]
pub struct Target {
    /// The client; cheap to clone.
    pub client: kube::Client,
    /// Address of the API server.
    pub server: String,
    /// Name of the context.
    pub context: String,
    /// The context's namespace, watched where a cluster-wide list is forbidden.
    pub namespace: String,
    /// Stands for the cluster's identity where no uid may be read: hash of URL and CA.
    pub fallback_identity: String,
    /// Where it listens, and as whom it must prove itself.
    pub endpoint: Arc<Endpoint>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target")
            .field("server", &self.server)
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// See [`Target::endpoint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether it is spoken to over TLS.
    pub encrypted: bool,
    /// Name that the certificate must carry, where it is not the host.
    pub server_name: Option<String>,
    /// Authorities to trust, DER; none: those of the system.
    pub roots: Option<Vec<Vec<u8>>>,
    /// File that is read for them instead.
    pub roots_file: Option<PathBuf>,
    /// Whether its certificate is verified at all.
    pub verified: bool,
    /// Host of the proxy that all connections go through, if they do.
    pub proxy: Option<String>,
}

impl Endpoint {
    fn of(config: &kube::Config) -> Self {
        let url = &config.cluster_url;
        let encrypted = url.scheme_str() != Some("http");
        let host = url.host().unwrap_or_default();
        Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_u16().unwrap_or(if encrypted { 443 } else { 80 }),
            encrypted,
            server_name: config.tls_server_name.clone(),
            roots: config.root_cert.clone(),
            roots_file: config.root_cert_file.clone(),
            verified: !config.accept_invalid_certs,
            proxy: config
                .proxy_url
                .as_ref()
                .map(|proxy| proxy.host().unwrap_or_default().to_owned()),
        }
    }

    /// The name that the certificate must carry.
    pub fn expected_name(&self) -> &str {
        self.server_name.as_deref().unwrap_or(&self.host)
    }
}

impl Target {
    /// Of a configuration.
    pub(super) fn new(mut config: kube::Config, context: String) -> Result<Self, kube::Error> {
        config.connect_timeout = Some(CONNECT_DEADLINE);
        // Our own retries are visible on screen and share one backoff per cluster; hidden ones would lie.
        config.default_retry = false;
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let namespace = config.default_namespace.clone();
        let fallback_identity =
            fallback_identity(&server, config.root_cert.as_deref().unwrap_or_default());
        let endpoint = Arc::new(Endpoint::of(&config));
        let client = kube::Client::try_from(config)?;
        Ok(Self { client, server, context, namespace, fallback_identity, endpoint })
    }
}

fn fallback_identity(server: &str, authorities: &[Vec<u8>]) -> String {
    let mut hash = Sha256::new();
    hash.update(server.as_bytes());
    for authority in authorities {
        hash.update(authority);
    }
    hex(&hash.finalize())
}
