//! Signing in through an `OpenID` Connect provider: authorization code with PKCE, state and nonce.
//!
//! What the provider says of itself is asked for when it is first needed and kept for an hour, so that one that
//! is away keeps no server from starting; it is asked again at once when a token names a key that is not known.
//!
//! Invariant: no token, code or secret is in an error, a log or a `Debug`; nothing is believed that is not
//! signed by a key of the issuer, for us, now, and for the attempt that this browser began.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use engine::store::directory::User;
use openidconnect::{
    ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge, RedirectUrl, Scope,
    core::{CoreAuthenticationFlow, CoreClient, CoreJwsSigningAlgorithm},
    url::Url,
};
use tokio::sync::Mutex;

use crate::config::oidc::{CALLBACK, Oidc};

pub mod admit;
pub mod attempt;
mod claims;
mod exchange;
mod http;
mod secret;
pub mod trouble;

use self::{
    attempt::Attempt,
    http::Http,
    trouble::{OidcError, Trouble},
};
pub use self::{claims::Person, secret::OpenError};

/// What a provider says of itself, with its keys.
type Metadata = openidconnect::ProviderMetadataWithLogout;

/// So long is believed what the provider says of itself.
const BELIEVED_FOR: Duration = Duration::from_hours(1);
/// So long a failure is told again without asking again: many people at the door are one request.
const FAILED_FOR: Duration = Duration::from_secs(3);

/// See the module.
pub struct Provider {
    settings: Oidc,
    issuer: IssuerUrl,
    host: String,
    redirect: RedirectUrl,
    home: String,
    secret: Option<ClientSecret>,
    http: Http,
    // Held while it is asked, so that many who wait ask once.
    known: Mutex<Option<Known>>,
}

/// What was heard, and when.
struct Known {
    heard: Result<Arc<Metadata>, Trouble>,
    at: Instant,
}

impl Known {
    fn is_fresh(&self) -> bool {
        let held = if self.heard.is_ok() { BELIEVED_FOR } else { FAILED_FOR };
        self.at.elapsed() < held
    }
}

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provider").field("issuer", &self.settings.issuer).finish_non_exhaustive()
    }
}

impl Provider {
    /// The provider of a configuration; nothing is asked of it yet. `redirect` is the address that it sends
    /// people back to.
    pub fn open(settings: &Oidc, redirect: &str) -> Result<Self, OpenError> {
        let key = |key| move |error| OpenError::url(key, error);
        let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(key("oidc.issuer"))?;
        let redirect = RedirectUrl::new(redirect.to_owned()).map_err(key("oidc.redirect_url"))?;
        let secret = settings.client_secret_file.as_deref().map(secret::read).transpose()?;
        let encrypted = issuer.url().scheme() == "https";
        Ok(Self {
            host: place(issuer.url()),
            home: redirect.strip_suffix(CALLBACK).unwrap_or(redirect.as_str()).to_owned(),
            http: Http::open(settings.ca_file.as_deref(), encrypted)?,
            settings: settings.clone(),
            issuer,
            redirect,
            secret,
            known: Mutex::new(None),
        })
    }

    /// Its issuer, as it calls itself.
    pub fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Host (and port, if it is not the usual one) of the issuer: how people are told of it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Our own address, as the provider knows it: without a slash at its end.
    pub fn home(&self) -> &str {
        &self.home
    }

    /// Whether the provider decides about roles: there is at least one rule.
    pub fn gives_roles(&self) -> bool {
        !self.settings.rules.is_empty()
    }

    /// Whether it decides about this user's roles: at their next sign-in, whatever they are until then.
    pub fn decides_for(&self, user: &User) -> bool {
        let subject = user.oidc.as_deref().and_then(|oidc| oidc.strip_prefix(self.issuer()));
        self.gives_roles() && subject.is_some_and(|subject| subject.starts_with(' '))
    }

    /// The claim that roles follow from.
    pub fn role_claim(&self) -> &str {
        &self.settings.role_claim
    }

