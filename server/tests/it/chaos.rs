//! The fault lab in its short form: cuts, a failing cluster, a `kill -9`, a planted loss, and the truth.

use std::path::PathBuf;

use testkit::chaos::{Plan, run};

/// Which faults; another number is as good, but the same is the same.
const SEED: u64 = 20_261_124;

#[tokio::test(flavor = "multi_thread")]
async fn after_cuts_a_failing_cluster_and_a_kill_every_client_knows_the_truth() {
    let plan = Plan::short(PathBuf::from(env!("CARGO_BIN_EXE_hnp")), SEED);
    let outcome = run(plan).await.expect("the lab works");
    assert_eq!(outcome.failures, [""; 0], "{}", outcome.report);
    assert_eq!(outcome.report.lost(), (1, 1), "one frame was lost on purpose\n{}", outcome.report);
    assert_eq!(outcome.report.deaths_ms().len(), 1, "the server was killed once");
    assert!(outcome.report.faults() > 5, "something went wrong on purpose\n{}", outcome.report);
}
