//! The last step: which kinds are served, which may be read where, and what would have to be granted.
//!
//! Invariant: what could not be asked in time is said to be unknown; a right counts as missing only where the
//! cluster said no.

use std::collections::{BTreeMap, BTreeSet};

use domain::{
    connection::{
        Fact, Namespace, Outcome, Stage, Step,
        report::{KindFinding, Served},
        rights::{Lack, Missing, Subject, Verb, words},
    },
    kind::{Api, Kind},
    state::Cause,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::Examiner;
use crate::cluster::{
    error::ClusterError,
    request::{self, PROBE_DEADLINE, Scope},
    review,
    target::Target,
};

/// Questions that are asked at once: few enough for a small API server.
const AT_ONCE: usize = 12;

/// A right that is asked for: which verb on which kind, and where (none: everywhere).
type Right = (Kind, Verb, Option<String>);

/// Answers so far.
#[derive(Debug, Default)]
struct Answers {
    allowed: BTreeMap<Right, bool>,
    /// Who the cluster says we are, where it refused something.
    user: Option<String>,
    /// Whether the cluster has no access reviews.
    no_reviews: bool,
}

impl Examiner<'_> {
    pub(super) async fn rights(&mut self, target: &Target) {
        let begun = Instant::now();
        let plan = domain::connection::WatchPlan { enabled: true, ..self.asked.plan.clone() };
        let kinds: Vec<Kind> = plan.watched().collect();
        let served = served(target, &kinds, self.until).await;
        let asked: Vec<Kind> = kinds
            .iter()
            .copied()
            .filter(|kind| matches!(served.get(kind), Some(Served::Yes | Served::Unknown) | None))
            .collect();
        let places: Vec<String> = plan.namespaces.iter().map(Namespace::to_string).collect();
        let answers = ask_all(target, &asked, &places, self.until).await;
        self.found.kinds =
            kinds.iter().map(|kind| finding(*kind, served.get(kind), &places, &answers)).collect();
        let lease = if self.asked.canary { lease(target, self.until).await } else { None };
        let subject = match review_subject(target, &answers, self.until).await {
            Some(name) => Subject::of(&name),
            None => Subject::Unknown,
        };
        let lacks = self.found.kinds.iter().flat_map(|found| found.lacks.clone()).collect();
        let missing = Missing { subject, lacks, lease };
        self.found.grant = missing.manifest();
        let step = judge(&self.found.kinds, missing.lease.as_ref());
        let ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.say(Step { ms, ..step });
    }
}

/// Whether each kind is served; a kind whose group could not be asked for is not in it.
async fn served(target: &Target, kinds: &[Kind], until: Instant) -> BTreeMap<Kind, Served> {
    let mut found = BTreeMap::new();
    let mut groups: Vec<(Api, Vec<Kind>)> = Vec::new();
    for kind in kinds {
        let api = kind.about().api;
        match groups.iter_mut().find(|(known, _)| *known == api) {
            Some((_, kinds)) => kinds.push(*kind),
            None => groups.push((api, vec![*kind])),
        }
    }
    let asking = groups.into_iter().map(|(api, kinds)| async move {
        let uri = format!("/apis/{}/{}", api.group, api.version);
        let list = request::read::<Value>(target, &uri, "discover a group", PROBE_DEADLINE).await;
        let answer = match list {
            Ok(list) => Ok(plurals(&list)),
            Err(ClusterError::Status { code: 404, .. }) => {
                let kind = kinds.first().copied().unwrap_or(Kind::Vpc);
                Err(request::served_versions(target, kind).await.ok())
            }
            Err(_) => Err(None),
        };
        (kinds, answer)
    });
    let mut asking = std::pin::pin!(stream::iter(asking).buffer_unordered(AT_ONCE));
    while let Ok(Some((kinds, answer))) = timeout_at(until, asking.next()).await {
        for kind in kinds {
            let served = match &answer {
                Ok(plurals) if plurals.contains(kind.about().plural) => Served::Yes,
                Ok(_) => Served::No,
                Err(Some(versions)) if versions.is_empty() => Served::No,
                Err(Some(versions)) => Served::Otherwise(versions.clone()),
                Err(None) => Served::Unknown,
            };
            found.insert(kind, served);
        }
    }
    found
}

/// Plurals in a list of resources.
fn plurals(list: &Value) -> BTreeSet<String> {
    let resources = list.get("resources").and_then(Value::as_array).into_iter().flatten();
    let names = resources.filter_map(|resource| resource.get("name").and_then(Value::as_str));
    names.map(str::to_owned).collect()
}

