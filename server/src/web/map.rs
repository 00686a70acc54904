//! The map of everything that is served: each route with what it needs.
//!
//! Who may pass is looked up here before any handler runs; what is not on the map is not served at all, so
//! that a route that was forgotten is a closed door and a red test, not an open one.
//!
//! Invariant: a handler decides nothing about rights that could be decided here; whoever may not see a
//! fabric gets the answer of a name that was never given.

use axum::{
    extract::{FromRequestParts as _, MatchedPath, RawPathParams, Request, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Redirect, Response},
};
use domain::{
    access::{Action, Need, Subject, Verdict},
    audit::{Act, Deed},
    topic::FabricId,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Front, probes::problem};
use crate::registrar::caller::Caller;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Open,
    /// To be somebody; what is answered holds only what they may see.
    Somebody,
    /// A right in the house.
    House(Action),
    /// A right on the fabric that the path names as `{fabric}`.
    Fabric(Action),
    /// A page: to be somebody, else the way leads to `/login`.
    Page,
    /// A page, and a right in the house.
    HousePage(Action),
    /// A page, and a right on the fabric that the path names as `{fabric}`.
    FabricPage(Action),
}

impl Needs {
    /// Whether a person looks at what is answered.
    fn is_page(self) -> bool {
        matches!(self, Self::Page | Self::HousePage(_) | Self::FabricPage(_))
    }
}

/// A route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its method; `GET` includes `HEAD`.
    pub method: &'static str,
    /// Its path as the router knows it.
    pub path: &'static str,
    /// What it needs.
    pub needs: Needs,
}

const fn row(method: &'static str, path: &'static str, needs: Needs) -> Row {
    Row { method, path, needs }
}

