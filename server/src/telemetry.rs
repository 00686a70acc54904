//! Logs: text on a terminal, JSON elsewhere; never a credential, a cookie or a body.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use crate::config::LogFormat;

/// Sets up the log, once per process. A filter that does not parse falls back to `info` and says so.
pub fn init(filter: &str, format: LogFormat) {
    let (parsed, complaint) = match EnvFilter::try_new(filter) {
        Ok(parsed) => (parsed, None),
        Err(error) => (EnvFilter::new("info"), Some(error.to_string())),
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
