//! From the code that a browser brought to the person whom the provider vouches for.
//!
//! Invariant: a token counts only if it is signed by a key of the issuer, names us as the one whom it is for,
//! is of now, and answers this attempt.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use openidconnect::{
    AccessToken, Audience, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId,
    HttpRequest, OAuth2TokenResponse as _, RequestTokenError, SignatureVerificationError,
    TokenResponse as _,
    core::{CoreClient, CoreClientAuthMethod, CoreIdToken, CoreIdTokenVerifier, CoreTokenResponse},
    http::{HeaderValue, header},
};
use serde_json::Value;

use super::{
    Metadata, Provider, accepted,
    attempt::Attempt,
    claims::{Claims, Person},
    trouble::{OidcError, Trouble, plain},
};
use engine::clock::now_ms;

/// How far the provider's clock may be from ours, in seconds.
const SKEW_S: i64 = 60;
/// How old a token may be that was made for this moment, in seconds.
const OLDEST_S: i64 = 600;

pub(super) async fn finish(
    provider: &Provider,
    attempt: &Attempt,
    code: String,
) -> Result<Person, OidcError> {
    let metadata = provider.metadata().await?;
    let answer = exchange(provider, &metadata, attempt, code).await?;
    let token = answer.id_token().ok_or_else(|| {
        OidcError::Token(
            "there is no ID token in its answer; is `openid` among `oidc.scopes`?".to_owned(),
        )
    })?;
    let mut claims = match believed(provider, &metadata, token, attempt) {
        Err(error) if may_be_new(&error) => {
            let newer = provider.metadata_after(&metadata).await?;
            believed(provider, &newer, token, attempt).map_err(|error| refused(&error))?
        }
        other => other.map_err(|error| refused(&error))?,
    };
    is_ours(&claims, &provider.settings.client_id)?;
    let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
    if Person::lacks(&provider.settings, &claims) {
        further(provider, &metadata, answer.access_token(), &subject, &mut claims).await?;
    }
    Person::of(&provider.settings, &subject, &claims)
        .ok_or_else(|| OidcError::Token("its subject is no name of anybody".to_owned()))
}

/// The code for tokens.
async fn exchange(
    provider: &Provider,
    metadata: &Arc<Metadata>,
    attempt: &Attempt,
    code: String,
) -> Result<CoreTokenResponse, OidcError> {
    let client = CoreClient::from_provider_metadata(
        (**metadata).clone(),
        ClientId::new(provider.settings.client_id.clone()),
        provider.secret.clone(),
    )
    .set_redirect_uri(provider.redirect.clone())
    .set_auth_type(shown_by(metadata));
    let host = || provider.host.clone();
    let unfit = |why: String| Trouble::Unfit { host: host(), why };
    let request = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|error| unfit(error.to_string()))?
        .set_pkce_verifier(attempt.verifier());
    let answered = request.request_async(&provider.http).await;
    answered.map_err(|error| {
        OidcError::Provider(match error {
            RequestTokenError::Request(trouble) => trouble,
            RequestTokenError::ServerResponse(said) => {
                Trouble::Refused { host: host(), why: plain(&said.to_string()) }
            }
            // What did not read may hold a token: not a word of it.
            RequestTokenError::Parse(..) => {
                unfit("its answer to the code does not read".to_owned())
            }
            RequestTokenError::Other(why) => unfit(plain(&why)),
        })
    })
}

/// How we show who we are: as the provider wants it, in the header if it does not mind.
fn shown_by(metadata: &Metadata) -> AuthType {
    let listed = metadata.token_endpoint_auth_methods_supported();
    let takes = |method| listed.is_some_and(|listed| listed.contains(&method));
    let in_body = takes(CoreClientAuthMethod::ClientSecretPost)
        && !takes(CoreClientAuthMethod::ClientSecretBasic);
    if in_body { AuthType::RequestBody } else { AuthType::BasicAuth }
}

