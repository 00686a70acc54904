//! The frames in the form in which they are documented, and close codes.
//!
//! Invariant: none beyond those that are tested.

use serde_json::json;

use super::*;

fn round<T: Serialize + for<'de> Deserialize<'de> + PartialEq + std::fmt::Debug>(text: &str) -> T {
    let value: T = serde_json::from_str(text).unwrap();
    let again: T = serde_json::from_str(&serde_json::to_string(&value).unwrap()).unwrap();
    assert_eq!(value, again);
    value
}

#[test]
fn the_documented_client_frames_are_understood() {
    let hello: ClientFrame = round(
        r#"{"t":"hello","protocol":1,"client":"web/1.0","topics":[{"topic":"objects/prod/Switch","view":"row","at":["9f3c","1180"],"labels":"role=leaf"}]}"#,
    );
    let ClientFrame::Hello { topics, .. } = hello else { panic!() };
    assert_eq!(topics[0].at, Some(At::Cursor(Cursor("9f3c".into(), 1180))));
    let sub: ClientFrame = round(r#"{"t":"sub","topics":[{"topic":"objects/*/*","at":"opaque"}]}"#);
    let ClientFrame::Sub { topics } = sub else { panic!() };
    assert_eq!(
        (topics[0].view, topics[0].at.clone()),
        (View::Row, Some(At::Token("opaque".into())))
    );
    for text in [
        r#"{"t":"unsub","topics":["a"]}"#,
        r#"{"t":"pong","ts":17}"#,
        r#"{"t":"pong","ts":17,"seen":[12,480]}"#,
        r#"{"t":"ping","n":3}"#,
        r#"{"t":"resync","topic":"a"}"#,
        r#"{"t":"need","topic":"a","key":"default/leaf-01"}"#,
    ] {
        round::<ClientFrame>(text);
    }
}

const SERVER_FRAMES: [&str; 13] = [
    r#"{"t":"welcome","protocol":1,"sid":"s","user":null,"build":"b","ping_ms":10000,"pong_ms":5000,"session_expires":null}"#,
    r#"{"t":"snapshot","topic":"t","items":[{"k":"default/leaf-01","uid":"u","v":"1180","o":{}}],"done":120,"total":432}"#,
    r#"{"t":"synced","topic":"t","at":["9f3c","1200"],"recovered":"log"}"#,
    r#"{"t":"keys","topic":"t","live":["a1b2"]}"#,
    r#"{"t":"ch","n":57,"topic":"t","at":["9f3c","1203"],"ms":[1,2,3],"b":[{"k":"a","uid":"u","op":"put","v":"1201","o":{},"folded":0},{"k":"b","op":"patch","base":"1190","v":"1202","p":{}},{"k":"c","uid":"u","op":"del","v":"1203"},{"k":"d","op":"out","v":"9"}]}"#,
    r#"{"t":"evt","topic":"feed/prod","id":"7","e":{}}"#,
    r#"{"t":"gap","topic":"feed/prod","from":"1","to":"2"}"#,
    r#"{"t":"ping","ts":17,"heads":[["objects/prod/Switch","1203","live",12],["state/prod","3","live",null]],"token":"x"}"#,
    r#"{"t":"pong","n":3}"#,
    r#"{"t":"pong","n":3,"at":1767261600123}"#,
    r#"{"t":"revoke","topic":"t","reason":"rights"}"#,
    r#"{"t":"err","topic":"t","code":"bad_selector","message":"m"}"#,
    r#"{"t":"bye","code":4401,"reason":"session_expired","reconnect_in_ms":null}"#,
];

#[test]
fn the_documented_server_frames_are_understood() {
    for text in SERVER_FRAMES {
        assert_eq!(ServerFrame::read(text), Ok(round::<ServerFrame>(text)));
    }
}

#[test]
fn an_answer_over_http_is_its_frames_in_order() {
    let all = format!(r#"{{"frames":[{}]}}"#, SERVER_FRAMES.join(","));
    let frames = ServerFrame::read_answer(&all).unwrap();
    let each = SERVER_FRAMES.iter().map(|text| ServerFrame::read(text).unwrap());
    assert_eq!(frames, each.collect::<Vec<_>>());
    assert_eq!(ServerFrame::read_answer(r#"{"frames":[]}"#), Ok(Vec::new()));
    let token = ServerFrame::read_answer(r#"{"frames":[],"token":"x"}"#).unwrap();
    assert!(matches!(&token[..], [ServerFrame::Ping { token: Some(token), .. }] if token == "x"));
    for text in [
        "",
        "[]",
        "{}",
        r#"{"frames":[],"token":1}"#,
        r#"{"frames":{}}"#,
        r#"{"frames":[{"t":"what"}]}"#,
    ] {
        assert!(ServerFrame::read_answer(text).is_err(), "{text}");
    }
}

#[test]
fn a_frame_that_lacks_a_field_or_has_it_in_another_form_is_read_alike_by_both_readers() {
    let forms = [
        json!(null),
        json!(1),
        json!("1"),
        json!("log"),
        json!([]),
        json!([1]),
        json!(["e", "2"]),
        json!({}),
    ];
    for text in SERVER_FRAMES {
        let whole: Value = serde_json::from_str(text).unwrap();
        for field in whole.as_object().unwrap().keys() {
            let mut lacking = whole.clone();
            lacking.as_object_mut().unwrap().remove(field);
            let others = forms.iter().map(|form| {
                let mut other = whole.clone();
                other[field] = form.clone();
                other
            });
            for frame in others.chain([lacking]).map(|frame| frame.to_string()) {
                let derived: Option<ServerFrame> = serde_json::from_str(&frame).ok();
                assert_eq!(ServerFrame::read(&frame).ok(), derived, "{frame}");
            }
        }
    }
}

#[test]
fn a_version_beyond_53_bits_keeps_its_digits() {
    let cursor: Cursor = round(r#"["e","18446744073709551615"]"#);
    assert_eq!(cursor.1, u64::MAX);
    assert!(serde_json::from_str::<Cursor>(r#"["e","12x"]"#).is_err());
}

#[test]
fn close_codes_say_whether_to_come_back() {
    for close in [
        Close::Slow,
        Close::ResyncNeeded,
        Close::NoPong,
        Close::RateLimited,
        Close::SessionExpired,
        Close::Restart,
    ] {
        assert!(may_reconnect(close.code()), "{close:?}");
    }
    for close in [
        Close::BadFrames,
        Close::LoggedOut,
        Close::TooManyConnections,
        Close::Forbidden,
        Close::TooLarge,
        Close::UnknownProtocol,
    ] {
        assert!(!may_reconnect(close.code()), "{close:?}");
    }
}

#[test]
fn a_key_hash_is_the_head_of_its_sha256() {
    assert_eq!(key_hash("default/leaf-01").len(), 16);
    assert_eq!(key_hash("abc"), "ba7816bf8f01cfea");
}
