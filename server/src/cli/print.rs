//! `hnp crds`.

use std::io::Write as _;

use super::{Failure, Outcome};

/// Prints all CRDs as one YAML stream.
pub(super) fn crds() -> Outcome {
    let mut out = std::io::stdout().lock();
    for crd in domain::crd::crds() {
        let text = serde_norway::to_string(&crd)
            .map_err(|error| Failure::new(error, "report this as a defect"))?;
        // A closed pipe (`| head`) is no failure of ours.
        if write!(out, "---\n{text}").is_err() {
            return Ok(0);
        }
    }
    Ok(0)
}
