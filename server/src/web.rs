//! What is served: pages, the live link, snapshots, probes and files.
//!
//! Invariant: no answer leaves without the headers of [`headers`], whoever refused the request; no request
//! is answered before its `Host` (and, where it matters, its `Origin`) was checked.

use std::sync::Arc;

use app::backend::Backend;
use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, FromRef},
    middleware,
    routing::{delete, get, post, put},
};
use engine::{hub::Hub, store::Store, vault::Vault};
use leptos::config::LeptosOptions;
use tokio::runtime::Handle;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::compression::CompressionLayer;

use crate::{
    backend::Desk,
    config::{Limits, Proxies},
    fabrics::Fabrics,
    oidc::Provider,
    records::Archive,
    registrar::{Registrar, caller::Caller, sessions},
};

pub mod api;
mod asked;
pub mod assets;
mod attended;
pub mod audit_page;
mod bucket;
pub mod door;
pub mod doorman;
pub mod etag;
pub mod guard;
pub mod headers;
pub mod identify;
pub mod limits;
pub mod listen;
pub mod live;
pub mod map;
pub mod next;
pub mod office;
pub mod openapi;
pub mod pages;
pub mod poll;
pub mod probes;
pub mod proxy;
pub mod records;
pub mod settings;
pub mod snapshot;
pub mod sse;
pub mod tls;

use self::{doorman::Doorman, guard::Guard};

/// What every handler may need; cheap to clone.
#[derive(Debug, Clone, FromRef)]
pub struct Front {
    /// Topics.
    pub hub: Arc<Hub>,
    /// What was recorded; none: nothing is.
    pub records: Option<Arc<dyn Store>>,
    /// What may be asked from where.
    pub guard: Arc<Guard>,
    /// Who counts live links.
    pub doorman: Arc<Doorman>,
    /// Who is who.
    pub registrar: Registrar,
    /// Who vouches for people besides their passwords.
    pub oidc: Option<Arc<Provider>>,
    /// Fabrics as people manage them.
    pub fabrics: Fabrics,
    /// What seals secrets, and the end of the audit log.
    pub vault: Arc<Vault>,
    /// Limits of the live link.
    pub limits: Limits,
    /// Whether cookies are for encrypted connections only.
    pub secure_cookies: bool,
    /// Which proxies are believed about who asks.
    pub proxies: Arc<Proxies>,
    /// The listener's certificate; none: plain HTTP.
    pub tls: Option<Arc<tls::Certificate>>,
    /// Where metrics are served.
    pub metrics: MetricsAt,
    /// Where the client's files lie.
    pub options: LeptosOptions,
    /// Ends everything.
    pub cancel: CancellationToken,
    /// The runtime of the process.
    pub home: Handle,
    /// Where pages are rendered.
    pub press: pages::Press,
    /// Parent of live links.
    pub tracker: TaskTracker,
}

impl Front {
    /// The backend of pages, for somebody.
    pub fn backend(&self, caller: Caller) -> Arc<dyn Backend> {
        let records = self.records.as_ref().map(|store| Archive {
            store: Arc::clone(store),
            home: self.home.clone(),
            tracker: self.tracker.clone(),
        });
        Arc::new(Desk::new(Arc::clone(&self.hub), records, caller))
    }
}

/// Where metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricsAt {
    /// With everything else; of fabrics, what who asks may see.
    Here,
    /// With everything else, and nobody has to say who they are: on made-up fabrics, for this machine only.
    Open,
    /// At an address of their own.
    Elsewhere,
}

/// What is served at the address for metrics, to anybody who reaches it: names of fabrics and switches,
/// states and counts. No page is there for another site's page to use, so that any host name will do.
pub fn metrics_router(front: Front) -> Router {
    let all = Caller::of_metrics();
    let proxies = Arc::clone(&front.proxies);
    Router::new()
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(probes::metrics))
        .method_not_allowed_fallback(probes::wrong_method)
        .layer(Extension(all))
        .layer(middleware::from_fn(headers::harden))
        .layer(middleware::from_fn_with_state(proxies, proxy::see))
        .with_state(front)
}

/// Everything that is served.
pub fn router(front: Front) -> Router {
    let mut probes =
        Router::new().route("/healthz", get(probes::healthz)).route("/readyz", get(probes::readyz));
    if front.metrics != MetricsAt::Elsewhere {
        probes = probes.route("/metrics", get(probes::metrics));
    }
    let limited = middleware::from_fn_with_state(front.limits, limits::keep);
    let guarded = middleware::from_fn_with_state(Arc::clone(&front.guard), guard::check);
    let seen = middleware::from_fn_with_state(Arc::clone(&front.proxies), proxy::see);
    Router::new()
        .merge(probes)
        .merge(live_link())
        .merge(recorded())
        .merge(accounts())
        .merge(persons())
        .merge(doors())
        .merge(api::fabrics::routes())
        .merge(settings::fabrics::routes())
        .merge(house())
        .merge(pages::router(&front))
        .fallback(assets::serve)
        .method_not_allowed_fallback(probes::wrong_method)
        .layer(middleware::from_fn_with_state(front.clone(), map::authorize))
        // Around the map, whose refusals are pages as well.
        .layer(middleware::from_fn_with_state(front.clone(), office::print))
        .layer(middleware::from_fn_with_state(front.clone(), identify::identify))
        .layer(sessions::layer(&front.registrar, front.secure_cookies))
        // The bounds of `limits` are the only ones.
        .layer(DefaultBodyLimit::disable())
        // From the inside out: a request comes through them from the last to the first.
        .layer(limited)
        .layer(guarded)
        .layer(middleware::from_fn_with_state(front.clone(), office::explain))
        .layer(middleware::from_fn(headers::harden))
        .layer(seen)
        .with_state(front)
}