/// What a token says, if it is to be believed.
fn believed(
    provider: &Provider,
    metadata: &Metadata,
    token: &CoreIdToken,
    attempt: &Attempt,
) -> Result<Claims, ClaimsVerificationError> {
    let now = now_ms() / 1_000;
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(provider.settings.client_id.clone()),
        provider.issuer.clone(),
        metadata.jwks().clone(),
    )
    .set_allowed_algs(accepted(metadata.id_token_signing_alg_values_supported()))
    // For others, too, only if it was made for us: see `is_ours`.
    .set_other_audience_verifier_fn(|_: &Audience| true)
    .set_issue_time_verifier_fn(move |made| {
        let age = now - made.timestamp();
        if (-SKEW_S..=OLDEST_S + SKEW_S).contains(&age) {
            Ok(())
        } else {
            Err(format!("it was made {age} s ago by the clock of this server"))
        }
    });
    let claims = token.claims(&verifier, &attempt.nonce())?;
    if now >= claims.expiration().timestamp() + SKEW_S {
        return Err(ClaimsVerificationError::Expired("it ended".to_owned()));
    }
    // All of its claims, those without a place in the library's types, too: of the very bytes that were signed.
    let text = token.to_string();
    let payload = text.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
    payload
        .and_then(|payload| serde_json::from_slice(&payload).ok())
        .ok_or_else(|| ClaimsVerificationError::Other("its claims do not read".to_owned()))
}

/// Whether keys that are newer than those we have may prove a token.
fn may_be_new(error: &ClaimsVerificationError) -> bool {
    use SignatureVerificationError as Signature;
    matches!(
        error,
        ClaimsVerificationError::SignatureVerification(
            Signature::NoMatchingKey | Signature::CryptoError(_)
        )
    )
}

fn refused(error: &ClaimsVerificationError) -> OidcError {
    OidcError::Token(super::trouble::chain(error))
}

/// Who asked for a token must be us, where it says so, and it must say so where it is for others, too. `OpenID`
/// Connect Core 1.0, 3.1.3.7.
fn is_ours(claims: &Claims, client_id: &str) -> Result<(), OidcError> {
    let many = claims.get("aud").and_then(Value::as_array).is_some_and(|all| all.len() > 1);
    match claims.get("azp") {
        Some(Value::String(party)) if party == client_id => Ok(()),
        None if !many => Ok(()),
        Some(_) => Err(OidcError::Token("it was made for somebody else (azp)".to_owned())),
        None => {
            Err(OidcError::Token("it is for many, and does not say who asked (azp)".to_owned()))
        }
    }
}

/// What the token does not say, from the userinfo endpoint, if there is one; the token's own word counts.
async fn further(
    provider: &Provider,
    metadata: &Metadata,
    access: &AccessToken,
    subject: &str,
    claims: &mut Claims,
) -> Result<(), OidcError> {
    let Some(endpoint) = metadata.userinfo_endpoint() else { return Ok(()) };
    let unfit = |why: &str| Trouble::Unfit { host: provider.host.clone(), why: why.to_owned() };
    if !super::is_safe(endpoint.url(), provider.issuer.url().scheme() == "https") {
        return Err(unfit("its userinfo endpoint is not encrypted").into());
    }
    let bearer = HeaderValue::from_str(&format!("Bearer {}", access.secret()));
    let mut request = HttpRequest::new(Vec::new());
    *request.uri_mut() =
        endpoint.as_str().parse().map_err(|_| unfit("its userinfo endpoint is no address"))?;
    let headers = request.headers_mut();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(
        header::AUTHORIZATION,
        bearer.map_err(|_| unfit("its access token fits into no header"))?,
    );
    let answer = provider.http.clone().ask(request).await?;
    if answer.status() != 200 {
        return Err(unfit(&format!("its userinfo endpoint answered {}", answer.status())).into());
    }
    let said: Claims = serde_json::from_slice(answer.body())
        .map_err(|_| unfit("what its userinfo endpoint says is no JSON object"))?;
    if said.get("sub").and_then(Value::as_str) != Some(subject) {
        return Err(OidcError::Token("userinfo is about somebody else".to_owned()));
    }
    for (name, value) in said {
        claims.entry(name).or_insert(value);
    }
    Ok(())
}