/// All routes. Files of the client are no routes: whatever has no row and no route is looked for among them.
pub const ROWS: &[Row] = &[
    row("GET", "/healthz", Needs::Open),
    row("GET", "/readyz", Needs::Open),
    row("GET", "/metrics", Needs::Open),
    row("GET", "/api/v1/session", Needs::Open),
    row("POST", "/api/v1/session", Needs::Open),
    row("DELETE", "/api/v1/session", Needs::Somebody),
    row("GET", "/login", Needs::Open),
    row("POST", "/login", Needs::Open),
    row("GET", "/login/oidc", Needs::Open),
    row("GET", "/login/oidc/callback", Needs::Open),
    row("POST", "/logout", Needs::Open),
    row("GET", "/setup/{token}", Needs::Open),
    row("POST", "/setup/{token}", Needs::Open),
    row("GET", "/api/v1/live", Needs::Somebody),
    row("GET", "/api/v1/live/sse", Needs::Somebody),
    row("POST", "/api/v1/live/sse", Needs::Somebody),
    row("GET", "/api/v1/live/poll", Needs::Somebody),
    row("POST", "/api/v1/live/poll", Needs::Somebody),
    row("GET", "/api/v1/live/snapshot", Needs::Somebody),
    row("POST", "/api/v1/live/snapshot", Needs::Somebody),
    row("GET", "/api/v1/fabrics", Needs::Somebody),
    row("POST", "/api/v1/fabrics", Needs::House(Action::CreateFabric)),
    row("GET", "/api/v1/fabrics/{fabric}", Needs::Fabric(Action::View)),
    row("PATCH", "/api/v1/fabrics/{fabric}", Needs::Fabric(Action::EditFabric)),
    row("DELETE", "/api/v1/fabrics/{fabric}", Needs::House(Action::DeleteFabric)),
    row("POST", "/api/v1/fabrics/{fabric}/test", Needs::Fabric(Action::TestFabric)),
    row("POST", "/api/v1/connections/test", Needs::House(Action::CreateFabric)),
    row("GET", "/api/v1/jobs", Needs::Somebody),
    row("GET", "/api/v1/jobs/{job}", Needs::Somebody),
    row("GET", "/api/v1/fabrics/{fabric}/events", Needs::Fabric(Action::View)),
    row("GET", "/api/v1/fabrics/{fabric}/objects", Needs::Fabric(Action::View)),
    row(
        "GET",
        "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}",
        Needs::Fabric(Action::View),
    ),
    row(
        "GET",
        "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/relations",
        Needs::Fabric(Action::View),
    ),
    row(
        "GET",
        "/api/v1/fabrics/{fabric}/objects/{kind}/{namespace}/{name}/history",
        Needs::Fabric(Action::View),
    ),
    row("GET", "/settings", Needs::Page),
    row("GET", "/settings/fabrics", Needs::Page),
    row("GET", "/settings/fabrics/new", Needs::HousePage(Action::CreateFabric)),
    row("POST", "/settings/fabrics/new", Needs::HousePage(Action::CreateFabric)),
    row("GET", "/settings/fabrics/{fabric}", Needs::FabricPage(Action::ReadConnection)),
    row("POST", "/settings/fabrics/{fabric}", Needs::FabricPage(Action::EditFabric)),
    row("GET", "/settings/fabrics/{fabric}/connection", Needs::FabricPage(Action::EditFabric)),
    row("POST", "/settings/fabrics/{fabric}/connection", Needs::FabricPage(Action::EditFabric)),
    row("POST", "/settings/fabrics/{fabric}/test", Needs::FabricPage(Action::TestFabric)),
    row("GET", "/settings/fabrics/{fabric}/delete", Needs::HousePage(Action::DeleteFabric)),
    row("POST", "/settings/fabrics/{fabric}/delete", Needs::HousePage(Action::DeleteFabric)),
    row("GET", "/api/v1/users", Needs::House(Action::ManageUsers)),
    row("POST", "/api/v1/users", Needs::House(Action::ManageUsers)),
    row("GET", "/api/v1/users/{user}", Needs::House(Action::ManageUsers)),
    row("PATCH", "/api/v1/users/{user}", Needs::House(Action::ManageUsers)),
    row("DELETE", "/api/v1/users/{user}", Needs::House(Action::ManageUsers)),
    row("GET", "/api/v1/users/{user}/sessions", Needs::House(Action::ManageUsers)),
    row("DELETE", "/api/v1/users/{user}/sessions", Needs::House(Action::ManageUsers)),
    row("DELETE", "/api/v1/users/{user}/sessions/{id}", Needs::House(Action::ManageUsers)),
    row("GET", "/api/v1/tokens", Needs::House(Action::ReadAccount)),
    row("POST", "/api/v1/tokens", Needs::House(Action::OwnTokens)),
    row("GET", "/api/v1/tokens/{id}", Needs::House(Action::ReadAccount)),
    // One's own in person, any as an admin: whose it is, the map cannot know.
    row("DELETE", "/api/v1/tokens/{id}", Needs::House(Action::ReadAccount)),
    row("GET", "/api/v1/sessions", Needs::House(Action::ReadAccount)),
    row("DELETE", "/api/v1/sessions", Needs::House(Action::ChangeOwn)),
    row("DELETE", "/api/v1/sessions/{id}", Needs::House(Action::ChangeOwn)),
    row("PUT", "/api/v1/password", Needs::House(Action::ChangeOwn)),
    row("GET", "/settings/users", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users", Needs::HousePage(Action::ManageUsers)),
    row("GET", "/settings/users/{user}", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/roles", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/password", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/enabled", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/sessions", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/tokens", Needs::HousePage(Action::ManageUsers)),
    row("POST", "/settings/users/{user}/remove", Needs::HousePage(Action::ManageUsers)),
    row("GET", "/settings/tokens", Needs::HousePage(Action::ReadAccount)),
    row("POST", "/settings/tokens/tokens", Needs::HousePage(Action::OwnTokens)),
    row("POST", "/settings/tokens/tokens/revoke", Needs::HousePage(Action::ReadAccount)),
    row("GET", "/account", Needs::HousePage(Action::ReadAccount)),
    row("POST", "/account/password", Needs::HousePage(Action::ChangeOwn)),
    row("POST", "/account/sessions", Needs::HousePage(Action::ChangeOwn)),
    row("POST", "/account/tokens", Needs::HousePage(Action::OwnTokens)),
    row("POST", "/account/tokens/revoke", Needs::HousePage(Action::OwnTokens)),
    row("GET", "/api/v1/openapi.json", Needs::Somebody),
    row("GET", "/api/v1/audit", Needs::House(Action::ReadAudit)),
    row("GET", "/api/v1/audit/export", Needs::House(Action::ReadAudit)),
    row("GET", "/api/v1/audit/verify", Needs::House(Action::ReadAudit)),
    row("GET", "/audit", Needs::HousePage(Action::ReadAudit)),
    row("GET", "/", Needs::Page),
    row("GET", "/f/{fabric}", Needs::Page),
    row("GET", "/f/{fabric}/{plural}", Needs::Page),
    row("GET", "/f/{fabric}/{plural}/{namespace}/{name}", Needs::Page),
    row("POST", "/api/page/overview", Needs::Somebody),
    row("POST", "/api/page/frame", Needs::Somebody),
    row("POST", "/api/page/list", Needs::Somebody),
    row("POST", "/api/page/object", Needs::Somebody),
    row("POST", "/api/page/relations", Needs::Somebody),
];

/// What the map says of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Row(Needs),
    /// The path is there, with other methods.
    WrongMethod,
    /// The path is not on the map.
    Unlisted,
}

fn find(method: &Method, path: &str) -> Found {
    let method = if *method == Method::HEAD { "GET" } else { method.as_str() };
    let mut found = Found::Unlisted;
    for row in ROWS.iter().filter(|row| row.path == path) {
        if row.method == method {
            return Found::Row(row.needs);
        }
        found = Found::WrongMethod;
    }
    found
}

/// Lets a request pass, or says what it needs.
pub async fn authorize(State(front): State<Front>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let parameters = RawPathParams::from_request_parts(&mut parts, &()).await.ok();
    let request = Request::from_parts(parts, body);
    let Some(path) = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned())
    else {
        // A file, or nothing.
        return next.run(request).await;
    };
    let needs = match find(request.method(), &path) {
        Found::Row(needs) => needs,
        Found::WrongMethod => return wrong_method(&path).await,
        Found::Unlisted => {
            tracing::error!(path, "a route is not on the map");
            let detail = "this address is not on the server's map; please report it";
            return problem(StatusCode::INTERNAL_SERVER_ERROR, "unlisted_route", detail);
        }
    };
    let nobody = Caller::nobody(None);
    let caller = request.extensions().get::<Caller>().unwrap_or(&nobody).clone();
    let named = parameters.iter().flatten().find(|(name, _)| *name == "fabric");
    match verdict(needs, &caller, named.map(|(_, fabric)| fabric)) {
        Verdict::Allowed => next.run(request).await,
        Verdict::Hidden if needs.is_page() => no_fabric_page(),
        Verdict::Hidden => no_fabric(),
        Verdict::Needs(need) => {
            let (method, uri) = (request.method().clone(), request.uri().clone());
            refuse(&front, needs, need, &caller, &method, &uri).await
        }
    }
}

