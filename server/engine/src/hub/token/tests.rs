//! What tokens promise: short, and never newer than what was written.

use proptest::prelude::*;

use super::*;

fn topics(fabrics: usize) -> Vec<Topic> {
    let mut topics = Vec::new();
    for n in 0..fabrics {
        // As long as a name may be.
        let fabric: FabricId = format!("{n:02}{}", "x".repeat(61)).parse().unwrap();
        topics.extend(Kind::ALL.iter().map(|kind| Topic::Objects(fabric.clone(), *kind)));
        topics.extend([Topic::State(fabric.clone()), Topic::Feed(fabric)]);
    }
    topics
}

fn epoch(topic: &Topic) -> String {
    format!("epoch of {topic}")
}

fn token(places: &[(Topic, u64)]) -> Token {
    let epochs: Vec<String> = places.iter().map(|(topic, _)| epoch(topic)).collect();
    let places = places.iter().zip(&epochs);
    Token::of(places.map(|((topic, version), epoch)| (topic, (&**epoch, *version))))
}

#[test]
fn fifty_fabrics_with_all_topics_and_long_names_fit_into_four_kilobytes() {
    let places: Vec<(Topic, u64)> = topics(50)
        .into_iter()
        .enumerate()
        .map(|(n, topic)| (topic, 4_000_000_000 - n as u64 * 7_919_317 % 300_000))
        .collect();
    let text = token(&places).write();
    assert!(text.len() <= LONGEST, "{} bytes", text.len());
    let back = Token::read(&text);
    for (topic, version) in &places {
        let read = back.version(topic, |topic| Some(epoch(topic))).unwrap();
        assert!(read <= *version && version - read <= 300_000 / 8, "{topic}: {read} for {version}");
        if !matches!(topic, Topic::Objects(..)) {
            assert_eq!(read, *version, "an event is not told twice");
        }
    }
}

#[test]
fn what_does_not_fit_is_left_out_and_the_rest_resumes() {
    let places: Vec<(Topic, u64)> =
        topics(90).into_iter().map(|topic| (topic, 4_000_000_000)).collect();
    let text = token(&places).write();
    assert!(text.len() <= LONGEST, "{} bytes", text.len());
    let back = Token::read(&text);
    let known =
        |(topic, _): &&(Topic, u64)| back.version(topic, |topic| Some(epoch(topic))).is_some();
    let n = places.iter().filter(known).count();
    assert!((1_000..places.len()).contains(&n), "{n} of {}", places.len());
}

#[test]
fn one_fabric_is_exact_and_short() {
    let places: Vec<(Topic, u64)> = topics(1)
        .into_iter()
        .enumerate()
        .map(|(n, topic)| (topic, 1_000 + n as u64 * 37))
        .collect();
    let text = token(&places).write();
    assert!(text.len() < 120, "{text}");
    let back = Token::read(&text);
    for (topic, version) in &places {
        assert_eq!(back.version(topic, |topic| Some(epoch(topic))), Some(*version), "{topic}");
    }
}

#[test]
fn another_epoch_of_a_topic_or_of_its_neighbours_knows_no_place() {
    let places: Vec<(Topic, u64)> = topics(1).into_iter().map(|topic| (topic, 9)).collect();
    let token = token(&places);
    for (topic, _) in &places {
        let other =
            |asked: &Topic| Some(if asked == topic { "other".to_owned() } else { epoch(asked) });
        assert_eq!(token.version(topic, other), None, "{topic}");
        assert_eq!(token.version(topic, |_| None), None, "{topic}");
    }
    let state = places.iter().find(|(topic, _)| matches!(topic, Topic::State(_))).unwrap();
    let restarted = |asked: &Topic| {
        Some(if *asked == state.0 { "another process".to_owned() } else { epoch(asked) })
    };
    let switches = Topic::Objects(state.0.fabric().unwrap().clone(), Kind::Switch);
    assert_eq!(token.version(&switches, restarted), Some(9), "objects outlive a process");
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "[A-Za-z0-9_-]{0,300}|\\PC{0,40}") {
        Token::read(&text);
    }

    #[test]
    fn bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
    }

    #[test]
    fn numbers_come_back(number in any::<u64>()) {
        let mut bytes = Vec::new();
        put_varint(&mut bytes, number);
        prop_assert_eq!(Reader::new(&bytes).varint(), Some(number));
    }

    #[test]
    fn a_rounded_distance_is_longer_and_hardly(distance in 0_u64..10_000_000_000) {
        let rounded = round_down::distance(round_down::code(distance));
        prop_assert!(rounded >= distance && rounded <= distance + distance / 8 + 1, "{}", rounded);
    }
}
