//! What the directory keeps of a registered fabric in clear: how it is reached, without credentials, and what
//! of it is watched.
//!
//! Invariant: no credential is in it; what cannot be read is said to be so, not guessed.

use domain::connection::{AccessKind, AccessView, Credential, WatchPlan};
use engine::store::directory::Fabric;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// How it is reached.
    pub access: AccessView,
    /// What is watched. Whether at all is said by [`Fabric::enabled`].
    #[serde(default)]
    pub watch: WatchPlan,
}

impl Settings {
    /// Reads what the directory keeps.
    pub fn of(fabric: &Fabric) -> Self {
        let read = serde_json::from_str::<Self>(&fabric.settings);
        let mut settings =
            read.unwrap_or_else(|_| Self { access: unreadable(), watch: WatchPlan::default() });
        settings.watch.enabled = fabric.enabled;
        settings
    }

    /// The text to be kept.
    pub fn text(&self) -> String {
        // Plain texts always serialize.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// As the audit log and the command line show it: certificates by their subjects.
    pub fn told(&self) -> Value {
        let AccessView { kind, server, context, credential, verified, .. } = &self.access;
        let authorities: Vec<&str> =
            self.access.authorities.iter().map(|held| held.subject.as_str()).collect();
        json!({
            "access": {
                "kind": kind, "server": server, "context": context, "credential": credential,
                "authorities": authorities, "verified": verified,
            },
            "watch": self.watch,
        })
    }
}

fn unreadable() -> AccessView {
    AccessView {
        kind: AccessKind::Kubeconfig,
        server: None,
        context: None,
        contexts: Vec::new(),
        namespace: None,
        credential: Credential::None,
        authorities: Vec::new(),
        tls_server_name: None,
        verified: true,
        problem: Some(
            "the stored settings of this fabric cannot be read; enter its connection again"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(settings: &str) -> Fabric {
        Fabric {
            id: "prod".parse().unwrap(),
            settings: settings.to_owned(),
            sealed: None,
            enabled: false,
            created_ms: 0,
            changed_ms: 0,
            revision: 1,
        }
    }

    #[test]
    fn what_is_kept_reads_back_and_the_directory_says_whether_it_is_watched() {
        let settings = Settings { access: unreadable(), watch: WatchPlan::default() };
        let read = Settings::of(&kept(&settings.text()));
        assert!(!read.watch.enabled);
        assert_eq!(read.access, settings.access);
    }

    #[test]
    fn what_cannot_be_read_says_so() {
        assert!(Settings::of(&kept("{")).access.problem.is_some());
    }
}
