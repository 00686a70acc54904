//! An identity provider that can lie: made by hand, in this process, on a port of its own.
//!
//! Invariant: it speaks the truth unless it was told to lie, and then lies in one thing only.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Form, Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
    routing::{get, post},
};
use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use engine::clock::now_ms;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use server::{
    config::{self, Flags, TlsFiles},
    web::{listen, tls::Certificate},
};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::house::spawn;

/// Our secret before it.
pub(crate) const SECRET: &str = "a secret between two servers";
/// Who we are to it.
pub(crate) const CLIENT: &str = "hnp";

/// In what it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    Nothing,
    Signature,
    Unsigned,
    SignedWithPublicKey,
    SignedWithSecret,
    Issuer,
    Audience,
    OtherParty,
    ManyWithoutParty,
    Nonce,
    NoNonce,
    Expired,
    Old,
    FromTheFuture,
    NoToken,
    NoJson,
    Huge,
    Fails,
    Hangs,
    DiscoveryIssuer,
    DiscoveryFails,
    DiscoveryHuge,
    DiscoveryElsewhere,
    UserinfoOfAnother,
}

/// What a code stands for.
struct Grant {
    nonce: String,
    challenge: String,
    claims: Value,
}

struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

impl Key {
    fn new(id: &str) -> Self {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        let pair = EcdsaKeyPair::from_pkcs8(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            pkcs8.unwrap().as_ref(),
            &SystemRandom::new(),
        );
        Self { id: id.to_owned(), pair: pair.unwrap() }
    }

    fn public(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let part = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": part(&point[1..33]), "y": part(&point[33..65])})
    }
}

struct Mind {
    lie: Lie,
    key: Key,
    grants: BTreeMap<String, Grant>,
    /// Claims that are in userinfo only.
    userinfo: Value,
    codes: usize,
    discoveries: usize,
    exchanges: usize,
}

/// See the module.
#[derive(Clone)]
pub(crate) struct Provider {
    pub(crate) issuer: String,
    mind: Arc<Mutex<Mind>>,
}

impl Provider {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (provider, router) = Self::at("http", &listener);
        spawn(async move {
            let _ = axum::serve(listener, router).await;
        });
        provider
    }

    /// The same over TLS.
    pub(crate) async fn start_encrypted(files: &TlsFiles) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (provider, router) = Self::at("https", &listener);
        let (config, _) = config::load(&Flags::default(), |_| None).unwrap();
        let terms = listen::Terms {
            tls: Some(Certificate::open(files).unwrap()),
            limits: config.limits,
            proxies: Arc::new(config.proxies),
        };
        spawn(async move {
            let _ = listen::serve(listener, router, terms, CancellationToken::new()).await;
        });
        provider
    }

    fn at(scheme: &str, listener: &TcpListener) -> (Self, Router) {
        let issuer = format!("{scheme}://{}", listener.local_addr().unwrap());
        let mind = Mind {
            lie: Lie::Nothing,
            key: Key::new("first"),
            grants: BTreeMap::new(),
            userinfo: json!({}),
            codes: 0,
            discoveries: 0,
            exchanges: 0,
        };
        let provider = Self { issuer, mind: Arc::new(Mutex::new(mind)) };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(keys))
            .route("/token", post(exchange))
            .route("/userinfo", get(userinfo))
            .with_state(provider.clone());
        (provider, router)
    }

    fn mind(&self) -> MutexGuard<'_, Mind> {
        self.mind.lock().unwrap()
    }

    pub(crate) fn lies(&self, lie: Lie) {
        self.mind().lie = lie;
    }

    /// Signs with another key from now on, and names only that one.
    pub(crate) fn rotate(&self, id: &str) {
        self.mind().key = Key::new(id);
    }

    pub(crate) fn tells_apart(&self, userinfo: Value) {
        self.mind().userinfo = userinfo;
    }

    pub(crate) fn discoveries(&self) -> usize {
        self.mind().discoveries
    }

    pub(crate) fn exchanges(&self) -> usize {
        self.mind().exchanges
    }

    /// Somebody signed in there: the code with which their browser is sent back.
    pub(crate) fn grant(&self, nonce: &str, challenge: &str, claims: Value) -> String {
        let mut mind = self.mind();
        mind.codes += 1;
        let code = format!("code-{}", mind.codes);
        let grant = Grant { nonce: nonce.to_owned(), challenge: challenge.to_owned(), claims };
        mind.grants.insert(code.clone(), grant);
        code
    }
}

fn huge() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], "[".repeat(3 << 20)).into_response()
}

