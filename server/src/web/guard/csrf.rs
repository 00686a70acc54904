//! Whether a page of somebody else may be behind a request that changes something.
//!
//! Invariant: what a browser adds by itself (a cookie) is never enough to change anything: the page that
//! asked must be ours or allowed, and must be named.

use axum::http::{HeaderMap, Method, header};

use crate::registrar::sessions::COOKIE;

/// What a request carries to say who it is. A token goes before a cookie, and never falls back to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Nothing.
    Nothing,
    /// A cookie, which a browser adds to whatever a page asks for.
    Cookie,
    /// A token, which a page would have to know.
    Bearer,
}

/// Where the page comes from that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It is not said: no browser, or no page.
    Absent,
    /// From us.
    Own,
    /// From somebody whom the configuration allows.
    Allowed,
    /// From somebody else, or from nobody (`null`).
    Foreign,
}

/// What the browser says of the relation between that page and us (`Sec-Fetch-Site`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Site {
    /// Not said: an old browser, or none.
    Absent,
    /// The same origin, or a person typed the address.
    Same,
    /// Another host of the same domain.
    Near,
    /// Another site.
    Cross,
}

/// What a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To read, which other origins cannot do across the browser's own wall.
    Read,
    /// To open the live link, for which browsers build no wall.
    Link,
    /// To change something.
    Change,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// The page's origin is not ours.
    ForeignOrigin,
    /// A cookie came without saying from which page.
    NoOrigin,
    /// The browser says that another site's page asks.
    CrossSite,
}

impl Suspicion {
    /// What a person is told.
    pub const fn detail(self) -> &'static str {
        match self {
            Self::ForeignOrigin => {
                "this origin may not use the live link or change anything; add it to `allowed_origins` if it should"
            }
            Self::NoOrigin => {
                "a change with a session cookie must say which page it comes from (`Origin`); programs use a token (`Authorization: Bearer …`) instead"
            }
            Self::CrossSite => {
                "another site's page asked for this change; do it on our own page, or add its origin to `allowed_origins`"
            }
        }
    }
}

/// The whole decision.
pub const fn judge(
    intent: Intent,
    carried: Carried,
    origin: Origin,
    site: Site,
) -> Option<Suspicion> {
    match (intent, origin) {
        (Intent::Change | Intent::Link, Origin::Foreign) => Some(Suspicion::ForeignOrigin),
        (Intent::Change, Origin::Own | Origin::Absent) => match (carried, site, origin) {
            (Carried::Nothing | Carried::Cookie, Site::Cross, _) => Some(Suspicion::CrossSite),
            (Carried::Cookie, _, Origin::Absent) => Some(Suspicion::NoOrigin),
            _ => None,
        },
        _ => None,
    }
}

impl Intent {
    /// What a request for this path wants.
    pub fn of(method: &Method, path: &str) -> Self {
        if !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
            Self::Change
        } else if path.starts_with("/api/v1/live") {
            Self::Link
        } else {
            Self::Read
        }
    }
}

impl Carried {
    /// What these headers carry.
    pub fn of(headers: &HeaderMap) -> Self {
        // Browsers add `Basic` by themselves, for a proxy before us say: it vouches for no page.
        let token = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().get(..7));
        if token.is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer ")) {
            Self::Bearer
        } else if has_cookie(headers) {
            Self::Cookie
        } else {
            Self::Nothing
        }
    }
}

/// Whether a session cookie is there at all: even one that is worth nothing marks a browser.
fn has_cookie(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(header::COOKIE).iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';')).any(|pair| {
        let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
        name.trim_ascii() == COOKIE.as_bytes()
    })
}

