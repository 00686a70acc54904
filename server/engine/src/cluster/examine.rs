//! The test of a connection: from the configuration to the rights, step by step, each with its evidence.
//!
//! Every step has a deadline, and all of them together [`WHOLE`]. Dropping the future ends it.
//!
//! Invariant: nothing is changed in the cluster; what follows on a failure is skipped, not guessed; no
//! credential is in a step.

use std::time::Duration;

use domain::{
    connection::{CertificateView, Examination, Fact, Outcome, Stage, Step, TlsFault, WatchPlan},
    state::Cause,
};
use tokio::{
    net::TcpStream,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{
    access::AccessError,
    error::ClusterError,
    gate::MOST_SKEW_MS,
    request::{self, Introduced},
    review,
    target::{Endpoint, Target},
    wire::{self, moment},
};
use crate::{chain::Chain, clock::now_ms};

mod rights;

/// Longest that the whole test takes.
pub const WHOLE: Duration = Duration::from_secs(15);
/// Room that a channel for its progress needs: more than there are steps, so that nothing ever waits for a page.
pub const PROGRESS: usize = 16;
/// A certificate that ends within this time is worth a warning, in milliseconds.
const SOON_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// Oldest minor release of Kubernetes 1 that HNP is tested with.
const OLDEST_MINOR: u32 = 20;

/// What is to be watched, if the test goes well.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Which kinds, and where.
    pub plan: &'a WatchPlan,
    /// Whether delivery lag is measured by writing a Lease.
    pub canary: bool,
}

/// A step failed: what follows is skipped.
struct Stop;

/// See the module.
struct Examiner<'a> {
    asked: Asked<'a>,
    progress: Option<&'a mpsc::Sender<Step>>,
    until: Instant,
    found: Examination,
}

/// Examines a connection; each step is also sent to `progress` as it ends.
pub async fn examine(
    made: &Result<Target, AccessError>,
    asked: Asked<'_>,
    progress: Option<&mpsc::Sender<Step>>,
) -> Examination {
    let found = Examination {
        at_ms: now_ms(),
        server: made.as_ref().ok().map(|target| target.server.clone()),
        version: None,
        steps: Vec::new(),
        kinds: Vec::new(),
        grant: None,
    };
    let mut examiner = Examiner { asked, progress, until: Instant::now() + WHOLE, found };
    // A step that failed was said; the others are said to be skipped.
    let _ = examiner.run(made).await;
    for stage in Stage::ALL {
        if !examiner.found.steps.iter().any(|step| step.stage == stage) {
            examiner.say(Step::new(stage, Outcome::Skipped, "not asked: an earlier step failed"));
        }
    }
    examiner.found
}

