//! One contract, three servers: the simulator, and two real ones where this machine has them.
//!
//! Every case runs against every server through a real client. Where a server differs, the difference has a name
//! and a reason in `contract/difference.rs`, is printed, and the case goes on without that part.
//!
//! Invariant: no case knows which server it talks to; it asks for a [`difference::Difference`] by name.

#![expect(
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test ends where its expectation is not met, and says what differs"
)]

#[path = "contract/applying.rs"]
mod applying;
#[path = "contract/case.rs"]
mod case;
#[path = "contract/definitions.rs"]
mod definitions;
#[path = "contract/difference.rs"]
mod difference;
#[path = "contract/reading.rs"]
mod reading;
#[path = "contract/rights.rs"]
mod rights;
#[path = "contract/subject.rs"]
mod subject;
#[path = "contract/watching.rs"]
mod watching;
#[path = "contract/writing.rs"]
mod writing;

use subject::Subject;
use testkit::{RealServer, Variant};

async fn run(subject: Subject) {
    let mut failed = Vec::new();
    let cases = [
        reading::CASES,
        writing::CASES,
        applying::CASES,
        watching::CASES,
        definitions::CASES,
        rights::CASES,
    ];
    for case in cases.into_iter().flatten() {
        let outcome = tokio::time::timeout(subject::PATIENCE, (case.run)(&subject)).await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow::anyhow!("took too long")));
        println!(
            "{:?}: {}: {}",
            subject.server,
            case.name,
            if outcome.is_ok() { "kept" } else { "BROKEN" }
        );
        if let Err(cause) = outcome {
            failed.push(format!("{}: {cause:#}", case.name));
        }
    }
    assert!(
        failed.is_empty(),
        "{:?} breaks the contract:\n{}",
        subject.server,
        failed.join("\n\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_simulator_keeps_the_contract() {
    run(Subject::simulator().await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_api_server_keeps_the_contract() {
    if let Some(server) = RealServer::start(Variant::Full).await.unwrap() {
        run(Subject::real(server).await.unwrap()).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_of_custom_resources_keeps_the_contract() {
    if let Some(server) = RealServer::start(Variant::Crd).await.unwrap() {
        run(Subject::real(server).await.unwrap()).await;
    }
}