impl Site {
    /// What these headers say.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get("sec-fetch-site").map(axum::http::HeaderValue::as_bytes) {
            None => Self::Absent,
            Some(b"same-origin" | b"none") => Self::Same,
            Some(b"same-site") => Self::Near,
            Some(_) => Self::Cross,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table, one row per origin and site; what is said of nothing, a cookie, a token that want to change something.
    const CHANGES: [(Origin, Site, [Option<Suspicion>; 3]); 12] = {
        use Suspicion::{CrossSite, ForeignOrigin, NoOrigin};
        const FOREIGN: [Option<Suspicion>; 3] = [Some(ForeignOrigin); 3];
        [
            (Origin::Absent, Site::Absent, [None, Some(NoOrigin), None]),
            (Origin::Absent, Site::Same, [None, Some(NoOrigin), None]),
            (Origin::Absent, Site::Near, [None, Some(NoOrigin), None]),
            (Origin::Absent, Site::Cross, [Some(CrossSite), Some(CrossSite), None]),
            (Origin::Own, Site::Absent, [None, None, None]),
            (Origin::Own, Site::Same, [None, None, None]),
            (Origin::Own, Site::Near, [None, None, None]),
            (Origin::Own, Site::Cross, [Some(CrossSite), Some(CrossSite), None]),
            (Origin::Allowed, Site::Absent, [None, None, None]),
            (Origin::Allowed, Site::Cross, [None, None, None]),
            (Origin::Foreign, Site::Absent, FOREIGN),
            (Origin::Foreign, Site::Same, FOREIGN),
        ]
    };

    #[test]
    fn changes_are_judged_as_the_table_says() {
        for (origin, site, expected) in CHANGES {
            let carried = [Carried::Nothing, Carried::Cookie, Carried::Bearer];
            let found = carried.map(|carried| judge(Intent::Change, carried, origin, site));
            assert_eq!(found, expected, "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_link_needs_no_foreign_origin_and_reading_nothing() {
        for carried in [Carried::Nothing, Carried::Cookie, Carried::Bearer] {
            for site in [Site::Absent, Site::Same, Site::Near, Site::Cross] {
                for (origin, link) in [
                    (Origin::Absent, None),
                    (Origin::Own, None),
                    (Origin::Allowed, None),
                    (Origin::Foreign, Some(Suspicion::ForeignOrigin)),
                ] {
                    assert_eq!(judge(Intent::Link, carried, origin, site), link);
                    assert_eq!(judge(Intent::Read, carried, origin, site), None);
                }
            }
        }
    }

    #[test]
    fn headers_are_read_for_what_they_are() {
        let headers = |pairs: &[(&str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                let name: header::HeaderName = name.parse().unwrap();
                headers.append(name, value.parse().unwrap());
            }
            headers
        };
        for (pairs, carried) in [
            (&[][..], Carried::Nothing),
            (&[("cookie", "theme=dark")], Carried::Nothing),
            (&[("cookie", "theme=dark; hnp_session=x")], Carried::Cookie),
            (&[("cookie", "hnp_session=")], Carried::Cookie),
            (&[("cookie", "hnp_session=a; hnp_session=b")], Carried::Cookie),
            (&[("authorization", "Bearer x"), ("cookie", "hnp_session=x")], Carried::Bearer),
            (&[("authorization", "bearer x")], Carried::Bearer),
            (&[("authorization", "Basic eDp5"), ("cookie", "hnp_session=x")], Carried::Cookie),
            (&[("authorization", "Basic eDp5")], Carried::Nothing),
        ] {
            assert_eq!(Carried::of(&headers(pairs)), carried, "{pairs:?}");
        }
        for (value, site) in [
            ("same-origin", Site::Same),
            ("none", Site::Same),
            ("same-site", Site::Near),
            ("cross-site", Site::Cross),
            ("whatever-comes-next", Site::Cross),
        ] {
            assert_eq!(Site::of(&headers(&[("sec-fetch-site", value)])), site);
        }
        assert_eq!(Site::of(&headers(&[])), Site::Absent);
    }

    #[test]
    fn whatever_is_no_reading_method_is_a_change() {
        for method in ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(Intent::of(&method, "/api/v1/live"), Intent::Change);
        }
        assert_eq!(Intent::of(&Method::GET, "/api/v1/live/sse"), Intent::Link);
        assert_eq!(Intent::of(&Method::GET, "/f/prod"), Intent::Read);
        assert_eq!(Intent::of(&Method::HEAD, "/"), Intent::Read);
    }
}