/// The live link and who one is.
fn live_link() -> Router<Front> {
    Router::new()
        .route("/api/v1/session", get(door::who).post(door::sign_in).delete(door::sign_out))
        .route("/api/v1/live", get(live::upgrade))
        // Never compressed: what compresses collects.
        .route("/api/v1/live/sse", get(sse::one).post(sse::many))
        .route("/api/v1/live/poll", get(poll::one).post(poll::many).layer(CompressionLayer::new()))
        .route(
            "/api/v1/live/snapshot",
            get(snapshot::one).post(snapshot::many).layer(CompressionLayer::new()),
        )
}

/// Signing in and out, as pages.
fn doors() -> Router<Front> {
    Router::new()
        .route("/login", get(door::forms::login).post(door::forms::enter))
        .route("/login/oidc", get(door::oidc::begin))
        .route("/login/oidc/callback", get(door::oidc::finish))
        .route("/logout", post(door::forms::exit))
        .route("/setup/{token}", get(door::forms::setup).post(door::forms::found))
}

/// What was recorded of fabrics.
fn recorded() -> Router<Front> {
    Router::new()
        .route("/api/v1/fabrics/{fabric}/events", get(records::events))
        .route("/api/v1/fabrics/{fabric}/objects", get(records::objects::list))
        .route(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}",
            get(records::objects::one),
        )
        .route(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/relations",
            get(records::objects::relations),
        )
        .route(
            "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/history",
            get(records::history),
        )
        .layer(middleware::from_fn(etag::tag))
        .layer(CompressionLayer::new())
}

/// The audit log, and what the interface says of itself.
fn house() -> Router<Front> {
    Router::new()
        .route("/api/v1/audit", get(api::audit::list))
        .route("/api/v1/openapi.json", get(openapi::serve))
        .layer(middleware::from_fn(etag::tag))
        .route("/audit", get(audit_page::show))
        .route("/api/v1/audit/export", get(api::audit::export))
        .route("/api/v1/audit/verify", get(api::audit::check))
        .layer(CompressionLayer::new())
}

/// Users, tokens and sessions, for programs.
fn accounts() -> Router<Front> {
    Router::new()
        .route("/api/v1/users", get(api::users::list).post(api::users::create))
        .route(
            "/api/v1/users/{user}",
            get(api::users::one).patch(api::users::change).delete(api::users::remove),
        )
        .route(
            "/api/v1/users/{user}/sessions",
            get(api::users::sessions).delete(api::users::end_sessions),
        )
        .route("/api/v1/users/{user}/sessions/{id}", delete(api::users::end_session))
        .route("/api/v1/tokens", get(api::tokens::list).post(api::tokens::create))
        .route("/api/v1/tokens/{id}", get(api::tokens::one).delete(api::tokens::revoke))
        .route("/api/v1/sessions", get(api::sessions::list).delete(api::sessions::end_others))
        .route("/api/v1/sessions/{id}", delete(api::sessions::end))
        .route("/api/v1/password", put(api::sessions::change_password))
}

/// The same as pages.
fn persons() -> Router<Front> {
    Router::new()
        .route("/settings", get(settings::users::settings))
        .route("/settings/users", get(settings::users::list).post(settings::users::create))
        .route("/settings/users/{user}", get(settings::users::one))
        .route("/settings/users/{user}/roles", post(settings::users::roles))
        .route("/settings/users/{user}/password", post(settings::users::password))
        .route("/settings/users/{user}/enabled", post(settings::users::enable))
        .route("/settings/users/{user}/sessions", post(settings::users::end))
        .route("/settings/users/{user}/tokens", post(settings::users::revoke))
        .route("/settings/users/{user}/remove", post(settings::users::remove))
        .route("/settings/tokens", get(settings::tokens::page))
        .route("/settings/tokens/tokens", post(settings::tokens::create))
        .route("/settings/tokens/tokens/revoke", post(settings::tokens::revoke))
        .route("/account", get(settings::account::page))
        .route("/account/password", post(settings::account::password))
        .route("/account/sessions", post(settings::account::end))
        .route("/account/tokens", post(settings::account::create))
        .route("/account/tokens/revoke", post(settings::account::revoke))
        .layer(CompressionLayer::new())
}