/// 405, with what the address does take.
async fn wrong_method(path: &str) -> Response {
    let methods = ROWS.iter().filter(|row| row.path == path).map(|row| row.method);
    let taken: Vec<&str> = methods
        .flat_map(|method| if method == "GET" { vec!["GET", "HEAD"] } else { vec![method] })
        .collect();
    let mut response = super::probes::wrong_method().await;
    if let Ok(taken) = HeaderValue::from_str(&taken.join(", ")) {
        response.headers_mut().insert(header::ALLOW, taken);
    }
    response
}

fn verdict(needs: Needs, caller: &Caller, fabric: Option<&str>) -> Verdict {
    match needs {
        Needs::Open => Verdict::Allowed,
        Needs::Somebody | Needs::Page => caller.verdict(Action::ReadOwn, Subject::House),
        Needs::House(action) | Needs::HousePage(action) => caller.verdict(action, Subject::House),
        Needs::Fabric(action) | Needs::FabricPage(action) => {
            match fabric.and_then(|name| name.parse::<FabricId>().ok()) {
                Some(fabric) => caller.verdict(action, Subject::Fabric(&fabric)),
                None if caller.is_somebody() => Verdict::Hidden,
                None => Verdict::Needs(Need::SignIn),
            }
        }
    }
}

/// The answer to a fabric that is not there, or not for this caller: one and the same.
pub fn no_fabric() -> Response {
    problem(StatusCode::NOT_FOUND, "no_fabric", NO_FABRIC)
}

/// The same as a page.
pub fn no_fabric_page() -> Response {
    let view = app::office::people::not_here(NO_FABRIC);
    super::office::framed(StatusCode::NOT_FOUND, "No such fabric", view)
}

/// What is said of a fabric that is not there.
pub const NO_FABRIC: &str = "there is no fabric of this name; the overview lists them";

async fn refuse(
    front: &Front,
    needs: Needs,
    need: Need,
    caller: &Caller,
    method: &Method,
    uri: &Uri,
) -> Response {
    let page = needs.is_page();
    if need == Need::SignIn {
        return if page { to_login(uri) } else { unauthorized(&need.to_string()) };
    }
    let on = format!("{method} {}", uri.path());
    let deed = Deed::refused(caller.doer(), Act::Request, on, need.to_string());
    front.registrar.tell(&deed).await;
    if page {
        let view = app::office::people::not_allowed(&need.to_string());
        return super::office::framed(StatusCode::FORBIDDEN, "Not for you", view);
    }
    forbidden(need)
}

/// 401, with what would be accepted.
pub fn unauthorized(detail: &str) -> Response {
    let mut response = problem(StatusCode::UNAUTHORIZED, "unauthorized", detail);
    let bearer = HeaderValue::from_static("Bearer realm=\"hnp\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, bearer);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// 403, with what it would take.
pub fn forbidden(need: Need) -> Response {
    problem(StatusCode::FORBIDDEN, "forbidden", &need.to_string())
}

/// To the door, and back here afterwards.
pub fn to_login(uri: &Uri) -> Response {
    let here = uri.path_and_query().map_or("/", |here| here.as_str());
    let next = utf8_percent_encode(here, NON_ALPHANUMERIC);
    let way = if here == "/" { "/login".to_owned() } else { format!("/login?next={next}") };
    let mut response = Redirect::to(&way).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
