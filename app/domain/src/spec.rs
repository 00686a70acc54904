//! The specs and statuses of all kinds, typed: one table over one file per kind.
//!
//! Reading is forgiving where Go is (null and absent are one), exact where it is (a VLAN of 70000 is
//! no VLAN), and names the place of what does not read.
//!
//! Invariant: what was read is written again as it was, save that empty optional fields are left out.
//! Invariant: an unknown field or word never makes an object unreadable.

mod shape;

pub mod agent;
pub mod catalog;
pub mod connection;
pub mod dhcp_subnet;
pub mod external;
pub mod external_attachment;
pub mod external_peering;
pub mod gateway;
pub mod gateway_agent;
pub mod gateway_peering;
pub mod ipv4_namespace;
pub mod server;
pub mod switch;
pub mod switch_group;
pub mod switch_profile;
pub mod vlan_namespace;
pub mod vpc;
pub mod vpc_attachment;
pub mod vpc_peering;

use schemars::{Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::kind::Kind;
use shape::shape;

/// Why an object does not read as its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {reason}")]
pub struct Unreadable {
    /// Where, for example `spec.subnets.web.vlan`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

shape! {
    /// The status of a kind that nothing writes one for.
    NoStatus {}
}

macro_rules! specs {
    ($($kind:ident $spec:ty, $status:ty;)+) => {
        /// A decoded spec, by kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Spec {
            $(#[doc = concat!("Of the kind `", stringify!($kind), "`.")] $kind(Box<$spec>),)+
        }

        /// A decoded status, by kind.
        #[derive(Debug, Clone, PartialEq)]
        pub enum Status {
            $(#[doc = concat!("Of the kind `", stringify!($kind), "`.")] $kind(Box<$status>),)+
        }

        impl Spec {
            /// Reads the spec of an object of a kind. A spec that is absent reads as an empty one,
            /// where the kind allows that.
            ///
            /// # Errors
            ///
            /// Names the place and the reason of the first thing that does not read.
            pub fn decode(kind: Kind, object: &Value) -> Result<Self, Unreadable> {
                match kind {
                    $(Kind::$kind => part(object, "spec").map(Self::$kind),)+
                }
            }

            /// The kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// The spec as JSON, without empty optional fields.
            ///
            /// # Errors
            ///
            /// None that is known: keys are texts and numbers came from JSON.
            pub fn encode(&self) -> Result<Value, serde_json::Error> {
                match self { $(Self::$kind(spec) => serde_json::to_value(spec),)+ }
            }
        }

        impl Status {
            /// Reads the status of an object of a kind. A status that is absent reads as an empty
            /// one.
            ///
            /// # Errors
            ///
            /// Names the place and the reason of the first thing that does not read.
            pub fn decode(kind: Kind, object: &Value) -> Result<Self, Unreadable> {
                match kind {
                    $(Kind::$kind => part(object, "status").map(Self::$kind),)+
                }
            }

            /// The kind.
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$kind(_) => Kind::$kind,)+ }
            }

            /// The status as JSON, without empty optional fields.
            ///
            /// # Errors
            ///
            /// None that is known: keys are texts and numbers came from JSON.
            pub fn encode(&self) -> Result<Value, serde_json::Error> {
                match self { $(Self::$kind(status) => serde_json::to_value(status),)+ }
            }
        }

        /// The schemas of spec and status, as schemars makes them.
        pub(crate) fn schemas(kind: Kind, generator: &mut SchemaGenerator) -> (Schema, Schema) {
            match kind {
                $(Kind::$kind => (
                    generator.subschema_for::<$spec>(),
                    generator.subschema_for::<$status>(),
                ),)+
            }
        }
    };
}

specs! {
    Vpc vpc::VpcSpec, NoStatus;
    VpcAttachment vpc_attachment::VpcAttachmentSpec, NoStatus;
    VpcPeering vpc_peering::VpcPeeringSpec, NoStatus;
    External external::ExternalSpec, NoStatus;
    ExternalAttachment external_attachment::ExternalAttachmentSpec, NoStatus;
    ExternalPeering external_peering::ExternalPeeringSpec, NoStatus;
    Ipv4Namespace ipv4_namespace::Ipv4NamespaceSpec, NoStatus;
    Switch switch::SwitchSpec, NoStatus;
    Server server::ServerSpec, NoStatus;
    Connection connection::ConnectionSpec, NoStatus;
    SwitchGroup switch_group::SwitchGroupSpec, NoStatus;
    VlanNamespace vlan_namespace::VlanNamespaceSpec, NoStatus;
    Agent agent::AgentSpec, agent::status::AgentStatus;
    SwitchProfile switch_profile::SwitchProfileSpec, NoStatus;
    Catalog catalog::CatalogSpec, NoStatus;
    DhcpSubnet dhcp_subnet::DhcpSubnetSpec, dhcp_subnet::DhcpSubnetStatus;
    Gateway gateway::GatewaySpec, NoStatus;
    GatewayGroup gateway::GatewayGroupSpec, NoStatus;
    GatewayPeering gateway_peering::GatewayPeeringSpec, NoStatus;
    VpcInfo gateway::VpcInfoSpec, gateway::VpcInfoStatus;
    GatewayAgent gateway_agent::GatewayAgentSpec, gateway_agent::GatewayAgentStatus;
}

fn part<T: DeserializeOwned>(object: &Value, name: &str) -> Result<Box<T>, Unreadable> {
    let Some(value) = object.get(name).filter(|value| !value.is_null()) else {
        let empty = Value::Object(Map::new());
        return T::deserialize(&empty).map(Box::new).map_err(|error| Unreadable {
            path: name.to_owned(),
            reason: format!("is missing ({error})"),
        });
    };
    // The first try does not track where it is, which is cheaper; almost everything reads.
    if let Ok(found) = T::deserialize(value) {
        return Ok(Box::new(found));
    }
    serde_path_to_error::deserialize(value).map(Box::new).map_err(|error| {
        let inside = error.path().to_string();
        let path = if inside == "." { name.to_owned() } else { format!("{name}.{inside}") };
        Unreadable { path: short(path), reason: short(error.inner().to_string()) }
    })
}

/// Most characters of a path or a reason: both quote the object, which may hold a megabyte.
const LONGEST: usize = 300;

fn short(mut text: String) -> String {
    if let Some((end, _)) = text.char_indices().nth(LONGEST) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests;