impl Examiner<'_> {
    async fn run(&mut self, made: &Result<Target, AccessError>) -> Result<(), Stop> {
        let target = match made {
            Ok(target) => {
                self.say(configured(target));
                target
            }
            Err(error) => {
                let step = Step::new(Stage::Configuration, Outcome::Failed, error.reason());
                return self.fail(step.because(Cause::Config, "correct what was entered"));
            }
        };
        self.below_http(&target.endpoint).await?;
        let introduced = self.answer(target).await?;
        self.credentials(target).await?;
        self.clock(introduced.ahead_ms);
        self.identity(target).await;
        self.rights(target).await;
        Ok(())
    }

    fn say(&mut self, step: Step) {
        if let Some(progress) = self.progress {
            // There is room for all steps; nobody listens is no reason to end.
            let _ = progress.try_send(step.clone());
        }
        self.found.steps.push(step);
    }

    fn fail<T>(&mut self, step: Step) -> Result<T, Stop> {
        self.say(step);
        Err(Stop)
    }

    /// Runs what a step does within what is left of the time. Returns how long it took, in milliseconds.
    async fn timed<T>(&self, work: impl Future<Output = T>) -> (Option<T>, u64) {
        let begun = Instant::now();
        let done = timeout_at(self.until, work).await.ok();
        (done, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Name, connection and certificate.
    async fn below_http(&mut self, endpoint: &Endpoint) -> Result<(), Stop> {
        if let Some(proxy) = &endpoint.proxy {
            let says = format!("connections go through the proxy {proxy}, which does this for us");
            for stage in [Stage::Name, Stage::Connection, Stage::Certificate] {
                self.say(Step::new(stage, Outcome::Skipped, says.clone()));
            }
            return Ok(());
        }
        let (found, ms) = self.timed(wire::resolve(&endpoint.host, endpoint.port)).await;
        let addresses = match found.unwrap_or_else(|| Err(wire::late())) {
            Ok(addresses) => addresses,
            Err(error) => {
                let says = format!("`{}` does not resolve: {error}", endpoint.host);
                let step = Step { ms, ..Step::new(Stage::Name, Outcome::Failed, says) };
                let remedy = "check the host's name, and the resolver of this machine";
                return self.fail(step.because(Cause::Dns, remedy));
            }
        };
        let shown: Vec<String> = addresses.iter().map(|at| at.ip().to_string()).collect();
        let step = if endpoint.host.parse::<std::net::IpAddr>().is_ok() {
            Step::new(Stage::Name, Outcome::Skipped, "an address: there is no name to resolve")
        } else {
            Step::new(Stage::Name, Outcome::Ok, format!("`{}` resolves", endpoint.host))
                .with([Fact::new("addresses", shown.join(", "))])
        };
        self.say(Step { ms, ..step });
        let (found, ms) = self.timed(wire::connect(&addresses)).await;
        let (stream, address) = match found.unwrap_or_else(|| Err(wire::late())) {
            Ok(connected) => connected,
            Err(error) => {
                let at = format!("{}:{}", endpoint.host, endpoint.port);
                let says = format!("no connection to {at}: {error}");
                let step = Step { ms, ..Step::new(Stage::Connection, Outcome::Failed, says) };
                let step = step.with([Fact::new("addresses", shown.join(", "))]);
                let remedy = "check host and port, that the API server runs, and that no firewall is between";
                return self.fail(step.because(Cause::Tcp, remedy));
            }
        };
        let says = format!("{address} takes connections");
        let step = Step::new(Stage::Connection, Outcome::Ok, says);
        self.say(Step { ms, ..step }.with([Fact::new("connected in", format!("{ms} ms"))]));
        self.certificate(endpoint, stream).await
    }

    async fn certificate(&mut self, endpoint: &Endpoint, stream: TcpStream) -> Result<(), Stop> {
        let stage = Stage::Certificate;
        if !endpoint.encrypted {
            self.say(Step::new(stage, Outcome::Skipped, "nothing is encrypted"));
            return Ok(());
        }
        let (shaken, ms) = self.timed(wire::handshake(endpoint, stream)).await;
        let Some(shaken) = shaken else {
            let step = Step { ms, ..Step::new(stage, Outcome::Failed, "no TLS handshake in time") };
            return self.fail(step.because(Cause::Timeout, wire::remedy(TlsFault::Handshake)));
        };
        let facts = facts(&shaken, endpoint);
        if let Some((fault, why)) = shaken.fault {
            let step = Step { ms, tls: Some(fault), ..Step::new(stage, Outcome::Failed, why) };
            return self.fail(step.with(facts).because(Cause::Tls, wire::remedy(fault)));
        }
        let leaf = shaken.chain.first();
        let left_ms = leaf.map_or(i64::MAX, |leaf| leaf.not_after_ms.saturating_sub(now_ms()));
        let step = if !endpoint.verified {
            let says = "the certificate is not verified: anybody could answer in its place";
            let remedy = "remove `insecure-skip-tls-verify`, and give the certificate authority";
            Step::new(stage, Outcome::Warning, says).because(Cause::Tls, remedy)
        } else if left_ms < SOON_MS {
            let days = left_ms / (24 * 60 * 60 * 1000);
            let says = format!("the certificate may be trusted, but ends in {days} days");
            Step::new(stage, Outcome::Warning, says)
                .because(Cause::Tls, wire::remedy(TlsFault::Expired))
        } else {
            Step::new(stage, Outcome::Ok, "the certificate may be trusted")
        };
        self.say(Step { ms, ..step }.with(facts));
        Ok(())
    }

    async fn answer(&mut self, target: &Target) -> Result<Introduced, Stop> {
        let stage = Stage::Answer;
        let (asked, ms) = self.timed(request::version(target)).await;
        let error = match asked {
            Some(Ok(introduced)) => {
                let version = introduced.version.clone();
                let step = Step::new(stage, Outcome::Ok, format!("Kubernetes {version} answers"));
                let mut step = Step { ms, ..step }.with([
                    Fact::new("status", "200"),
                    Fact::new("version", version.clone()),
                    Fact::new("answered in", format!("{ms} ms")),
                ]);
                if is_old(&version) {
                    step.outcome = Outcome::Warning;
                    let remedy = "upgrade Kubernetes, or expect surprises: 1.20 is the oldest release that is tested";
                    step = step.because(Cause::Version, remedy);
                }
                self.found.version = Some(version);
                self.say(step);
                return Ok(introduced);
            }
            Some(Err(error)) => error,
            None => {
                ClusterError::Timeout { action: "ask for the version", seconds: WHOLE.as_secs() }
            }
        };
        if let ClusterError::Status { code: code @ (401 | 403), .. } = &error {
            let says = format!("an API server answers, with status {code}");
            let step = Step { ms, ..Step::new(stage, Outcome::Ok, says) };
            self.say(step.with([Fact::new("status", code.to_string())]));
            return self.fail(refused(&error));
        }
        let step = Step { ms, ..Step::new(stage, Outcome::Failed, Chain(&error).to_string()) };
        let status = error.code().map(|code| Fact::new("status", code.to_string()));
        self.fail(step.with(status).because(error.cause(), error.remedy()))
    }

    /// The version is told to anybody: only a question about ourselves tells whether we are somebody.
    async fn credentials(&mut self, target: &Target) -> Result<(), Stop> {
        let stage = Stage::Credentials;
        let asking = async {
            let right = ("apiextensions.k8s.io", "customresourcedefinitions");
            let verb = domain::connection::rights::Verb::Get;
            (review::whoami(target).await, review::may(target, verb, right, None).await)
        };
        let (asked, ms) = self.timed(asking).await;
        let step = match asked {
            Some((Some(name), _)) if name != "system:anonymous" => {
                let step =
                    Step::new(stage, Outcome::Ok, format!("the cluster takes us for `{name}`"));
                step.with([Fact::new("user", name)])
            }
            Some((None, Ok(_))) => Step::new(stage, Outcome::Ok, "the credentials are accepted"),
            Some((_, Err(error @ ClusterError::Status { code: 401 | 403, .. }))) => {
                return self.fail(Step { ms, ..refused(&error) });
            }
            Some((Some(_), _)) => {
                let says = "the cluster takes us for an anonymous visitor";
                let step = Step { ms, ..Step::new(stage, Outcome::Failed, says) };
                return self
                    .fail(step.because(Cause::Unauthorized, "give a token or a certificate"));
            }
            // A server without access reviews; the lists will tell.
            Some((None, Err(error))) if error.code() == Some(404) => {
                Step::new(stage, Outcome::Skipped, "this server cannot be asked who we are")
            }
            Some((None, Err(error))) => {
                Step::new(stage, Outcome::Warning, Chain(&error).to_string())
                    .because(error.cause(), error.remedy())
            }
            None => Step::new(stage, Outcome::Warning, "no answer in time")
                .because(Cause::Timeout, "check the API server's load"),
        };
        self.say(Step { ms, ..step });
        Ok(())
    }

    fn clock(&mut self, ahead_ms: Option<i64>) {
        let stage = Stage::Clock;
        let Some(ahead) = ahead_ms else {
            self.say(Step::new(stage, Outcome::Skipped, "the server does not say its time"));
            return;
        };
        let way = if ahead < 0 { "behind" } else { "ahead of" };
        let (seconds, tenths) = (ahead.abs() / 1_000, ahead.abs() % 1_000 / 100);
        let says = format!("its clock is {seconds}.{tenths} s {way} ours");
        let step = if ahead.abs() > MOST_SKEW_MS {
            let remedy = "synchronise the clocks of the API server and of this machine: heartbeats are judged by them";
            Step::new(stage, Outcome::Warning, says).because(Cause::ClockSkew, remedy)
        } else {
            Step::new(stage, Outcome::Ok, says)
        };
        self.say(step);
    }

    async fn identity(&mut self, target: &Target) {
        let stage = Stage::Identity;
        let (asked, ms) = self.timed(request::identity(target)).await;
        let step = match asked {
            Some(Ok(Some(uid))) => {
                Step::new(stage, Outcome::Ok, "the cluster can be told from others")
                    .with([Fact::new("uid", uid)])
            }
            Some(Ok(None)) => Step::new(
                stage,
                Outcome::Ok,
                "its uid may not be read; its address and authority stand for it",
            ),
            Some(Err(error)) => Step::new(stage, Outcome::Warning, Chain(&error).to_string())
                .because(error.cause(), error.remedy()),
            None => Step::new(stage, Outcome::Warning, "no answer in time")
                .because(Cause::Timeout, "check the API server's load"),
        };
        self.say(Step { ms, ..step });
    }
}

/// What was entered, as far as it may be shown.
fn configured(target: &Target) -> Step {
    let facts = [("context", &target.context), ("namespace", &target.namespace)];
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    let facts = facts.map(|(name, value)| Fact::new(name, value.clone()));
    let step = if target.endpoint.encrypted {
        Step::new(Stage::Configuration, Outcome::Ok, "it can be read")
    } else {
        let says = "nothing will be encrypted: the credentials can be read on the way";
        let remedy = "use an `https://` address, unless this is a test";
        Step::new(Stage::Configuration, Outcome::Warning, says).because(Cause::Config, remedy)
    };
    step.with([Fact::new("server", target.server.clone())]).with(facts)
}

/// The credentials are not accepted, or only for nothing.
fn refused(error: &ClusterError) -> Step {
    let step = Step::new(Stage::Credentials, Outcome::Failed, Chain(error).to_string());
    let user = review::user_of(&error.to_string());
    let anonymous = user.as_deref() == Some("system:anonymous");
    let step = step.with(error.code().map(|code| Fact::new("status", code.to_string())));
    let step = step.with(user.map(|user| Fact::new("user", user)));
    if anonymous || error.code() == Some(401) {
        step.because(
            Cause::Unauthorized,
            "renew the token or the certificate: the cluster does not accept it",
        )
    } else {
        step.because(error.cause(), error.remedy())
    }
}

/// What a handshake showed.
fn facts(shaken: &wire::Handshake, endpoint: &Endpoint) -> Vec<Fact> {
    let mut facts = vec![Fact::new("asked for", endpoint.expected_name())];
    facts.extend(shaken.version.iter().map(|version| Fact::new("protocol", version.clone())));
    if let Some(leaf) = shaken.chain.first() {
        let names = if leaf.names.is_empty() { "none".to_owned() } else { leaf.names.join(", ") };
        facts.extend([
            Fact::new("subject", leaf.subject.clone()),
            Fact::new("names", names),
            Fact::new("issuer", leaf.issuer.clone()),
            Fact::new("valid from", moment(leaf.not_before_ms)),
            Fact::new("valid until", moment(leaf.not_after_ms)),
            Fact::new("SHA-256", leaf.sha256.clone()),
        ]);
    }
    let trusted = endpoint.roots.iter().flatten().filter_map(|der| super::certificate::view(der));
    let trusted: Vec<String> = trusted.map(|view: CertificateView| view.subject).collect();
    let trusted = if trusted.is_empty() { "this system's".to_owned() } else { trusted.join(", ") };
    facts.push(Fact::new("trusted authorities", trusted));
    facts
}

/// Whether a version is older than what is tested; what cannot be read is not.
fn is_old(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '-', '+']);
    let mut next = || numbers.next().and_then(|part| part.parse::<u32>().ok());
    matches!((next(), next()), (Some(1), Some(minor)) if minor < OLDEST_MINOR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_releases_are_told_from_new_ones() {
        for (version, expected) in
            [("v1.19.4", true), ("v1.20.2", false), ("v1.36.0+k3s1", false), ("weird", false)]
        {
            assert_eq!(is_old(version), expected, "{version}");
        }
    }

    #[test]
    fn a_refusal_of_nobody_is_a_matter_of_credentials() {
        let refusal = |code, message: &str| ClusterError::Status {
            action: "list",
            code,
            message: message.to_owned(),
        };
        let anonymous = refusal(403, "x is forbidden: User \"system:anonymous\" cannot get path");
        assert_eq!(refused(&anonymous).cause, Some(Cause::Unauthorized));
        let jane = refusal(403, "x is forbidden: User \"jane\" cannot get path");
        assert_eq!(refused(&jane).cause, Some(Cause::Forbidden));
        assert_eq!(refused(&refusal(401, "Unauthorized")).cause, Some(Cause::Unauthorized));
    }
}