async fn discovery(State(provider): State<Provider>) -> Response {
    let lie = {
        let mut mind = provider.mind();
        mind.discoveries += 1;
        mind.lie
    };
    let own = &provider.issuer;
    let issuer = match lie {
        Lie::DiscoveryFails => return StatusCode::BAD_GATEWAY.into_response(),
        Lie::DiscoveryHuge => return huge(),
        Lie::DiscoveryElsewhere => return Redirect::temporary("/jwks").into_response(),
        Lie::DiscoveryIssuer => "https://somebody.example",
        _ => own.as_str(),
    };
    Json(json!({
        "issuer": issuer, "authorization_endpoint": format!("{own}/authorize"),
        "token_endpoint": format!("{own}/token"), "jwks_uri": format!("{own}/jwks"),
        "userinfo_endpoint": format!("{own}/userinfo"), "end_session_endpoint": format!("{own}/end?x=1"),
        "response_types_supported": ["code"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["none", "HS256", "ES256", "ES256K"],
    }))
    .into_response()
}

async fn keys(State(provider): State<Provider>) -> Json<Value> {
    // One of a kind that nobody knows is no reason not to know the other.
    let strange = json!({"kty": "LATTICE", "kid": "later"});
    Json(json!({"keys": [strange, provider.mind().key.public()]}))
}

async fn exchange(
    State(provider): State<Provider>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let lie = {
        let mut mind = provider.mind();
        mind.exchanges += 1;
        mind.lie
    };
    let field = |name: &str| form.get(name).map_or("", String::as_str);
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT}:{}", urlencoded())));
    let shown = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes().to_vec());
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
    let Some(grant) = provider.mind().grants.remove(field("code")) else {
        return refusal("invalid_grant");
    };
    if grant.challenge != challenge || !field("redirect_uri").ends_with("/login/oidc/callback") {
        return refusal("invalid_grant");
    }
    if shown.as_deref() != Some(basic.as_bytes()) {
        return refusal("invalid_client");
    }
    match lie {
        Lie::Hangs => std::future::pending().await,
        Lie::Fails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Lie::Huge => return huge(),
        Lie::NoJson => {
            let json = [(header::CONTENT_TYPE, "application/json")];
            return (json, "{\"id_token\": planted-token").into_response();
        }
        _ => {}
    }
    let mut answer = json!({"access_token": "access", "token_type": "Bearer"});
    if lie != Lie::NoToken {
        answer["id_token"] = json!(token(&provider, lie, &grant));
    }
    Json(answer).into_response()
}

/// The secret as it is written within Basic, RFC 6749, 2.3.1.
fn urlencoded() -> String {
    SECRET.replace(' ', "+")
}

fn refusal(error: &str) -> Response {
    let said = json!({"error": error, "error_description": "the provider says why"});
    (StatusCode::BAD_REQUEST, Json(said)).into_response()
}

async fn userinfo(State(provider): State<Provider>, headers: HeaderMap) -> Response {
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != "Bearer access") {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let mind = provider.mind();
    let mut said = mind.userinfo.clone();
    if mind.lie == Lie::UserinfoOfAnother {
        said["sub"] = json!("somebody else");
    }
    Json(said).into_response()
}

/// An ID token, true but for one lie.
fn token(provider: &Provider, lie: Lie, grant: &Grant) -> String {
    let mind = provider.mind();
    let now = now_ms() / 1_000;
    let mut claims = grant.claims.clone();
    for (name, value) in [
        ("iss", json!(provider.issuer)),
        ("aud", json!(CLIENT)),
        ("nonce", json!(grant.nonce)),
        ("iat", json!(now)),
        ("exp", json!(now + 300)),
    ] {
        claims[name] = value;
    }
    match lie {
        Lie::Issuer => claims["iss"] = json!("https://somebody.example"),
        Lie::Audience => claims["aud"] = json!("another"),
        Lie::OtherParty => claims["azp"] = json!("another"),
        Lie::ManyWithoutParty => claims["aud"] = json!([CLIENT, "another"]),
        Lie::Nonce => claims["nonce"] = json!("of another attempt"),
        Lie::NoNonce => drop(claims.as_object_mut().unwrap().remove("nonce")),
        Lie::Expired => claims["exp"] = json!(now - 120),
        Lie::Old => claims["iat"] = json!(now - 3_600),
        Lie::FromTheFuture => claims["iat"] = json!(now + 3_600),
        _ => {}
    }
    let alg = match lie {
        Lie::Unsigned => "none",
        Lie::SignedWithPublicKey | Lie::SignedWithSecret => "HS256",
        _ => "ES256",
    };
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let head = json!({"alg": alg, "typ": "JWT", "kid": mind.key.id});
    let signed = format!("{}.{}", part(&head), part(&claims));
    let with = |key: &[u8]| {
        hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes()).as_ref().to_vec()
    };
    let signature = match lie {
        Lie::Unsigned => Vec::new(),
        Lie::SignedWithPublicKey => with(mind.key.pair.public_key().as_ref()),
        Lie::SignedWithSecret => with(SECRET.as_bytes()),
        Lie::Signature => vec![7; 64],
        _ => {
            let random = SystemRandom::new();
            mind.key.pair.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec()
        }
    };
    format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
