//! What a watch does when things go wrong: say so, recover by itself, and end with the truth.

use domain::{
    kind::Kind,
    state::{Cause, Connectivity, WatchState},
};
use serde_json::json;
use sim::{
    Fault,
    fault::{Answer, End, GoneAs, Malformed},
};

use crate::house::{Embedded, until, until_true};

/// Deletes a server and touches a switch while nobody can see it.
fn change_unseen(house: &Embedded) {
    let name = house.cluster.list(Kind::Server)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    house.cluster.delete(Kind::Server, "default", &name).unwrap();
    house.touch("leaf-01", "changed unseen");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_watches_resume_without_loss() {
    for end in [End::Clean, End::Abrupt] {
        let house = Embedded::vlab().await;
        house.engine.twelve_live().await;
        house.fault(&Fault::DropWatches { end });
        change_unseen(&house);
        house.agreement().await;
        house.engine.twelve_live().await;
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_version_is_listed_again_and_leaves_no_ghosts() {
    for how in [GoneAs::Status, GoneAs::Event] {
        let house = Embedded::vlab().await;
        house.engine.twelve_live().await;
        house.agreement().await;
        house.fault(&Fault::Gone { how });
        house.fault(&Fault::Refuse);
        until_true("the silence to be noticed", || {
            house.engine.connectivity().state == Connectivity::Disconnected
        })
        .await;
        change_unseen(&house);
        house.fault(&Fault::Compact);
        house.fault(&Fault::Heal);
        house.agreement().await;
        house.engine.twelve_live().await;
        assert!(
            house.engine.messages().iter().any(|message| message.contains("deleted")),
            "the delete is told"
        );
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_refuses_everything_from_the_start_shows_nothing_good() {
    for (fault, cause) in [
        (Fault::AnswerAll { with: Answer::Unauthorized }, Cause::Unauthorized),
        (Fault::AnswerAll { with: Answer::ServerError }, Cause::ServerError),
        (Fault::Hang { resource: None }, Cause::Timeout),
        (Fault::Refuse, Cause::Tcp),
    ] {
        let house = Embedded::with_fault(&fault).await;
        until("the reason", || {
            let state = house.engine.connectivity();
            if state.state == Connectivity::Disconnected
                && state.cause == Some(cause)
                && state.reason.is_some()
            {
                Ok(())
            } else {
                Err(state)
            }
        })
        .await;
        assert_eq!(house.engine.live_kinds(), []);
        assert!(
            Kind::ALL.iter().all(|kind| house.engine.count(*kind).is_none()),
            "nothing was counted, so no count is shown"
        );
        house.fault(&Fault::Heal);
        house.engine.twelve_live().await;
        house.agreement().await;
        house.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_falls_silent_keeps_its_last_picture_marked() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    house.agreement().await;
    house.fault(&Fault::Hang { resource: None });
    until_true("the silence to be noticed", || {
        house.engine.connectivity().state == Connectivity::Disconnected
            && house.engine.live_kinds().is_empty()
    })
    .await;
    let watch = house.engine.kind(Kind::Switch);
    assert_eq!(watch.state, WatchState::Retrying);
    assert!(
        watch.as_of.is_some() && watch.reason.is_some() && watch.next_try.is_some(),
        "{watch:?}"
    );
    assert_eq!(house.engine.held(Kind::Switch).len(), 7, "the last picture stays");
    change_unseen(&house);
    house.fault(&Fault::Heal);
    house.engine.twelve_live().await;
    house.agreement().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kind_fails_and_recovers_alone() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    house.fault(&Fault::Forbid { user: None, resource: Kind::Vpc.into() });
    house.fault(&Fault::RemoveCrd { resource: Kind::External.into() });
    house.fault(&Fault::DropWatches { end: End::Clean });
    until_true("VPC to be forbidden", || {
        house.engine.kind(Kind::Vpc).state == WatchState::Forbidden
    })
    .await;
    until_true("External to be missing", || {
        house.engine.kind(Kind::External).state == WatchState::Missing
    })
    .await;
    assert!(house.engine.kind(Kind::Vpc).reason.unwrap().contains("forbidden"));
    assert!(
        house.engine.kind(Kind::External).reason.unwrap().contains("externals.vpc.githedgehog.com")
    );
    until_true("the others to be live", || {
        Kind::primary().filter(|kind| house.engine.kind(*kind).state == WatchState::Live).count()
            == 10
    })
    .await;
    until_true("the fabric to be degraded", || {
        house.engine.connectivity().state == Connectivity::Degraded
    })
    .await;
    assert_eq!(house.engine.held(Kind::External).len(), 0, "a CRD takes its objects with it");
    house.fault(&Fault::Permit { user: None, resource: Kind::Vpc.into() });
    house.fault(&Fault::RestoreCrd { resource: Kind::External.into() });
    house.engine.twelve_live().await;
    house.agreement().await;
    until_true("the fabric to be connected", || {
        house.engine.connectivity().state == Connectivity::Connected
    })
    .await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kind_that_is_absent_from_the_start_comes_live_when_it_appears() {
    let house = Embedded::with_fault(&Fault::RemoveCrd { resource: Kind::Switch.into() }).await;
    until_true("Switch to be missing", || {
        house.engine.kind(Kind::Switch).state == WatchState::Missing
    })
    .await;
    assert!(house.engine.count(Kind::Switch).is_none());
    house.fault(&Fault::RestoreCrd { resource: Kind::Switch.into() });
    house.engine.twelve_live().await;
    assert_eq!(house.engine.count(Kind::Switch).unwrap().objects, 0, "seen to be empty");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lines_are_survived() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    for with in [Malformed::NotJson, Malformed::HalfLine, Malformed::Unparsable, Malformed::NoSpec]
    {
        house.fault(&Fault::Malformed { resource: Kind::Switch.into(), with });
        house.touch("leaf-01", &format!("after {with:?}"));
        house.agreement().await;
        until_true("Switch to be live", || {
            house.engine.kind(Kind::Switch).state == WatchState::Live
        })
        .await;
    }
    house.fault(&Fault::Replay { resource: Kind::Switch.into() });
    house.touch("leaf-01", "after a replay");
    house.agreement().await;
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_backup_is_noticed_and_read_anew() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    for round in 0..30 {
        house.touch("leaf-01", &format!("round {round}"));
    }
    house.agreement().await;
    let epoch = house.engine.objects(Kind::Switch).read(|log| log.epoch().to_string());
    house.fault(&Fault::Rewind { versions: 20 });
    house.agreement().await;
    house.engine.twelve_live().await;
    assert_ne!(house.engine.objects(Kind::Switch).read(|log| log.epoch().to_string()), epoch);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_cluster_under_the_same_address_is_not_mixed_with_the_first() {
    let house = Embedded::vlab().await;
    house.engine.twelve_live().await;
    house.agreement().await;
    house.fault(&Fault::Refuse);
    until_true("the silence to be noticed", || {
        house.engine.connectivity().state == Connectivity::Disconnected
    })
    .await;
    house.fault(&Fault::ChangeIdentity { seed: 99 });
    house.cluster.apply(json!({"apiVersion": "wiring.githedgehog.com/v1beta1", "kind": "Server", "metadata": {"name": "stranger", "namespace": "default"}, "spec": {}})).unwrap();
    house.fault(&Fault::Heal);
    house.agreement().await;
    house.engine.twelve_live().await;
    assert_eq!(house.engine.held(Kind::Server).keys().collect::<Vec<_>>(), ["default/stranger"]);
    assert!(house.engine.messages().iter().any(|message| message.contains("another cluster")));
    house.end().await;
}
