//! The watch of one kind in one cluster: list, follow, resume, and say at each moment how it stands.
//!
//! Invariant: a version is remembered only after the keeper has what came with it, so that whatever is
//! interrupted is delivered again; kinds know nothing of each other.

use std::time::{Duration, Instant};

use domain::{
    connection::rights,
    door::{self, Admitted},
    kind::Kind,
    state::WatchState,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    error::ClusterError,
    gate::{Gate, backoff},
    request::{self, Begin, Extent, Lines, Scope},
    review,
    seen::{Outlet, Seen, WatchReport},
    target::Target,
};
use crate::{
    chain::Chain,
    clock::{Stamp, now_ms},
};

/// Largest pause before another try of one kind.
const RETRY_MOST: Duration = Duration::from_secs(5);
/// Pause before another look at a kind that is forbidden or not served.
const LOOK_AGAIN: Duration = Duration::from_secs(4);
/// The same for kinds that are only company.
const LOOK_AGAIN_SIGHT: Duration = Duration::from_secs(15);
/// A kind that was served is called missing only after this time of 404: a restarted API server
/// answers so until it has read its CRDs again.
const MISSING_AFTER: Duration = Duration::from_secs(8);
/// A watch ends itself after this time, less up to a third, so that a dead connection is found.
const WATCH_SECONDS: u64 = 60;
/// Grace for the server to end a watch by itself.
const END_GRACE: Duration = Duration::from_secs(10);
/// Deadline for the initial events of a streamed list.
const INITIAL_DEADLINE: Duration = Duration::from_secs(30);

/// Follows one kind until cancelled.
#[derive(Debug)]
pub struct KindWatcher {
    target: Target,
    kind: Kind,
    /// What is asked for; where all is forbidden, for a while less than was planned.
    extent: Extent,
    planned: Scope,
    gate: watch::Receiver<Gate>,
    outlet: Outlet,
    /// What the cluster said when it last forbade something, and what may not be done altogether.
    forbidden: Option<(String, String)>,
    /// Where to resume; none: list first.
    version: Option<String>,
    identity: String,
    stream_list: bool,
    attempt: u32,
    not_served_since: Option<Instant>,
    was_listed: bool,
    /// Whether the last word was that it is forbidden or not served.
    refused: bool,
}

/// Why a cycle of list and watch ended.
#[derive(Debug)]
enum End {
    /// The server ended the watch as agreed.
    Expired,
    /// The version is too old: list again.
    Gone,
    /// Something failed.
    Failed(ClusterError),
    /// Nobody listens any more.
    Deaf,
}

impl From<ClusterError> for End {
    fn from(error: ClusterError) -> Self {
        if error.code() == Some(410) { Self::Gone } else { Self::Failed(error) }
    }
}

/// One line of a watch.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "type")]
    kind: LineKind,
    object: Value,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
enum LineKind {
    Added,
    Modified,
    Deleted,
    Bookmark,
    Error,
}

impl KindWatcher {
    /// A watcher that has seen nothing yet.
    pub fn new(
        target: Target,
        kind: Kind,
        extent: Extent,
        gate: watch::Receiver<Gate>,
        outlet: Outlet,
    ) -> Self {
        Self {
            target,
            kind,
            planned: extent.scope.clone(),
            extent,
            gate,
            outlet,
            forbidden: None,
            version: None,
            identity: String::new(),
            stream_list: true,
            attempt: 0,
            not_served_since: None,
            was_listed: false,
            refused: false,
        }
    }

