//! The account with which programs of tests and benches come: an admin with a password and a token that are
//! always the same, made in the database before the server starts, or while it runs, as another process would.
//!
//! Invariant: made only in databases that the caller names; never part of the product.

use std::path::Path;

use anyhow::Context;
use domain::{
    access::{Means, Rights, Role},
    account::UserName,
    audit::{Act, Deed, Doer},
    hex::hex,
};
use engine::{
    clock::now_ms,
    store::{
        Store,
        directory::{Digest, Directory, NewUser, Order, OrderError, Token},
        sqlite::SqliteStore,
    },
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use sha2::{Digest as _, Sha256};

/// Their name.
pub const NAME: &str = "admin";
/// Their password.
pub const PASSWORD: &str = "the admin of every test";
/// What is kept of the password: made once, since making it takes a debug build a second.
pub const KEPT: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiBhbGwgdGVzdA$oPz+ugJfoHIbDvTKBFtSdGgOZQczdq4zmPHedcKbP3M";
/// Their token.
pub const TOKEN: &str = "hnp_of-the-admin-of-every-test";

/// The header `Authorization` with their token.
pub const BEARER: &str = "Bearer hnp_of-the-admin-of-every-test";

/// What is kept of a token or of the key of a session.
pub fn digest(secret: &str) -> Digest {
    Digest(hex(&Sha256::digest(secret.as_bytes())))
}

/// A deed of the console's, on something.
pub fn deed(act: Act, on: &str) -> Deed {
    let doer = Doer { user: None, means: Means::Console, credential: None, from: None };
    Deed::done(doer, act, on)
}

/// Makes a user who signs in with [`PASSWORD`]; one who is there already stays as they are.
pub async fn user(directory: &dyn Directory, name: &str, rights: Rights) -> anyhow::Result<()> {
    let name: UserName = name.parse().context("a user name")?;
    let user = NewUser { name, password: Some(KEPT.to_owned()), oidc: None, rights };
    let deed = deed(Act::UserCreate, "user");
    match directory.order(Order::CreateUser(user), &deed, now_ms()).await {
        Ok(_) | Err(OrderError::Exists { .. }) => Ok(()),
        Err(error) => Err(error).context("make a user"),
    }
}

/// Makes a token of a user that never ends by itself.
pub async fn token(
    directory: &dyn Directory,
    secret: &str,
    user: &str,
    scope: Rights,
) -> anyhow::Result<()> {
    token_until(directory, secret, user, scope, i64::MAX).await
}

/// Makes a token of a user that ends at a time, Unix milliseconds; one that is there already stays as it is.
pub async fn token_until(
    directory: &dyn Directory,
    secret: &str,
    user: &str,
    scope: Rights,
    expires_ms: i64,
) -> anyhow::Result<()> {
    let token = Token {
        digest: digest(secret),
        user: user.parse().context("a user name")?,
        label: "test".parse().context("a label")?,
        scope,
        created_ms: 0,
        expires_ms,
        used_ms: None,
        revoked_ms: None,
    };
    let deed = deed(Act::TokenCreate, "token");
    match directory.order(Order::CreateToken(token), &deed, now_ms()).await {
        Ok(_) | Err(OrderError::Exists { .. }) => Ok(()),
        Err(error) => Err(error).context("make a token"),
    }
}

/// Makes the admin with their token.
pub async fn admin(directory: &dyn Directory) -> anyhow::Result<()> {
    let rights = Rights::everywhere(Role::Admin);
    user(directory, NAME, rights.clone()).await?;
    token(directory, TOKEN, NAME, rights).await
}

/// The same in a database file, which is made if it is not there. A server may be using it.
pub async fn admin_at(database: &Path) -> anyhow::Result<()> {
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder).context("make the folder of the database")?;
    }
    let opened = SqliteStore::open(&database.display().to_string()).await;
    let store = opened.context("open the database")?;
    let made = admin(&store).await;
    store.close().await;
    made
}

/// The headers with which the admin comes.
pub fn headers() -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(BEARER))])
}

/// An HTTP client that is the admin.
pub fn http() -> reqwest::Client {
    http_as(headers())
}

/// An HTTP client that comes with these headers.
pub fn http_as(headers: HeaderMap) -> reqwest::Client {
    // As `Client::new`, which fails only where there is no TLS, and here none is wanted.
    reqwest::Client::builder().default_headers(headers).build().unwrap_or_default()
}
