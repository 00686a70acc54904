//! The canary: a Lease of ours that is written every few seconds and watched, so that the delay between a
//! write and its delivery can be measured. Runs only where it is asked for.
//!
//! Invariant: nothing but the one Lease is written; where nothing was measured, nothing is said but why.

use std::time::Duration;

use domain::{
    state::{Lag, Measuring},
    time::Timestamp,
};
use futures::StreamExt;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams, WatchEvent, WatchParams};
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{error::ClusterError, gate::Gate, seen::Event, target::Target};
use crate::clock::now_ms;

/// Name of the Lease.
pub const NAME: &str = "hnp-canary";
/// Pause between two writes.
const EVERY: Duration = Duration::from_secs(10);
/// Longest wait for a delivery; what takes longer is said to take that long at least.
const LONGEST: Duration = Duration::from_secs(5);
/// Pause after something failed, a missing right for example.
const AFTER_FAILURE: Duration = Duration::from_secs(30);
/// Time after which the server ends the watch, in seconds.
const WATCH_SECONDS: u32 = 290;

/// A time as the type `MicroTime` wants it.
fn micro_time(at_ms: i64) -> String {
    let seconds = Timestamp::from_unix_ms(at_ms - at_ms.rem_euclid(1_000));
    let seconds = seconds.map(|seconds| seconds.to_string()).unwrap_or_default();
    format!("{}.{:03}000Z", seconds.trim_end_matches('Z'), at_ms.rem_euclid(1_000))
}

/// See the module.
#[derive(Debug)]
pub struct Canary {
    leases: Api<Lease>,
    namespace: String,
    gate: watch::Receiver<Gate>,
    keeper: mpsc::Sender<Event>,
    holder: String,
}

/// Nobody listens any more.
struct Deaf;

impl Canary {
    /// A canary in the kubeconfig's namespace; `holder` is written into the Lease.
    pub fn new(
        target: &Target,
        gate: watch::Receiver<Gate>,
        keeper: mpsc::Sender<Event>,
        holder: String,
    ) -> Self {
        let leases = Api::namespaced(target.client.clone(), &target.namespace);
        Self { leases, namespace: target.namespace.clone(), gate, keeper, holder }
    }

    /// Measures until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = self.measure_for_ever() => {}
        }
    }

    async fn measure_for_ever(&mut self) -> Result<(), Deaf> {
        loop {
            if self.gate.wait_for(|gate| matches!(gate, Gate::Open(_))).await.is_err() {
                return Err(Deaf);
            }
            if let Err(reason) = self.measure().await? {
                let lag =
                    Lag { state: Measuring::Failing, ms: None, at: now_ms(), reason: Some(reason) };
                self.say(lag).await?;
                sleep(AFTER_FAILURE).await;
            }
        }
    }

    async fn say(&self, lag: Lag) -> Result<(), Deaf> {
        self.keeper.send(Event::Lag(lag)).await.map_err(|_| Deaf)
    }

    /// One watch: writes and waits for the delivery, again and again. Ends with why it cannot go on.
    async fn measure(&self) -> Result<Result<(), String>, Deaf> {
        let mut version = match self.write().await {
            Ok(version) => version,
            Err(error) => return Ok(Err(self.why("write", error))),
        };
        let wanted =
            WatchParams::default().fields(&format!("metadata.name={NAME}")).timeout(WATCH_SECONDS);
        let stream = match self.leases.watch(&wanted, &version).await {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(self.why("watch", error))),
        };
        let mut stream = std::pin::pin!(stream);
        loop {
            version = match self.write().await {
                Ok(version) => version,
                Err(error) => return Ok(Err(self.why("write", error))),
            };
            let acknowledged = Instant::now();
            let delivered = async {
                while let Some(event) = stream.next().await {
                    match event {
                        Ok(WatchEvent::Added(lease) | WatchEvent::Modified(lease)) => {
                            if lease.metadata.resource_version.as_ref() == Some(&version) {
                                return true;
                            }
                        }
                        Ok(_) => {}
                        Err(_) => return false,
                    }
                }
                false
            };
            let ms = match timeout(LONGEST, delivered).await {
                Ok(true) => acknowledged.elapsed(),
                // Ended or broken: a new watch, nothing was measured.
                Ok(false) => return Ok(Ok(())),
                Err(_) => LONGEST,
            };
            let ms = u64::try_from(ms.as_millis()).ok();
            self.say(Lag { state: Measuring::Measured, ms, at: now_ms(), reason: None }).await?;
            sleep(EVERY).await;
        }
    }

    /// Writes the Lease and returns its version.
    async fn write(&self) -> Result<String, kube::Error> {
        let renewed = micro_time(now_ms());
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": NAME},
            "spec": {"holderIdentity": self.holder, "renewTime": renewed},
        });
        let how = PatchParams::apply("hnp").force();
        let written = self.leases.patch(NAME, &how, &Patch::Apply(&lease)).await?;
        Ok(written.metadata.resource_version.unwrap_or_default())
    }

    fn why(&self, what: &'static str, error: kube::Error) -> String {
        let namespace = &self.namespace;
        match error {
            kube::Error::Api(status) if status.code == 403 => format!(
                "the canary may not {what} the Lease {namespace}/{NAME}: grant get, create, patch and watch on leases (coordination.k8s.io), or set `canary = off`"
            ),
            other => {
                let error = ClusterError::Connect { action: what, cause: Box::new(other) };
                format!(
                    "the canary could not {what} the Lease {namespace}/{NAME}: {}",
                    error.reason()
                )
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_micro_time_has_six_digits() {
        assert_eq!(micro_time(1_767_261_600_123), "2026-01-01T10:00:00.123000Z");
        assert_eq!(micro_time(1_767_261_600_000), "2026-01-01T10:00:00.000000Z");
    }
}
