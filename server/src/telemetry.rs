//! Logs: text on a terminal, JSON elsewhere; never a credential, a cookie or a body.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// What the HTTP client of clusters says of each request that fails names neither cluster nor cause. Who needs
/// it asks for it (`log = "info,kube_client=debug"`); what a cluster does is told by its fabric.
const QUIET: &str = "kube_client=off";

/// Sets up the log, once per process. A filter that does not parse falls back to `info` and says so.
pub fn init(filter: &str, format: LogFormat) {
    let quiet = |filter: &str| format!("{QUIET},{filter}");
    let (parsed, complaint) = match EnvFilter::try_new(quiet(filter)) {
        Ok(parsed) => (parsed, None),
        Err(error) => (EnvFilter::new(quiet("info")), Some(error.to_string())),
    };
    let builder = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    let json = match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Json => true,
        LogFormat::Text => false,
    };
    // A second call (tests) changes nothing.
    let _ = if json { builder.json().try_init() } else { builder.try_init() };
    if let Some(complaint) = complaint {
        tracing::warn!(filter, "the log filter does not parse ({complaint}); using `info`");
    }
}
