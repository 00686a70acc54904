//! What a test of a connection found: step after step, each with its evidence, its cause and what to do.
//!
//! Invariant: what was not asked is `unknown` or `skipped`, never well; no credential is in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::rights::{Lack, Verb};
use crate::{kind::Kind, state::Cause};

/// What a step looks at, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// What was entered: can it be read, and is it allowed?
    Configuration,
    /// Does the host's name resolve?
    Name,
    /// Does the address take connections?
    Connection,
    /// Does it speak TLS, with a certificate that may be trusted?
    Certificate,
    /// Does it answer as a Kubernetes API server?
    Answer,
    /// Are the credentials accepted?
    Credentials,
    /// Do its clock and ours agree?
    Clock,
    /// Which cluster is it?
    Identity,
    /// Are the kinds served, and may they be read?
    Rights,
}

impl Stage {
    /// All stages, in order.
    pub const ALL: [Self; 9] = [
        Self::Configuration,
        Self::Name,
        Self::Connection,
        Self::Certificate,
        Self::Answer,
        Self::Credentials,
        Self::Clock,
        Self::Identity,
        Self::Rights,
    ];

    /// The words, as a heading.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Name => "name resolution",
            Self::Connection => "connection",
            Self::Certificate => "TLS and certificate",
            Self::Answer => "Kubernetes API",
            Self::Credentials => "credentials",
            Self::Clock => "clock",
            Self::Identity => "identity",
            Self::Rights => "kinds and rights",
        }
    }
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Not asked: an earlier step failed, or there is nothing to ask.
    Skipped,
    /// Well.
    Ok,
    /// It works, but something should be looked at.
    Warning,
    /// It does not work.
    Failed,
}

impl Outcome {
    /// The word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failed => "failed",
        }
    }
}

/// What is wrong with a server's certificate or handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsFault {
    /// It is signed by an authority that is not trusted.
    Authority,
    /// It does not carry the name that was asked for.
    Name,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// Something else about the certificate.
    Certificate,
    /// No handshake: whoever answers does not speak TLS, or not with us.
    Handshake,
}

/// One piece of evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub name: String,
    /// What was found.
    pub value: String,
}

impl Fact {
    /// A fact.
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: value.into() }
    }
}

/// What may be shown of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Whose it is.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Names and addresses it is for.
    pub names: Vec<String>,
    /// Valid from, Unix milliseconds.
    pub not_before_ms: i64,
    /// Valid until, Unix milliseconds.
    pub not_after_ms: i64,
    /// SHA-256 of it, hexadecimal.
    pub sha256: String,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What it looked at.
    pub stage: Stage,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// What was found, in a sentence.
    pub says: String,
    /// The evidence.
    #[serde(default)]
    pub evidence: Vec<Fact>,
    /// What failed, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What is wrong with the certificate, as a word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFault>,
    /// What to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Step {
    /// A step that went like this, without evidence.
    pub fn new(stage: Stage, outcome: Outcome, says: impl Into<String>) -> Self {
        let says = says.into();
        Self {
            stage,
            outcome,
            ms: 0,
            says,
            evidence: Vec::new(),
            cause: None,
            tls: None,
            remedy: None,
        }
    }

    /// With evidence.
    #[must_use]
    pub fn with(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.evidence.extend(facts);
        self
    }

    /// With a cause and what to do.
    #[must_use]
    pub fn because(mut self, cause: Cause, remedy: impl Into<String>) -> Self {
        self.cause = Some(cause);
        self.remedy = Some(remedy.into());
        self
    }
}

/// Whether a kind is served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Served {
    /// In the version that HNP reads.
    Yes,
    /// In these versions only.
    Otherwise(Vec<String>),
    /// Not at all.
    No,
    /// It could not be asked.
    Unknown,
}

/// What was found of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindFinding {
    /// The kind.
    pub kind: Kind,
    /// Whether it is served.
    pub served: Served,
    /// What may not be done with it, and where.
    pub lacks: Vec<Lack>,
    /// What could not be asked.
    pub unknown: BTreeSet<Verb>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Examination {
    /// When it began, Unix milliseconds.
    pub at_ms: i64,
    /// Address that was examined, where one could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What the API server calls its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Every stage, in order.
    pub steps: Vec<Step>,
    /// What was found of each kind that is to be watched; empty where it could not be asked.
    #[serde(default)]
    pub kinds: Vec<KindFinding>,
    /// Manifest that grants exactly what is missing, YAML; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
}

impl Examination {
    /// The worst outcome.
    pub fn outcome(&self) -> Outcome {
        self.steps.iter().map(|step| step.outcome).max().unwrap_or(Outcome::Skipped)
    }

    /// The first step that failed, else the first that warns.
    pub fn trouble(&self) -> Option<&Step> {
        let first = |outcome| self.steps.iter().find(|step| step.outcome == outcome);
        first(Outcome::Failed).or_else(|| first(Outcome::Warning))
    }
}
