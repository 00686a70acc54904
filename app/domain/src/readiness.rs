//! Readiness of a switch (first version, being replaced).

use serde::{Deserialize, Serialize};

/// Whether a switch runs what the cluster wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Readiness {
    /// It does.
    Ready,
    /// It will.
    Converging,
    /// It is at it.
    Applying,
    /// It tries in vain.
    Stuck,
    /// It does not speak.
    Silent,
    /// Nobody knows.
    Unknown,
}
