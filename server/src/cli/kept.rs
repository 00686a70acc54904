//! What commands share that work on the database itself, whether or not a server runs on it.
//!
//! Invariant: what is opened is closed again, however the command ends.

use std::{io::Write as _, path::PathBuf};

pub(super) use super::opened::Place;
use super::{Outcome, runtime};
use crate::{
    config::Config,
    records::{self, Kept},
    web::api::form,
};

/// Does something on the database that the configuration names.
pub(super) fn with_kept<F: Future<Output = Outcome>>(
    place: &Place,
    file: Option<PathBuf>,
    work: impl FnOnce(Config, Kept) -> F,
) -> Outcome {
    let config = place.config(file)?;
    runtime()?.block_on(async {
        let kept = records::open(&config).await?;
        let done = work(config, kept.clone()).await;
        kept.store.close().await;
        done
    })
}

/// Prints a line, for people and scripts. A closed pipe (`| head`) is no failure of ours.
pub(super) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Prints a JSON value over several lines.
pub(super) fn say_json(value: &serde_json::Value) {
    say(&format!("{value:#}"));
}

/// Prints rows with aligned columns under a heading.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    let heading = heading.map(str::to_owned);
    let all: Vec<&[String; N]> = std::iter::once(&heading).chain(rows).collect();
    let mut widths = [0; N];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row.iter()) {
            *width = cell.chars().count().max(*width);
        }
    }
    for row in all {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        say(cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

/// A time to the minute, as lists show it.
pub(super) fn minute(ms: Option<i64>) -> String {
    let time = ms.and_then(form::time);
    let time = time.and_then(|time| Some(format!("{} {}Z", time.get(..10)?, time.get(11..16)?)));
    time.unwrap_or_else(|| "never".to_owned())
}
