//! Where the session layer keeps its sessions: in the directory, under the digests of their keys.
//!
//! Invariant: only sessions of somebody are kept; what is kept does not open a session.

use std::sync::Arc;

use async_trait::async_trait;
use engine::{
    clock::now_ms,
    store::directory::{Directory, Session},
};
use time::OffsetDateTime;
use tower_sessions::{
    SessionManagerLayer, SessionStore,
    cookie::SameSite,
    session::{Id, Record},
    session_store::{Error, Result},
};

use super::{Registrar, secret};

/// Name of the cookie.
pub const COOKIE: &str = "hnp_session";
/// Key in a session of its user's name.
pub const USER: &str = "user";
/// Key in a session of the address that it was opened from.
pub const FROM: &str = "from";
/// Key in a session of what the browser says it is.
pub const AGENT: &str = "agent";
/// Key in a session of the time at which it was opened, Unix milliseconds.
pub const OPENED: &str = "opened";
/// Key in a session that an identity provider vouched for, whose own session may go on.
pub const PROVIDER: &str = "provider";
/// Longest that is kept of what a browser says it is, in characters.
const LONGEST_AGENT: usize = 200;

/// The layer that gives each request its session. Its cookie is for this host, not for scripts, and not for
/// requests that other sites make.
pub fn layer(registrar: &Registrar, secure: bool) -> SessionManagerLayer<Sessions> {
    SessionManagerLayer::new(Sessions(Arc::clone(registrar.directory())))
        .with_name(COOKIE)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_secure(secure)
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Sessions(pub Arc<dyn Directory>);

#[async_trait]
impl SessionStore for Sessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // A flushed session still holds the id that the browser brought: it must never become anybody's.
        record.id = Id::default();
        // 128 random bits do not come twice; if they did, the older session would win.
        while self.load(&record.id).await?.is_some() {
            record.id = Id::default();
        }
        self.save(record).await
    }

    async fn save(&self, record: &Record) -> Result<()> {
        let text = |key: &str| record.data.get(key).and_then(|value| value.as_str());
        let user = text(USER).and_then(|user| user.parse().ok());
        let user = user.ok_or_else(|| Error::Encode("a session of nobody".to_owned()))?;
        let now = now_ms();
        let opened = record.data.get(OPENED).and_then(serde_json::Value::as_i64).unwrap_or(now);
        let data = serde_json::to_string(&record.data);
        let session = Session {
            digest: secret::digest(&record.id.to_string()),
            user,
            created_ms: opened,
            seen_ms: now,
            expires_ms: record.expiry_date.unix_timestamp().saturating_mul(1_000),
            from: text(FROM).map(str::to_owned),
            agent: text(AGENT).map(|agent| agent.chars().take(LONGEST_AGENT).collect()),
            data: data.map_err(|error| Error::Encode(error.to_string()))?,
        };
        match self.0.save_session(&session).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Error::Backend("the session was ended meanwhile".to_owned())),
            Err(error) => Err(backend(error)),
        }
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let found = self.0.session(&secret::digest(&id.to_string())).await.map_err(backend)?;
        let Some((session, _)) = found.filter(|(session, _)| session.expires_ms > now_ms()) else {
            return Ok(None);
        };
        let data = serde_json::from_str(&session.data);
        let expiry_date = OffsetDateTime::from_unix_timestamp(session.expires_ms / 1_000);
        Ok(Some(Record {
            id: *id,
            data: data.map_err(|error| Error::Decode(error.to_string()))?,
            expiry_date: expiry_date.map_err(|error| Error::Decode(error.to_string()))?,
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.0.end_session(&secret::digest(&id.to_string())).await.map_err(backend)
    }
}

fn backend(error: impl std::fmt::Display) -> Error {
    Error::Backend(error.to_string())
}
