//! The cables that a Connection stands for: one link per pair of ports.
//!
//! Invariant: no name is taken apart here except `device/port`, at its first slash.

use serde_json::Value;

/// What a connection does, from the key of its spec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Union {
    /// One cable to a server.
    Unbundled,
    /// A port channel to a server from one switch.
    Bundled,
    /// A port channel to a server from the members of a group.
    Eslag,
    /// Spine to leaf.
    Fabric,
    /// Leaf to leaf.
    Mesh,
    /// Switch to gateway.
    Gateway,
    /// Out of the fabric, with attachments.
    External,
    /// Out of the fabric, with fixed routes.
    StaticExternal,
}

/// One end of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    /// Switch, server or gateway.
    pub(crate) device: String,
    /// The port as the Connection writes it (`E1/5`, `enp2s1`).
    pub(crate) port: String,
    /// Address with its length, on routed links.
    pub(crate) ip: Option<String>,
}

/// One cable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    /// What the connection does.
    pub(crate) union: Union,
    /// Spine, leaf1 or switch end.
    pub(crate) near: End,
    /// Leaf, leaf2, gateway or server end; none where the cable leaves the fabric.
    pub(crate) far: Option<End>,
}

/// Where the links of each kind of connection stand and what their ends are called.
const SHAPES: &[(&str, Union, &str, Option<&str>)] = &[
    ("unbundled", Union::Unbundled, "switch", Some("server")),
    ("bundled", Union::Bundled, "switch", Some("server")),
    ("eslag", Union::Eslag, "switch", Some("server")),
    ("fabric", Union::Fabric, "spine", Some("leaf")),
    ("mesh", Union::Mesh, "leaf1", Some("leaf2")),
    ("gateway", Union::Gateway, "switch", Some("gateway")),
    ("external", Union::External, "switch", None),
    ("staticExternal", Union::StaticExternal, "switch", None),
];

impl Union {
    /// Whether servers hang on it, so that VPC subnets can be attached.
    pub(crate) fn is_server_facing(self) -> bool {
        matches!(self, Self::Unbundled | Self::Bundled | Self::Eslag)
    }

    /// Whether its links carry addresses and BGP.
    pub(crate) fn is_routed(self) -> bool {
        matches!(self, Self::Fabric | Self::Mesh | Self::Gateway)
    }

    /// The value of the label `connection-type`.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Unbundled => "unbundled",
            Self::Bundled => "bundled",
            Self::Eslag => "eslag",
            Self::Fabric => "fabric",
            Self::Mesh => "mesh",
            Self::Gateway => "gateway",
            Self::External => "external",
            Self::StaticExternal => "static-external",
        }
    }
}

/// What the spec of a Connection says it is, in the order in which the fabric looks.
pub(crate) fn union(spec: &Value) -> Option<Union> {
    SHAPES.iter().find(|(key, ..)| spec[*key].is_object()).map(|(_, union, ..)| *union)
}

/// The links of the spec of a Connection; none where it is not understood.
pub(crate) fn links(spec: &Value) -> Vec<Link> {
    let Some((key, union, near, far)) = SHAPES.iter().find(|(key, ..)| spec[*key].is_object())
    else {
        return Vec::new();
    };
    let body = &spec[*key];
    let single = std::slice::from_ref(&body["link"]);
    let pairs = body["links"].as_array().map_or(single, Vec::as_slice);
    pairs
        .iter()
        .filter_map(|pair| {
            let far = match far {
                Some(far) => Some(end(&pair[*far])?),
                None => None,
            };
            Some(Link { union: *union, near: end(&pair[*near])?, far })
        })
        .collect()
}

/// One end from `{port: "device/port", ip}`.
fn end(value: &Value) -> Option<End> {
    let (device, port) = value["port"].as_str()?.split_once('/')?;
    Some(End {
        device: device.to_owned(),
        port: port.to_owned(),
        ip: value["ip"].as_str().map(str::to_owned),
    })
}

impl Link {
    /// This link as one of its switches sees it: its own end and the other one.
    pub(crate) fn seen_from(&self, device: &str) -> Option<(&End, Option<&End>)> {
        if self.near.device == device {
            return Some((&self.near, self.far.as_ref()));
        }
        self.far.as_ref().filter(|far| far.device == device).map(|far| (far, Some(&self.near)))
    }
}

/// The address of `ip/length`.
pub(crate) fn address(prefix: &str) -> &str {
    prefix.split_once('/').map_or(prefix, |(address, _)| address)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_port_keeps_the_slashes_after_the_first() {
        let spec = json!({"external": {"link": {"switch": {"port": "leaf-05/E1/55/2"}}}});
        let links = links(&spec);
        assert_eq!(links.len(), 1);
        assert_eq!(links[0].near.port, "E1/55/2");
        assert_eq!(links[0].far, None);
    }

    #[test]
    fn both_switches_see_their_own_end_of_a_fabric_link() {
        let spec = json!({"fabric": {"links": [
            {"spine": {"port": "s/E1/1", "ip": "1.0.0.0/31"}, "leaf": {"port": "l/E1/2", "ip": "1.0.0.1/31"}}]}});
        let links = links(&spec);
        let (own, peer) = links[0].seen_from("l").unwrap();
        assert_eq!((own.port.as_str(), peer.unwrap().device.as_str()), ("E1/2", "s"));
        assert!(links[0].seen_from("x").is_none());
    }

    #[test]
    fn a_half_written_link_is_no_link() {
        assert!(
            links(&json!({"unbundled": {"link": {"server": {}, "switch": {"port": "l/E1/1"}}}}))
                .is_empty()
        );
        assert!(links(&json!({})).is_empty());
    }
}
