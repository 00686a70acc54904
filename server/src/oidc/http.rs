//! Requests to the provider: few, bounded, and never led elsewhere.
//!
//! Invariant: no answer is read beyond its bound or waited for beyond its time; no redirect is followed, no
//! proxy of the environment is used; an issuer that is encrypted is never spoken to in clear.

use std::{path::Path, time::Duration};

use futures::future::BoxFuture;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use reqwest::redirect::Policy;

use super::{
    secret::OpenError,
    trouble::{Trouble, unreachable},
};

/// Longest that an answer takes, its body included.
const PATIENCE: Duration = Duration::from_secs(10);
/// Largest answer that is read, in bytes.
const LARGEST: usize = 1 << 20;

/// See the module; cheap to clone.
#[derive(Clone)]
pub(super) struct Http(reqwest::Client);

impl Http {
    /// A client that trusts the authorities of a file, or those of the system.
    pub(super) fn open(authorities: Option<&Path>, encrypted: bool) -> Result<Self, OpenError> {
        let mut client = reqwest::Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .timeout(PATIENCE)
            .https_only(encrypted)
            .user_agent(concat!("hnp/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = authorities {
            let pem = std::fs::read(path)
                .map_err(|error| OpenError::read("oidc.ca_file", path, &error))?;
            let read = reqwest::Certificate::from_pem_bundle(&pem);
            let certificates = read.ok().filter(|read| !read.is_empty());
            let certificates =
                certificates.ok_or_else(|| OpenError::Authorities { path: path.to_owned() })?;
            client = client.tls_built_in_root_certs(false);
            for certificate in certificates {
                client = client.add_root_certificate(certificate);
            }
        }
        let client =
            client.build().map_err(|error| OpenError::Client(super::trouble::chain(&error)))?;
        Ok(Self(client))
    }

    /// One request.
    pub(super) async fn ask(self, request: HttpRequest) -> Result<HttpResponse, Trouble> {
        let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        let failed = |error: reqwest::Error| unreachable(host.clone(), &error, PATIENCE.as_secs());
        let large = || Trouble::Large { host: host.clone(), most: LARGEST };
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut response = self.0.execute(request).await.map_err(failed)?;
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(failed)? {
            if body.len() + part.len() > LARGEST {
                return Err(large());
            }
            body.extend_from_slice(&part);
        }
        let mut answer = HttpResponse::new(body);
        *answer.status_mut() = response.status();
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        Ok(answer)
    }
}

impl AsyncHttpClient<'_> for Http {
    type Error = Trouble;
    type Future = BoxFuture<'static, Result<HttpResponse, Trouble>>;

    fn call(&self, request: HttpRequest) -> Self::Future {
        Box::pin(self.clone().ask(request))
    }
}