/// Asks for every right: everywhere first, and where that is refused in each namespace.
async fn ask_all(target: &Target, kinds: &[Kind], places: &[String], until: Instant) -> Answers {
    let mut answers = Answers::default();
    let everywhere = kinds
        .iter()
        .flat_map(|kind| Verb::READ.map(|verb| (*kind, verb, None)))
        .collect::<Vec<Right>>();
    ask(target, everywhere.clone(), &mut answers, until).await;
    if answers.no_reviews {
        try_lists(target, kinds, places, &mut answers, until).await;
        return answers;
    }
    let refused = everywhere.into_iter().filter(|right| answers.allowed.get(right) == Some(&false));
    let narrower = refused.flat_map(|(kind, verb, _)| {
        places.iter().map(move |place| (kind, verb, Some(place.clone())))
    });
    let narrower: Vec<Right> = narrower.collect();
    ask(target, narrower, &mut answers, until).await;
    answers
}

async fn ask(target: &Target, rights: Vec<Right>, answers: &mut Answers, until: Instant) {
    let asking = rights.into_iter().map(|right| async move {
        let about = right.0.about();
        let may =
            review::may(target, right.1, (about.api.group, about.plural), right.2.as_deref()).await;
        (right, may)
    });
    let mut asking = std::pin::pin!(stream::iter(asking).buffer_unordered(AT_ONCE));
    while let Ok(Some((right, may))) = timeout_at(until, asking.next()).await {
        match may {
            Ok(allowed) => drop(answers.allowed.insert(right, allowed)),
            Err(ClusterError::Status { code: 404, .. }) => {
                answers.no_reviews = true;
                return;
            }
            Err(_) => {}
        }
    }
}

/// Where nobody can be asked, one can only try: lists of one.
async fn try_lists(
    target: &Target,
    kinds: &[Kind],
    places: &[String],
    answers: &mut Answers,
    until: Instant,
) {
    let scopes: Vec<Option<String>> =
        if places.is_empty() { vec![None] } else { places.iter().cloned().map(Some).collect() };
    let tries = kinds.iter().flat_map(|kind| scopes.iter().map(|scope| (*kind, scope.clone())));
    // Owned: borrowed, they would keep the future from being spawned.
    let tries: Vec<(Kind, Option<String>)> = tries.collect();
    let tries = tries.into_iter().map(|(kind, place)| async move {
        let scope = place.clone().map_or(Scope::Cluster, Scope::Namespace);
        ((kind, Verb::List, place), request::current_version(target, kind, &scope).await)
    });
    let mut trying = std::pin::pin!(stream::iter(tries).buffer_unordered(AT_ONCE));
    while let Ok(Some((right, tried))) = timeout_at(until, trying.next()).await {
        match tried {
            Ok(_) => drop(answers.allowed.insert(right, true)),
            Err(ClusterError::Status { code: 403, message, .. }) => {
                answers.user = answers.user.take().or_else(|| review::user_of(&message));
                answers.allowed.insert(right, false);
            }
            Err(_) => {}
        }
    }
}

/// What was found of a kind.
fn finding(
    kind: Kind,
    served: Option<&Served>,
    places: &[String],
    answers: &Answers,
) -> KindFinding {
    let served = served.cloned().unwrap_or(Served::Unknown);
    let mut found = KindFinding { kind, served, lacks: Vec::new(), unknown: BTreeSet::new() };
    if matches!(found.served, Served::No | Served::Otherwise(_)) {
        return found;
    }
    let mut lacking: BTreeMap<Option<String>, BTreeSet<Verb>> = BTreeMap::new();
    for verb in Verb::READ {
        let answer = |place: Option<String>| answers.allowed.get(&(kind, verb, place)).copied();
        if answer(None) == Some(true) {
            continue;
        }
        if places.is_empty() {
            match answer(None) {
                Some(_) => drop(lacking.entry(None).or_default().insert(verb)),
                None => drop(found.unknown.insert(verb)),
            }
            continue;
        }
        for place in places {
            match answer(Some(place.clone())) {
                Some(true) => {}
                Some(false) => {
                    lacking.entry(Some(place.clone())).or_default().insert(verb);
                }
                None => drop(found.unknown.insert(verb)),
            }
        }
    }
    let lacks = lacking.into_iter();
    found.lacks = lacks.map(|(namespace, verbs)| Lack { kind, namespace, verbs }).collect();
    found
}

