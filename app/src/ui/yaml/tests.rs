//! The printer against an independent parser, and against texts that parsers misread.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[test]
fn an_object_looks_as_kubectl_writes_it() {
    let value = json!({
        "kind": "Switch",
        "spec": { "asn": 65101, "groups": [], "ip": "10.0.0.1/24", "links": [{ "a": "x", "b": ["y"] }], "on": true },
        "text": "one\ntwo\n",
    });
    let expected = "kind: Switch\nspec:\n  asn: 65101\n  groups: []\n  ip: 10.0.0.1/24\n  links:\n  - a: x\n    b:\n    - \"y\"\n  \"on\": true\ntext: |\n  one\n  two\n";
    assert_eq!(to_yaml(&value), expected);
}

/// Each would be a number, a flag, a time, nothing or markup to some parser.
const MISREAD: &str = "no|Yes|ON|y|N|null|~|true|1|1_000|0x1f|0o7|012|1e3|.5|-1|+1|12:30:45|2026-01-01|.inf|.NaN|<<|=|a: b|a:\
    | a|a |#a|a #b|- a|&a|*a|!a|%a|@a|`a|'a|\"a|{a}|[a]|a,b|10.0.0.1|0c:20:12:fe:01:02|? a|>";

#[test]
fn what_old_parsers_misread_is_quoted() {
    for text in MISREAD.split('|').chain(["", "|"]) {
        assert_eq!(to_yaml(&json!(text)).chars().next(), Some('"'), "{text:?} is quoted");
    }
    for text in [
        "leaf-01",
        "server-1--mclag",
        "10.0.0.0/16",
        "E1/1",
        "hnp.io/role",
        "a:b",
        "Zürich",
        "two words",
    ] {
        assert_eq!(to_yaml(&json!(text)), format!("{text}\n"), "needs no quotes");
    }
}

#[test]
fn nothing_invisible_reaches_the_screen() {
    let yaml = to_yaml(&json!({ "a\u{1b}": "x\u{202e}y\u{0}\u{7f}\u{9b}" }));
    assert_eq!(yaml, "\"a\\e\": \"x\\u202ey\\x00\\x7f\\x9b\"\n");
}

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z0-9.:/ _~#'\"-]{0,12}",
        "[ a-z\\n\\t:#-]{0,20}",
        prop::sample::select(vec![
            "yes",
            "no",
            "~",
            "1e3",
            "0x10",
            "---",
            "...",
            "- a",
            "a: b",
            "\n",
            "a\n\n b\n",
            "\u{feff}"
        ])
        .prop_map(str::to_owned),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        texts().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(texts(), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn no_piece_is_empty() {
    let value = json!({ "a": { "b": [[1], {}] }, "c": "" });
    assert!(pieces(&value).iter().all(|(_, text)| !text.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn what_is_written_reads_back_the_same(value in values()) {
        let yaml = to_yaml(&value);
        let read: Value = serde_norway::from_str(&yaml).map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
        prop_assert_eq!(read, value, "{}", yaml);
    }

    #[test]
    fn lines_hold_nothing_without_a_shape(value in values()) {
        for c in to_yaml(&value).chars() {
            prop_assert!(c == '\n' || !is_shapeless(c), "{:?}", c);
        }
    }
}