    /// What the provider says of itself, from memory where that is fresh.
    async fn metadata(&self) -> Result<Arc<Metadata>, Trouble> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return known.heard.clone();
        }
        self.ask(&mut known).await
    }

    /// The same after `seen` turned out not to be all: asked anew, unless somebody did since.
    async fn metadata_after(&self, seen: &Arc<Metadata>) -> Result<Arc<Metadata>, Trouble> {
        let mut known = self.known.lock().await;
        if let Some(Known { heard: Ok(newer), .. }) = known.as_ref()
            && !Arc::ptr_eq(newer, seen)
        {
            return Ok(Arc::clone(newer));
        }
        self.ask(&mut known).await
    }

    async fn ask(&self, known: &mut Option<Known>) -> Result<Arc<Metadata>, Trouble> {
        let heard = match Metadata::discover_async(self.issuer.clone(), &self.http).await {
            Ok(metadata) => self.usable(metadata).map(Arc::new),
            Err(error) => Err(Trouble::of_discovery(&self.settings.issuer, error)),
        };
        if let Err(trouble) = &heard {
            tracing::warn!(provider = %self.host, %trouble, "the identity provider cannot be used");
        }
        *known = Some(Known { heard: heard.clone(), at: Instant::now() });
        heard
    }

    /// Whether we can work with what was heard.
    fn usable(&self, metadata: Metadata) -> Result<Metadata, Trouble> {
        let host = || self.host.clone();
        let listed = metadata.id_token_signing_alg_values_supported();
        if accepted(listed).is_empty() {
            return Err(Trouble::Unfit {
                host: host(),
                why: "it signs with nothing that is accepted here (RS256, ES256, EdDSA and their kin)".to_owned(),
            });
        }
        let Some(token) = metadata.token_endpoint() else {
            return Err(Trouble::Unfit {
                host: host(),
                why: "it names no token endpoint".to_owned(),
            });
        };
        let encrypted = self.issuer.url().scheme() == "https";
        let endpoints = [metadata.authorization_endpoint().url(), token.url()];
        match endpoints.iter().find(|url| !is_safe(url, encrypted)) {
            None => Ok(metadata),
            Some(url) => {
                let why = format!("it names an endpoint that is not encrypted, at {}", place(url));
                Err(Trouble::Unfit { host: host(), why })
            }
        }
    }

    /// Asks the provider for itself, for `hnp check`: how many keys it has.
    pub async fn look(&self) -> Result<usize, Trouble> {
        let metadata = self.metadata().await?;
        match metadata.jwks().keys().len() {
            0 => Err(Trouble::Unfit {
                host: self.host.clone(),
                why: "it names no key that can be used".to_owned(),
            }),
            count => Ok(count),
        }
    }

    /// Begins an attempt: where the browser goes, and what it must bring back.
    pub async fn begin(&self, next: String, now_ms: i64) -> Result<(Url, Attempt), Trouble> {
        let metadata = self.metadata().await?;
        let client = CoreClient::from_provider_metadata(
            (*metadata).clone(),
            ClientId::new(self.settings.client_id.clone()),
            self.secret.clone(),
        )
        .set_redirect_uri(self.redirect.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        // `openid` is always asked for.
        let scopes = self.settings.scopes.iter().filter(|scope| *scope != "openid");
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(scopes.cloned().map(Scope::new))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Attempt::new(&state, &nonce, &verifier, next, now_ms)))
    }

    /// Ends an attempt with the code that the browser brought: who it is.
    pub async fn finish(&self, attempt: &Attempt, code: String) -> Result<Person, OidcError> {
        exchange::finish(self, attempt, code).await
    }

    /// Where people sign out at the provider, too; none: it offers that not, or is not known just now.
    pub fn farewell(&self) -> Option<String> {
        // Who holds it asks the provider, and nobody waits for that to sign out.
        let known = self.known.try_lock().ok()?;
        let metadata = Arc::clone(known.as_ref()?.heard.as_ref().ok()?);
        let end = metadata.additional_metadata().end_session_endpoint.clone()?;
        let encrypted = self.issuer.url().scheme() == "https";
        if !is_safe(end.url(), encrypted) {
            return None;
        }
        let back = format!("{}/login", self.home);
        let back = openidconnect::PostLogoutRedirectUrl::new(back).ok()?;
        let asked = openidconnect::LogoutRequest::from(end)
            .set_client_id(ClientId::new(self.settings.client_id.clone()))
            .set_post_logout_redirect_uri(back);
        Some(asked.http_get_url().to_string())
    }
}

/// Algorithms that a provider lists and that we accept: signed with a key of which we know the public half
/// only. Never `none`, and never `HS…`: whoever knows our secret could sign.
fn accepted(listed: &[CoreJwsSigningAlgorithm]) -> Vec<CoreJwsSigningAlgorithm> {
    use CoreJwsSigningAlgorithm as Alg;
    let known = [
        Alg::RsaSsaPkcs1V15Sha256,
        Alg::RsaSsaPkcs1V15Sha384,
        Alg::RsaSsaPkcs1V15Sha512,
        Alg::RsaSsaPssSha256,
        Alg::RsaSsaPssSha384,
        Alg::RsaSsaPssSha512,
        Alg::EcdsaP256Sha256,
        Alg::EcdsaP384Sha384,
        Alg::EdDsa,
    ];
    known.into_iter().filter(|alg| listed.contains(alg)).collect()
}

/// Host and port of an address.
fn place(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether an endpoint is as protected as its issuer.
fn is_safe(url: &Url, encrypted: bool) -> bool {
    let near = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
    url.scheme() == "https" || (url.scheme() == "http" && near && !encrypted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_anybody_could_sign_is_never_accepted() {
        use CoreJwsSigningAlgorithm as Alg;
        let listed = [Alg::None, Alg::HmacSha256, Alg::EcdsaP256Sha256, Alg::HmacSha512];
        assert_eq!(accepted(&listed), [Alg::EcdsaP256Sha256]);
        assert!(accepted(&[Alg::None, Alg::HmacSha384]).is_empty());
    }

    #[test]
    fn an_endpoint_is_as_protected_as_its_issuer() {
        for (url, encrypted, safe) in [
            ("https://id.example/a", true, true),
            ("http://127.0.0.1:9/a", false, true),
            ("http://127.0.0.1:9/a", true, false),
            ("http://id.example/a", false, false),
            ("javascript:alert(1)", false, false),
        ] {
            assert_eq!(is_safe(&Url::parse(url).unwrap(), encrypted), safe, "{url}");
        }
    }
}
