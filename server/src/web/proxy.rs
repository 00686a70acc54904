//! Who asks: the other end of the connection, or whom a trusted proxy names.
//!
//! Invariant: nobody but a trusted proxy is believed about an address, a scheme or a host; the headers in
//! which they say it reach no handler.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};

use super::probes::{Refusal, problem};
use crate::config::{Proxies, ProxyHeader};

/// The connection that a request came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wire {
    /// Its other end.
    pub peer: SocketAddr,
    /// Whether it is encrypted.
    pub tls: bool,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Their address, IPv4 as such.
    pub address: IpAddr,
    /// Whether their own connection is encrypted, up to us or up to a trusted proxy.
    pub https: bool,
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get::<Self>().copied().ok_or_else(|| {
            let detail = "the server did not look who asks; report this as a defect";
            problem(StatusCode::INTERNAL_SERVER_ERROR, "no_peer", detail).into()
        })
    }
}

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Most hops that are looked through: more is no chain of proxies but a game.
const MOST_HOPS: usize = 16;

impl Proxies {
    /// Whether this address is believed.
    pub fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who asks, and the host that they asked for where a proxy says so.
    fn see(&self, wire: Wire, headers: &HeaderMap) -> (Peer, Option<HeaderValue>) {
        let mut peer = Peer { address: wire.peer.ip().to_canonical(), https: wire.tls };
        if !self.trusts(peer.address) {
            return (peer, None);
        }
        let said = match self.header {
            ProxyHeader::XForwarded => Said::x_forwarded(headers),
            ProxyHeader::Forwarded => Said::forwarded(headers),
        };
        // The nearest hop comes last; whom a trusted one names is believed, and heard further if trusted.
        for hop in said.hops.iter().rev().take(MOST_HOPS) {
            let Some(address) = hop else { break };
            peer.address = *address;
            if !self.trusts(*address) {
                break;
            }
        }
        match said.proto.as_deref() {
            Some("https") => peer.https = true,
            Some(_) => peer.https = false,
            None => {}
        }
        (peer, said.host.and_then(|host| HeaderValue::from_str(&host).ok()))
    }
}

/// What a proxy said; a hop that cannot be read is `None`.
#[derive(Debug, Default)]
struct Said {
    hops: Vec<Option<IpAddr>>,
    proto: Option<String>,
    host: Option<String>,
}

impl Said {
    fn x_forwarded(headers: &HeaderMap) -> Self {
        let last = |name: &HeaderName| {
            let item = items(headers, name).pop();
            item.filter(|item| !item.is_empty()).map(|item| item.to_ascii_lowercase())
        };
        Self {
            hops: items(headers, &FOR).iter().map(|hop| address(hop)).collect(),
            proto: last(&PROTO),
            host: last(&HOST),
        }
    }

    fn forwarded(headers: &HeaderMap) -> Self {
        let mut said = Self::default();
        for element in items(headers, &header::FORWARDED) {
            let (mut hop, mut proto, mut host) = (None, None, None);
            for pair in element.split(';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop = address(value),
                    "proto" => proto = Some(value.to_ascii_lowercase()),
                    "host" => host = Some(value.to_ascii_lowercase()),
                    _ => {}
                }
            }
            said.hops.push(hop);
            // Of the nearest hop, the only one that the one who tells us saw.
            (said.proto, said.host) = (proto, host);
        }
        said
    }
}

/// What stands between commas, over all lines of a header, in order.
fn items(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.to_str().unwrap_or_default().split(','))
        .map(|item| item.trim().to_owned())
        .collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let plain = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    plain.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// Puts [`Peer`] into the request, and a trusted proxy's host in the place of its own.
pub async fn see(
    State(proxies): State<Arc<Proxies>>,
    mut request: Request,
    next: Next,
) -> Response {
    if let Some(wire) = request.extensions().get::<Wire>().copied() {
        let (peer, host) = proxies.see(wire, request.headers());
        request.extensions_mut().insert(peer);
        if let Some(host) = host {
            request.headers_mut().insert(header::HOST, host);
        }
    }
    for name in [FOR, PROTO, HOST, header::FORWARDED] {
        request.headers_mut().remove(name);
    }
    next.run(request).await
}

#[cfg(test)]
mod tests;
