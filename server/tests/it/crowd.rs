//! Everybody who may come to a house with two fabrics, `here` and `there`: by role, by scope, and with
//! credentials that no longer hold.

use std::{net::SocketAddr, sync::Arc};

use domain::{
    access::{Means, Rights, Role},
    audit::{Act, Deed, Doer},
    topic::FabricId,
};
use engine::{
    clock::now_ms,
    store::directory::{Directory, NewUser, Order, Session, Token},
};
use reqwest::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderValue, ORIGIN};
use serde_json::Value;
use server::registrar::secret;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    client_async,
    tungstenite::{Error, client::IntoClientRequest as _},
};

use crate::socket::{Client, Wire};

/// Everybody, in the order of tables.
pub(crate) const EVERYBODY: [&str; 16] = [
    "nobody",
    "viewer",
    "operator",
    "admin",
    "viewer-here",
    "operator-here",
    "admin-here",
    "admin-there",
    "scoped-here",
    "session",
    "session-here",
    "session-no-origin",
    "session-foreign-origin",
    "expired-token",
    "revoked-token",
    "disabled-session",
];

pub(crate) fn fabric(name: &str) -> FabricId {
    name.parse().unwrap()
}

fn deed(act: Act) -> Deed {
    let doer = Doer { user: None, means: Means::Console, credential: None, from: None };
    Deed::done(doer, act, "test")
}

/// What a user of the crowd may do.
fn rights(name: &str) -> Rights {
    let (here, there) = (fabric("here"), fabric("there"));
    match name {
        "viewer" => Rights::everywhere(Role::Viewer),
        "operator" => Rights::everywhere(Role::Operator),
        "viewer-here" | "session-here" => Rights::on(here, Role::Viewer),
        "operator-here" => Rights::on(here, Role::Operator),
        "admin-here" => Rights::on(here, Role::Admin),
        "admin-there" => Rights::on(there, Role::Admin),
        _ => Rights::everywhere(Role::Admin),
    }
}

/// A crowd before a house.
pub(crate) struct Crowd {
    directory: Arc<dyn Directory>,
    /// The origin of the house's own pages.
    origin: String,
}

impl Crowd {
    /// Makes all users and tokens.
    pub(crate) async fn gather(directory: Arc<dyn Directory>, origin: String) -> Self {
        let crowd = Self { directory, origin };
        for name in EVERYBODY.iter().filter(|name| **name != "nobody") {
            let user = NewUser {
                name: user_name(name).parse().unwrap(),
                password: None,
                oidc: Some(format!("test {}", user_name(name))),
                rights: rights(name),
            };
            crowd.order(Order::CreateUser(user), Act::UserCreate).await;
            let ends = if *name == "expired-token" { 1 } else { i64::MAX };
            let scope = match *name {
                "scoped-here" => Rights::on(fabric("here"), Role::Viewer),
                _ => Rights::everywhere(Role::Admin),
            };
            let id = crowd.give_token(name, scope, ends).await;
            if *name == "revoked-token" {
                crowd.order(Order::RevokeToken { id, owner: None }, Act::TokenRevoke).await;
            }
        }
        crowd
    }

    /// Somebody more, with a token for all that they may do; the headers with which they come.
    pub(crate) async fn newcomer(&self, name: &str, rights: Rights) -> HeaderMap {
        self.newcomer_within(name, rights, Rights::everywhere(Role::Admin)).await
    }

    /// The same with a token for a part of what they may do.
    pub(crate) async fn newcomer_within(
        &self,
        name: &str,
        rights: Rights,
        scope: Rights,
    ) -> HeaderMap {
        let user = NewUser {
            name: user_name(name).parse().unwrap(),
            password: None,
            oidc: Some(format!("test {}", user_name(name))),
            rights,
        };
        self.order(Order::CreateUser(user), Act::UserCreate).await;
        self.give_token(name, scope, i64::MAX).await;
        self.headers(name).await
    }

    /// Makes a token of somebody; its digest.
    async fn give_token(&self, name: &str, scope: Rights, expires_ms: i64) -> String {
        let token = Token {
            digest: secret::digest(&token(name)),
            user: user_name(name).parse().unwrap(),
            label: "test".parse().unwrap(),
            scope,
            created_ms: 0,
            expires_ms,
            used_ms: None,
            revoked_ms: None,
        };
        let digest = token.digest.0.clone();
        self.order(Order::CreateToken(token), Act::TokenCreate).await;
        digest
    }

    async fn order(&self, order: Order, act: Act) {
        self.directory.order(order, &deed(act), now_ms()).await.unwrap();
    }

    /// The headers with which somebody comes. A session is a new one each time, so that nobody misses one
    /// that somebody ended.
    pub(crate) async fn headers(&self, name: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let text = |text: &str| HeaderValue::from_str(text).unwrap();
        if name == "nobody" {
            return headers;
        }
        if !name.contains("session") {
            headers.insert(AUTHORIZATION, text(&format!("Bearer {}", token(name))));
            return headers;
        }
        let user = match name {
            "session-no-origin" | "session-foreign-origin" => "session",
            name => name,
        };
        let key = self.session(user).await;
        headers.insert(COOKIE, text(&format!("hnp_session={key}")));
        match name {
            "session-no-origin" => {}
            "session-foreign-origin" => {
                headers.insert(ORIGIN, text("https://evil.example"));
            }
            _ => {
                headers.insert(ORIGIN, text(&self.origin));
            }
        }
        headers
    }

    /// A new session of somebody; of who is disabled, one that was opened before.
    async fn session(&self, user: &str) -> String {
        let key = tower_sessions::session::Id::default().to_string();
        let disabled = user == "disabled-session";
        let enable =
            |enabled| Order::SetEnabled { user: user_name(user).parse().unwrap(), enabled };
        if disabled {
            self.order(enable(true), Act::UserEnable).await;
        }
        let session = Session {
            digest: secret::digest(&key),
            user: user_name(user).parse().unwrap(),
            created_ms: now_ms(),
            seen_ms: now_ms(),
            expires_ms: now_ms() + 3_600_000,
            from: None,
            agent: None,
            data: "{}".to_owned(),
        };
        assert!(self.directory.save_session(&session).await.unwrap());
        if disabled {
            self.order(enable(false), Act::UserDisable).await;
        }
        key
    }
}

/// What somebody is called in the directory, where the house has an `admin` of its own.
fn user_name(name: &str) -> String {
    format!("{name}.crowd")
}

/// Somebody's token.
fn token(name: &str) -> String {
    format!("hnp_test-token-of-{name}")
}

/// Opens a live link as somebody; who is not let in gets the status and the code.
pub(crate) async fn link(address: SocketAddr, headers: &HeaderMap) -> Result<Client, String> {
    let mut request = format!("ws://{address}/api/v1/live").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("hnp.live.v1"));
    request.headers_mut().extend(headers.clone());
    let stream = TcpStream::connect(address).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(Client::on(Wire::Socket(Box::new(socket)))),
        Err(Error::Http(response)) => {
            let body = response.body().clone().unwrap_or_default();
            let problem: Value = serde_json::from_slice(&body).unwrap_or_default();
            let code = problem["code"].as_str().unwrap_or_default();
            Err(format!("{} {code}", response.status().as_u16()))
        }
        Err(error) => panic!("{error}"),
    }
}
