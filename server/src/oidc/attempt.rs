//! What a browser carries between our door and the provider's: sealed, for ten minutes, in a cookie.
//!
//! Invariant: nobody but this house reads or makes one; an answer counts only in the browser that was sent.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use engine::vault::{Vault, VaultError};
use openidconnect::{CsrfToken, Nonce, PkceCodeVerifier};
use serde::{Deserialize, Serialize};
use tower_sessions::cookie::{Cookie, SameSite, time::Duration};

use super::trouble::AttemptError;
use crate::registrar::secret;

/// Name of the cookie.
pub const COOKIE: &str = "hnp_oidc";
/// Where it is sent.
const PATH: &str = "/login/oidc";
/// How long somebody may take at the provider, in seconds.
const LASTS_S: i64 = 600;
/// What it is sealed as.
const SEALED_AS: &str = "oidc/attempt";

/// See the module.
#[derive(Serialize, Deserialize)]
pub struct Attempt {
    state: String,
    nonce: String,
    verifier: String,
    next: String,
    until_ms: i64,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("until_ms", &self.until_ms).finish_non_exhaustive()
    }
}

impl Attempt {
    pub(super) fn new(
        state: &CsrfToken,
        nonce: &Nonce,
        verifier: &PkceCodeVerifier,
        next: String,
        now_ms: i64,
    ) -> Self {
        Self {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            next,
            until_ms: now_ms.saturating_add(LASTS_S * 1_000),
        }
    }

    pub(super) fn nonce(&self) -> Nonce {
        Nonce::new(self.nonce.clone())
    }

    pub(super) fn verifier(&self) -> PkceCodeVerifier {
        PkceCodeVerifier::new(self.verifier.clone())
    }

    /// Where to go on afterwards: a place of ours.
    pub fn next(&self) -> &str {
        &self.next
    }

    /// Under which name it is noted that it was used; tells nothing of it.
    pub fn key(&self) -> String {
        format!("oidc/{}", secret::digest(&self.state).id())
    }

    /// The cookie that carries it.
    pub fn cookie(&self, vault: &Vault, secure: bool) -> Result<Cookie<'static>, VaultError> {
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sealed = BASE64_URL_SAFE_NO_PAD.encode(vault.seal(SEALED_AS, &text)?);
        Ok(set(sealed, LASTS_S, secure))
    }

    /// The attempt that a cookie carries, if `state` is its answer.
    pub fn of_cookie(
        vault: &Vault,
        cookie: Option<&str>,
        state: &str,
        now_ms: i64,
    ) -> Result<Self, AttemptError> {
        let sealed = cookie.and_then(|value| BASE64_URL_SAFE_NO_PAD.decode(value).ok());
        let opened = sealed.and_then(|sealed| vault.unseal(SEALED_AS, &sealed).ok());
        let read = opened.and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let attempt = read.ok_or(AttemptError::Absent)?;
        // As digests, so that how long the comparison takes says nothing.
        if secret::digest(&attempt.state) != secret::digest(state) {
            return Err(AttemptError::Foreign);
        }
        if now_ms >= attempt.until_ms {
            return Err(AttemptError::Expired);
        }
        Ok(attempt)
    }
}

/// The cookie that takes it back.
pub fn gone(secure: bool) -> Cookie<'static> {
    set(String::new(), 0, secure)
}

fn set(value: String, seconds: i64, secure: bool) -> Cookie<'static> {
    Cookie::build((COOKIE, value))
        .path(PATH)
        .http_only(true)
        // The way back comes from another site: `Strict` would keep it away.
        .same_site(SameSite::Lax)
        .secure(secure)
        .max_age(Duration::seconds(seconds))
        .build()
}

#[cfg(test)]
mod tests {
    use engine::vault::KeySource;

    use super::*;

    fn vault(key: &str) -> Vault {
        Vault::open(KeySource::Value(key.repeat(32).into()), None).unwrap()
    }

    fn attempt() -> Attempt {
        let (state, nonce) = (CsrfToken::new("s".into()), Nonce::new("n".into()));
        Attempt::new(&state, &nonce, &PkceCodeVerifier::new("v".into()), "/f/prod".into(), 1_000)
    }

    #[test]
    fn only_the_browser_that_was_sent_brings_an_answer_and_only_in_time() {
        let ours = vault("ab");
        let cookie = attempt().cookie(&ours, true).unwrap();
        let attributes = cookie.to_string();
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/login/oidc", "Max-Age=600"] {
            assert!(attributes.contains(part), "{part} in {attributes}");
        }
        let open = |vault: &Vault, value, state, now| {
            Attempt::of_cookie(vault, value, state, now).map(|found| found.next().to_owned())
        };
        let value = Some(cookie.value());
        assert_eq!(open(&ours, value, "s", 600_999), Ok("/f/prod".to_owned()));
        assert_eq!(open(&ours, value, "s", 601_000), Err(AttemptError::Expired));
        assert_eq!(open(&ours, value, "other", 1_000), Err(AttemptError::Foreign));
        assert_eq!(open(&vault("cd"), value, "s", 1_000), Err(AttemptError::Absent));
        assert_eq!(open(&ours, Some("x"), "s", 1_000), Err(AttemptError::Absent));
        assert_eq!(open(&ours, None, "s", 1_000), Err(AttemptError::Absent));
        assert!(!format!("{:?}", attempt()).contains('v'), "says nothing of itself");
    }

    #[test]
    fn the_longest_way_on_still_fits_into_a_cookie() {
        let (state, nonce) = (CsrfToken::new_random(), Nonce::new_random());
        let (_, verifier) = openidconnect::PkceCodeChallenge::new_random_sha256();
        let next = "x".repeat(2_048);
        let cookie = Attempt::new(&state, &nonce, &verifier, next, 1).cookie(&vault("ab"), true);
        assert!(cookie.unwrap().to_string().len() < 4_096);
    }
}