/// What may not be done with the canary's Lease, and in which namespace it would be.
async fn lease(target: &Target, until: Instant) -> Option<(String, BTreeSet<Verb>)> {
    let right = ("coordination.k8s.io", "leases");
    let mut lacking = BTreeSet::new();
    for verb in Verb::CANARY {
        let asked = review::may(target, verb, right, Some(&target.namespace));
        if let Ok(Ok(false)) = timeout_at(until, asked).await {
            lacking.insert(verb);
        }
    }
    (!lacking.is_empty()).then(|| (target.namespace.clone(), lacking))
}

/// Who the cluster takes us for: as it says, or as a refusal names us.
async fn review_subject(target: &Target, answers: &Answers, until: Instant) -> Option<String> {
    if let Ok(Some(name)) = timeout_at(until, review::whoami(target)).await {
        return Some(name);
    }
    if answers.user.is_some() {
        return answers.user.clone();
    }
    let refused =
        answers.allowed.iter().find(|((_, verb, _), allowed)| *verb == Verb::List && !**allowed);
    let ((kind, _, place), _) = refused?;
    let scope = place.clone().map_or(Scope::Cluster, Scope::Namespace);
    let tried = timeout_at(until, request::current_version(target, *kind, &scope)).await.ok()?;
    match tried {
        Err(ClusterError::Status { code: 403, message, .. }) => review::user_of(&message),
        _ => None,
    }
}

/// The step, from what was found.
fn judge(kinds: &[KindFinding], lease: Option<&(String, BTreeSet<Verb>)>) -> Step {
    let primary = || kinds.iter().filter(|found| found.kind.is_primary());
    let absent = |found: &&KindFinding| matches!(found.served, Served::No | Served::Otherwise(_));
    let blind = |found: &&KindFinding| {
        let needed = |verb: &Verb| matches!(verb, Verb::List | Verb::Watch);
        found.lacks.iter().any(|lack| lack.verbs.iter().any(needed))
    };
    let n = primary().count();
    let (missing, blinded) = (primary().filter(absent).count(), primary().filter(blind).count());
    let stage = Stage::Rights;
    let step = if n > 0 && missing == n {
        let says = "the cluster serves none of the kinds that people write; is there a Hedgehog fabric in it?";
        let remedy =
            "choose the cluster of the fabric's control node, or install the fabric's CRDs";
        Step::new(stage, Outcome::Failed, says).because(Cause::Version, remedy)
    } else if blinded > 0 {
        let says = format!("{blinded} of {n} kinds may not be read");
        let remedy = "grant what is missing: the manifest below does exactly that";
        Step::new(stage, Outcome::Failed, says).because(Cause::Forbidden, remedy)
    } else if missing > 0 {
        let says = format!("{missing} of {n} kinds are not served");
        Step::new(stage, Outcome::Warning, says)
            .because(Cause::Version, "install the fabric's CRDs in a version that HNP reads")
    } else if kinds.iter().any(|found| !found.lacks.is_empty()) || lease.is_some() {
        let says = "what people write may be read, but not everything beside";
        Step::new(stage, Outcome::Warning, says).because(
            Cause::Forbidden,
            "grant what is missing: the manifest below does exactly that",
        )
    } else if kinds.iter().any(|found| found.served == Served::Unknown || !found.unknown.is_empty())
    {
        let says = "nothing was refused, but not everything could be asked";
        Step::new(stage, Outcome::Warning, says)
    } else {
        let served = kinds.iter().filter(|found| found.served == Served::Yes).count();
        Step::new(stage, Outcome::Ok, format!("{served} kinds are served and may be read"))
    };
    step.with(kinds.iter().filter_map(fact)).with(lease.map(|(namespace, verbs)| {
        Fact::new("canary", format!("may not {} leases in `{namespace}`", words(verbs)))
    }))
}

/// What is to be said of a kind; none where all is well.
fn fact(found: &KindFinding) -> Option<Fact> {
    let about = found.kind.about();
    let says = match &found.served {
        Served::No => "not served".to_owned(),
        Served::Otherwise(versions) => {
            format!("served as {} only; HNP reads {}", versions.join(", "), about.api.version)
        }
        Served::Yes | Served::Unknown if !found.lacks.is_empty() => {
            let lacks = found.lacks.iter().map(|lack| {
                let place = lack.namespace.as_deref();
                let place = place.map(|name| format!(" in `{name}`")).unwrap_or_default();
                format!("may not {}{place}", words(&lack.verbs))
            });
            lacks.collect::<Vec<_>>().join("; ")
        }
        Served::Unknown => "could not be asked".to_owned(),
        Served::Yes if !found.unknown.is_empty() => {
            format!("could not be asked about {}", words(&found.unknown))
        }
        Served::Yes => return None,
    };
    Some(Fact::new(about.name, says))
}
