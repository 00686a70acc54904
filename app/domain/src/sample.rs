//! Values for property tests, and the sample objects that stand beside the repository.
//!
//! Invariant: nothing here is compiled into the product.

use proptest::{collection, prelude::*};
use serde_json::Value;

/// Names that mean something to some part of the crate, so that arbitrary JSON gets past the door.
const NAMES: &[&str] = &[
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "resourceVersion",
    "labels",
    "annotations",
    "managedFields",
    "subnets",
    "subnet",
    "permit",
    "vpc",
    "links",
    "link",
    "switch",
    "server",
    "port",
    "groups",
    "users",
    "password",
    "version",
    "config",
    "eslag",
    "unbundled",
    "fabric",
    "state",
    "interfaces",
    "conditions",
    "peering",
    "ranges",
    "from",
    "to",
    "a/b",
    "~",
    "",
];

/// Arbitrary JSON whose members are often called as something we look for.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1.0e9..1.0e9_f64).prop_map(Value::from),
        "[ -~]{0,8}".prop_map(Value::from),
        proptest::sample::select(vec!["a/b", "vpc/x", "ext.e", "default", ""])
            .prop_map(Value::from),
    ];
    let name = prop_oneof![proptest::sample::select(NAMES).prop_map(str::to_owned), "[a-z]{1,3}"];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            collection::btree_map(name.clone(), inner, 0..6)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}
