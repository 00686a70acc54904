//! What rewrites objects before they are stored, as the operator's webhooks do.
//!
//! Invariant: applying it twice gives the same as applying it once; resources that are none of our kinds pass
//! untouched.

mod label;
mod normal;

use domain::kind::Kind;
use serde_json::Value;

use crate::{
    resource::{Resource, ResourceId},
    status::{Reason, Status},
};

/// Which webhooks are installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admission {
    /// None.
    #[default]
    None,
    /// Those of the Hedgehog operator: normal form of the spec, its labels, only the namespace `default`.
    Hedgehog,
}

/// The kinds for which the operator has no webhook at all.
const WITHOUT_WEBHOOK: [Kind; 1] = [Kind::SwitchGroup];

impl Admission {
    /// Rewrites an object, or refuses it.
    pub(crate) fn admit(
        self,
        resource: &Resource,
        namespace: &str,
        object: &mut Value,
    ) -> Result<(), Status> {
        let kind = Kind::ALL.iter().copied().find(|kind| ResourceId::from(*kind) == resource.id);
        match (self, kind) {
            (Self::Hedgehog, Some(kind))
                if kind.is_primary() && !WITHOUT_WEBHOOK.contains(&kind) =>
            {
                if namespace != "default" {
                    let webhook = format!("v{}.kb.io", kind.about().name.to_lowercase());
                    let message = format!(
                        "admission webhook {webhook:?} denied the request: namespace must be default"
                    );
                    return Err(Status::new(Reason::Forbidden, message));
                }
                if let Some(spec) = object.get_mut("spec") {
                    normal::normalise(kind, spec);
                }
                label::stick(kind, object);
                Ok(())
            }
            (Self::None | Self::Hedgehog, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::{Admission, Cluster, Options, Reason};

    fn cluster() -> Cluster {
        Cluster::new(Options { admission: Admission::Hedgehog, ..Options::default() })
    }

    #[test]
    fn a_vpc_comes_back_in_normal_form_with_its_labels() {
        let vpc = json!({"apiVersion": "vpc.githedgehog.com/v1beta1", "kind": "VPC",
        "metadata": {"namespace": "default", "name": "vpc-1", "labels": {"mine": "x", "fabric.githedgehog.com/old": "y"}},
        "spec": {"subnets": {
            "a": {"subnet": "10.0.1.0/24", "vlan": 1001, "dhcp": {"enable": true}},
            "b": {"subnet": "10.0.2.0/24", "vlan": 1002, "dhcp": {"range": {"start": "10.0.2.9"}}},
        }}});
        let cluster = cluster();
        let stored = cluster.apply(vpc).unwrap();
        assert_eq!(
            stored["metadata"]["labels"],
            json!({"mine": "x",
            "fabric.githedgehog.com/ipv4ns": "default", "fabric.githedgehog.com/vlanns": "default"})
        );
        let subnets = &stored["spec"]["subnets"];
        assert_eq!(subnets["a"]["gateway"], "10.0.1.1");
        assert_eq!(
            subnets["a"]["dhcp"]["range"],
            json!({"start": "10.0.1.2", "end": "10.0.1.255"})
        );
        assert!(subnets["b"]["dhcp"].get("range").is_none(), "{subnets}");
        let version = stored["metadata"]["resourceVersion"].clone();
        assert_eq!(
            cluster.apply(stored).unwrap()["metadata"]["resourceVersion"],
            version,
            "once is enough"
        );
    }

    #[test]
    fn lists_of_a_set_nature_are_sorted_and_defaults_are_filled_in() {
        let switch = json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Switch",
            "metadata": {"namespace": "default", "name": "leaf-01"},
            "spec": {"role": "server-leaf", "profile": "p", "groups": ["z", "a"],
                "redundancy": {"type": "eslag", "group": "m"}, "portSpeeds": {"E1/1": "SPEED_25G"}}});
        let stored = cluster().apply(switch).unwrap();
        assert_eq!(stored["spec"]["groups"], json!(["a", "m", "z"]));
        assert_eq!(stored["spec"]["vlanNamespaces"], json!(["default"]));
        assert_eq!(stored["spec"]["portSpeeds"]["E1/1"], "25G");
        assert_eq!(stored["metadata"]["labels"]["switchgroup.fabric.githedgehog.com/m"], "true");
    }

    #[test]
    fn only_the_namespace_default_is_taken() {
        let cluster = cluster();
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
        cluster.apply(space).unwrap();
        let object = |kind: &str| {
            json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": kind,
            "metadata": {"namespace": "other", "name": "x"}, "spec": {}})
        };
        assert_eq!(cluster.apply(object("Server")).unwrap_err().reason, Reason::Forbidden);
        cluster.apply(object("SwitchGroup")).unwrap();
    }
}