    /// Follows until cancelled.
    pub async fn run(mut self, cancel: CancellationToken) {
        loop {
            let mut gate = self.gate.clone();
            tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                opened = gate.wait_for(|gate| matches!(gate, Gate::Open(_))) => if opened.is_err() { return },
            }
            self.notice_identity();
            // Dropping a cycle loses nothing: see the module's invariant.
            let end = tokio::select! {
                biased;
                () = cancel.cancelled() => return,
                shut = gate.wait_for(|gate| !matches!(gate, Gate::Open(_))) => if shut.is_err() { return } else { continue },
                end = self.cycle() => end,
            };
            let Some(pause) = self.react(end).await else { return };
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Another cluster under the same address: nothing that we know of it counts.
    fn notice_identity(&mut self) {
        let gate = self.gate.borrow().clone();
        if let Gate::Open(open) = gate {
            if self.identity != open.identity {
                self.version = None;
                self.extent.scope = self.planned.clone();
                self.was_listed = false;
                self.identity = open.identity;
            }
            if !streams_lists(&open.version) {
                self.stream_list = false;
            }
        }
    }

    async fn cycle(&mut self) -> End {
        let seconds = WATCH_SECONDS - rand::random_range(0..=WATCH_SECONDS / 3);
        let lines = match self.open(seconds).await {
            Ok(lines) => lines,
            Err(end) => return end,
        };
        self.attempt = 0;
        self.refused = false;
        self.not_served_since = None;
        if self.report(WatchState::Live, None, None).await.is_err() {
            return End::Deaf;
        }
        let whole = Duration::from_secs(seconds) + END_GRACE;
        let silent = ClusterError::Timeout { action: "watch", seconds: whole.as_secs() };
        timeout(whole, self.follow(lines)).await.unwrap_or(End::Failed(silent))
    }

    /// Brings the watch to the point where everything was listed and changes follow.
    async fn open(&mut self, seconds: u64) -> Result<Lines, End> {
        if let Some(version) = &self.version {
            // A watch from a version that a restored storage has not reached yet would wait in silence.
            let current =
                request::current_version(&self.target, self.kind, &self.extent.scope).await?;
            if is_before(&current, version) {
                return Err(End::Gone);
            }
            return Ok(request::watch(
                &self.target,
                self.kind,
                &self.extent,
                Begin::After(version),
                seconds,
            )
            .await?);
        }
        // Another look at what was forbidden or not served is no news before it finds something.
        if !self.was_listed
            && !self.refused
            && self.report(WatchState::Listing, None, None).await.is_err()
        {
            return Err(End::Deaf);
        }
        if self.stream_list {
            match self.list_by_stream(seconds).await {
                Err(End::Failed(
                    ClusterError::Status { code: 400 | 422, .. } | ClusterError::Timeout { .. },
                )) => self.stream_list = false,
                other => return other,
            }
        }
        let listed = match request::list(&self.target, self.kind, &self.extent).await {
            Err(error) if error.code() == Some(403) && self.extent.scope == Scope::Cluster => {
                self.list_in_namespace(error).await?
            }
            other => other?,
        };
        self.take_list(listed.version.clone(), listed.objects).await?;
        Ok(request::watch(
            &self.target,
            self.kind,
            &self.extent,
            Begin::After(&listed.version),
            seconds,
        )
        .await?)
    }

    /// Where a cluster-wide list is forbidden, the kubeconfig's namespace may be allowed.
    async fn list_in_namespace(&mut self, forbidden: ClusterError) -> Result<request::Listed, End> {
        let scope = Scope::Namespace(self.target.namespace.clone());
        let extent = Extent { scope, ..self.extent.clone() };
        match request::list(&self.target, self.kind, &extent).await {
            Ok(listed) => {
                self.extent = extent;
                Ok(listed)
            }
            // The wider refusal says more about what to grant.
            Err(ClusterError::Status { code: 403, .. }) => Err(End::Failed(forbidden)),
            Err(error) => Err(error.into()),
        }
    }

    /// Lists through the watch itself: the server sends the objects and then a mark.
    async fn list_by_stream(&mut self, seconds: u64) -> Result<Lines, End> {
        let mut lines =
            request::watch(&self.target, self.kind, &self.extent, Begin::Initial, seconds).await?;
        let reading = async {
            let mut objects = Vec::new();
            while let Some(text) = lines.next().await? {
                let line = parse(&text)?;
                match line.kind {
                    LineKind::Bookmark if is_initial_end(&line.object) => {
                        return Ok((version_of(&line.object), objects));
                    }
                    LineKind::Bookmark => {}
                    LineKind::Error => return Err(refusal(&line.object)),
                    LineKind::Added | LineKind::Modified | LineKind::Deleted => {
                        objects.push(line.object);
                    }
                }
                if objects.len() > request::MOST_OBJECTS {
                    return Err(ClusterError::TooLarge {
                        action: "list",
                        limit: "200,000 objects of one kind",
                    });
                }
            }
            Err(ClusterError::Broken {
                action: "list",
                message: "the stream ended before the list did".to_owned(),
            })
        };
        let silent = ClusterError::Timeout { action: "list", seconds: INITIAL_DEADLINE.as_secs() };
        let (version, objects) =
            timeout(INITIAL_DEADLINE, reading).await.map_err(|_| End::Failed(silent))??;
        self.take_list(version, objects).await?;
        Ok(lines)
    }

    async fn take_list(&mut self, version: String, objects: Vec<Value>) -> Result<(), End> {
        let stamp = Stamp::received_now();
        let mut refused = 0;
        let mut admitted = Vec::with_capacity(objects.len());
        for object in objects {
            match door::admit(self.kind, object) {
                Ok(object) => admitted.push(object),
                Err(error) => {
                    refused += 1;
                    tracing::warn!(object.kind = self.kind.about().name, error = %Chain(&error), "an object cannot be shown");
                }
            }
        }
        let listed = Seen::Listed {
            version: version.clone(),
            objects: admitted,
            refused,
            stamp,
            namespace: None,
        };
        self.send(listed).await.map_err(|()| End::Deaf)?;
        self.version = Some(version);
        self.was_listed = true;
        Ok(())
    }

    async fn follow(&mut self, mut lines: Lines) -> End {
        loop {
            let text = match lines.next().await {
                Ok(Some(text)) => text,
                Ok(None) => return End::Expired,
                Err(error) => return self.distrust(error),
            };
            let stamp = Stamp::received_now();
            let line = match parse(&text) {
                Ok(line) => line,
                Err(error) => return self.distrust(error),
            };
            let end = match line.kind {
                LineKind::Added | LineKind::Modified => self.put(line.object, stamp).await,
                LineKind::Deleted => self.gone(line.object, stamp).await,
                LineKind::Bookmark => self.bookmark(&line.object).await,
                LineKind::Error => Some(refusal(&line.object).into()),
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    /// A line that cannot be read may have held any change: only a list tells.
    fn distrust(&mut self, error: ClusterError) -> End {
        if matches!(error, ClusterError::Protocol { .. } | ClusterError::TooLarge { .. }) {
            self.version = None;
        }
        End::Failed(error)
    }

    async fn put(&mut self, object: Value, stamp: Stamp) -> Option<End> {
        match door::admit(self.kind, object) {
            Ok(admitted) => {
                self.advance(admitted.version.clone(), |_| Seen::Put(Box::new(admitted), stamp))
                    .await
            }
            Err(error) => {
                tracing::warn!(object.kind = self.kind.about().name, error = %Chain(&error), "a change cannot be shown");
                self.version = None;
                Some(End::Gone)
            }
        }
    }

    async fn gone(&mut self, object: Value, stamp: Stamp) -> Option<End> {
        let Ok(Admitted { key, uid, version, .. }) = door::admit(self.kind, object) else {
            self.version = None;
            return Some(End::Gone);
        };
        self.advance(version, |version| Seen::Gone { key, uid, version, stamp }).await
    }

    async fn bookmark(&mut self, object: &Value) -> Option<End> {
        let version = version_of(object);
        if version.is_empty() {
            return None;
        }
        self.advance(version, Seen::Bookmark).await
    }

    async fn advance(&mut self, version: String, seen: impl FnOnce(String) -> Seen) -> Option<End> {
        if self.send(seen(version.clone())).await.is_err() {
            return Some(End::Deaf);
        }
        self.version = Some(version);
        None
    }

    /// Reports how a cycle ended and says how long to wait; none when nobody listens.
    async fn react(&mut self, end: End) -> Option<Duration> {
        let error = match end {
            End::Deaf => return None,
            End::Expired => return Some(Duration::ZERO),
            End::Gone => {
                self.version = None;
                return Some(backoff(0, RETRY_MOST));
            }
            End::Failed(error) => error,
        };
        let look_again = if self.kind.is_primary() { LOOK_AGAIN } else { LOOK_AGAIN_SIGHT };
        let (state, reason, pause) = match error.code() {
            Some(403) => {
                self.version = None;
                let reason = self.why_forbidden(&error).await;
                self.extent.scope = self.planned.clone();
                (WatchState::Forbidden, reason, look_again)
            }
            Some(404) => self.not_served(&error, look_again).await,
            _ => {
                let pause = backoff(self.attempt, RETRY_MOST);
                (WatchState::Retrying, error.reason(), pause)
            }
        };
        self.attempt = self.attempt.saturating_add(1);
        self.refused = matches!(state, WatchState::Forbidden | WatchState::Missing);
        self.report(state, Some(reason), Some(pause)).await.ok()?;
        Some(pause)
    }

    /// What may not be done altogether; asked once per refusal of the same words.
    async fn why_forbidden(&mut self, error: &ClusterError) -> String {
        let said = error.reason();
        if let Some((_, reason)) = self.forbidden.as_ref().filter(|(known, _)| *known == said) {
            return reason.clone();
        }
        let reason = match review::lacking(&self.target, self.kind, &self.extent.scope).await {
            Ok(verbs) if !verbs.is_empty() => {
                let about = self.kind.about();
                format!(
                    "{}; the credentials may not {} {}.{} {}",
                    Chain(error),
                    rights::words(&verbs),
                    about.plural,
                    about.api.group,
                    review::place(&self.extent.scope)
                )
            }
            _ => said.clone(),
        };
        self.forbidden = Some((said, reason.clone()));
        reason
    }

    async fn not_served(
        &mut self,
        error: &ClusterError,
        look_again: Duration,
    ) -> (WatchState, String, Duration) {
        self.version = None;
        let since = *self.not_served_since.get_or_insert_with(Instant::now);
        if self.was_listed && since.elapsed() < MISSING_AFTER {
            return (
                WatchState::Retrying,
                format!("not served at the moment ({})", error.reason()),
                Duration::from_secs(1),
            );
        }
        self.was_listed = false;
        let about = self.kind.about();
        let resource = format!("{}.{}", about.plural, about.api.group);
        let reason = match request::served_versions(&self.target, self.kind).await {
            Ok(versions)
                if !versions.is_empty()
                    && !versions.iter().any(|version| version == about.api.version) =>
            {
                format!(
                    "the cluster serves {} only as {}; HNP reads {}",
                    about.api.group,
                    versions.join(", "),
                    about.api.version
                )
            }
            _ => format!("the cluster does not serve {resource}; install its CRD"),
        };
        (WatchState::Missing, reason, look_again)
    }

    async fn report(
        &self,
        state: WatchState,
        reason: Option<String>,
        pause: Option<Duration>,
    ) -> Result<(), ()> {
        let next_try_ms =
            pause.map(|pause| now_ms() + i64::try_from(pause.as_millis()).unwrap_or_default());
        let namespace = match &self.extent.scope {
            Scope::Cluster => None,
            Scope::Namespace(namespace) => Some(namespace.clone()),
        };
        self.send(Seen::Watch(WatchReport {
            state,
            reason,
            attempt: self.attempt,
            next_try_ms,
            namespace,
        }))
        .await
    }

    async fn send(&self, seen: Seen) -> Result<(), ()> {
        self.outlet.send(self.kind, seen).await
    }
}

fn parse(text: &[u8]) -> Result<Line, ClusterError> {
    serde_json::from_slice(text).map_err(|error| ClusterError::Protocol {
        action: "watch",
        message: format!("a line does not parse: {error}"),
    })
}

/// The `Status` in a line of type `ERROR`.
fn refusal(status: &Value) -> ClusterError {
    let code = status
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(500);
    let message = status.get("message").and_then(Value::as_str).unwrap_or("no message");
    ClusterError::Status { action: "watch", code, message: message.chars().take(500).collect() }
}

fn version_of(object: &Value) -> String {
    object
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn is_initial_end(object: &Value) -> bool {
    object.pointer("/metadata/annotations/k8s.io~1initial-events-end").and_then(Value::as_str)
        == Some("true")
}

/// Whether a version is older than another, as far as both are numbers.
fn is_before(version: &str, other: &str) -> bool {
    matches!((version.parse::<u64>(), other.parse::<u64>()), (Ok(version), Ok(other)) if version < other)
}

/// Whether an API server of this version streams lists: on by default from 1.32 on; older ones either
/// refuse the parameter or ignore it, and then never send the mark that ends the list.
fn streams_lists(version: &str) -> bool {
    let mut numbers =
        version.trim_start_matches('v').split(['.', '-', '+']).map(|part| part.parse::<u32>().ok());
    matches!((numbers.next(), numbers.next()), (Some(Some(major)), Some(Some(minor))) if major > 1 || (major == 1 && minor >= 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_streamed_from_1_32_on() {
        for (version, expected) in [
            ("v1.20.2", false),
            ("v1.31.9", false),
            ("v1.32.0", true),
            ("v1.36.2+k3s1", true),
            ("v2.0.0", true),
            ("", false),
            ("weird", false),
        ] {
            assert_eq!(streams_lists(version), expected, "{version}");
        }
    }

    #[test]
    fn an_error_line_keeps_its_code() {
        let error =
            refusal(&serde_json::json!({"kind": "Status", "code": 410, "message": "too old"}));
        assert!(matches!(End::from(error), End::Gone));
    }

    #[test]
    fn a_line_that_is_no_json_is_an_error_not_a_panic() {
        for text in ["", "{", "[]", "{\"type\":\"NEW\",\"object\":{}}", "\u{0}"] {
            assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
