//! Rows of the table, and the forms it takes: on the terminal, as JSON, as a page of the documentation.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{
    machine,
    plot::{self, Plot},
    stats::median,
};

/// One figure.
#[derive(Debug)]
pub(crate) struct Row {
    part: &'static str,
    what: String,
    unit: &'static str,
    runs: Vec<f64>,
    /// At most this; or at least, where more is better.
    budget: Option<f64>,
    more_is_better: bool,
    note: String,
    load: f64,
}

impl Row {
    /// A figure of a part, from all runs.
    pub(crate) fn new(
        part: &'static str,
        what: impl Into<String>,
        unit: &'static str,
        runs: Vec<f64>,
    ) -> Self {
        Self {
            part,
            what: what.into(),
            unit,
            runs,
            budget: None,
            more_is_better: false,
            note: String::new(),
            load: machine::load(),
        }
    }

    /// What it should be at most.
    #[must_use]
    pub(crate) fn at_most(self, budget: f64) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// What it should be at least.
    #[must_use]
    pub(crate) fn at_least(self, budget: f64) -> Self {
        Self { budget: Some(budget), more_is_better: true, ..self }
    }

    /// What one should know about it.
    #[must_use]
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    fn verdict(&self) -> &'static str {
        match (median(&self.runs), self.budget) {
            (None, _) => "not measured",
            (Some(_), None) => "",
            (Some(value), Some(budget)) if self.more_is_better => {
                if value >= budget {
                    "kept"
                } else {
                    "missed"
                }
            }
            (Some(value), Some(budget)) => {
                if value <= budget {
                    "kept"
                } else {
                    "missed"
                }
            }
        }
    }

    fn budget(&self) -> String {
        let sign = if self.more_is_better { "≥" } else { "≤" };
        self.budget.map_or(String::new(), |budget| format!("{sign} {}", short(budget)))
    }

    fn spread(&self) -> String {
        let (low, high) = self
            .runs
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), run| (low.min(*run), high.max(*run)));
        if self.runs.len() < 2 {
            String::new()
        } else {
            format!("{}–{}", short(low), short(high))
        }
    }
}

/// All figures of a run.
#[derive(Debug, Default)]
pub(crate) struct Report {
    rows: Vec<Row>,
    plots: BTreeMap<&'static str, Plot>,
    skipped: Vec<String>,
}

impl Report {
    /// Takes a figure and says it.
    pub(crate) fn add(&mut self, row: Row) {
        let value = median(&row.runs).map_or("–".to_owned(), short);
        crate::say(&format!(
            "  {:<66} {value:>9} {:<8} {:<8} {:<6} {} {}",
            row.what,
            row.unit,
            row.budget(),
            row.verdict(),
            row.spread(),
            row.note
        ));
        self.rows.push(row);
    }

    /// Takes a plot.
    pub(crate) fn plot(&mut self, name: &'static str, plot: Plot) {
        self.plots.insert(name, plot);
    }

    /// Notes what was not measured, and why.
    pub(crate) fn skip(&mut self, why: impl Into<String>) {
        let why = why.into();
        crate::say(&format!("  skipped: {why}"));
        self.skipped.push(why);
    }

    /// Writes `results.json`, `benchmarks.md` and the plots into a folder.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).context("could not make the folder")?;
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({"part": row.part, "what": row.what, "unit": row.unit, "median": median(&row.runs), "runs": row.runs,
                    "budget": row.budget, "more_is_better": row.more_is_better, "verdict": row.verdict(), "note": row.note, "load": row.load})
            })
            .collect();
        let plots: Vec<Value> = self
            .plots
            .iter()
            .map(|(name, plot)| {
                let lines = plot.lines.iter().map(|line| json!({"name": line.name, "points": line.points}));
                json!({"name": name, "title": plot.title, "x": plot.x, "lines": lines.collect::<Vec<_>>()})
            })
            .collect();
        let json = json!({"machine": machine::describe(), "rows": rows, "plots": plots, "skipped": self.skipped});
        let write = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text)
                .with_context(|| format!("could not write {name}"))
        };
        write("results.json", &format!("{json:#}\n"))?;
        for (name, plot) in &self.plots {
            write(&format!("bench-{name}.svg"), &plot::svg(plot))?;
        }
        write("benchmarks.md", &self.markdown())
    }

    fn markdown(&self) -> String {
        let mut out = String::from(HEAD);
        let loads = self.rows.iter().map(|row| row.load).filter(|load| load.is_finite());
        let (low, high) =
            loads.fold((f64::MAX, f64::MIN), |(low, high), load| (low.min(load), high.max(load)));
        let _ = writeln!(
            out,
            "Machine: {}. Load average while measuring, what is measured included: {low:.1} to {high:.1}.\n",
            machine::describe()
        );
        // A part may be measured in several goes; on the page it stands once.
        let mut parts: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !parts.contains(&row.part) {
                parts.push(row.part);
            }
        }
        for part in parts {
            let _ = writeln!(
                out,
                "\n## {part}\n\n| what | median | runs from–to | budget | | load | note |\n|---|---:|---|---|---|---:|---|"
            );
            for row in self.rows.iter().filter(|row| row.part == part) {
                let value = median(&row.runs).map_or("–".to_owned(), short);
                let _ = writeln!(
                    out,
                    "| {} | {value} {} | {} | {} | {} | {:.1} | {} |",
                    row.what,
                    row.unit,
                    row.spread(),
                    row.budget(),
                    row.verdict(),
                    row.load,
                    row.note
                );
            }
        }
        if !self.skipped.is_empty() {
            let _ = writeln!(out, "\n## Not measured\n");
            for why in &self.skipped {
                let _ = writeln!(out, "- {why}");
            }
        }
        if !self.plots.is_empty() {
            let _ = writeln!(out, "\n## How cost grows\n");
            for (name, plot) in &self.plots {
                let _ = writeln!(out, "![{}](bench-{name}.svg)\n", plot.title);
            }
        }
        out
    }
}

const HEAD: &str = "# Benchmarks

Made by `make bench ARGS=--docs`; `make bench` alone measures, prints the table and writes `target/bench/`. Nothing here is written by hand;
the same as JSON, the points of the plots included, is in [benchmarks.json](benchmarks.json).

The release binary is driven from outside: `hnp sim` is the cluster, `hnp serve` the console, each a process of its own, and the clients are a third;
all share the machine and talk over loopback. A figure is the median of its runs. *Kept* and *missed* compare it with its budget; no build fails by a time.
Latency counts from the API server's answer to a PATCH until a client has the frame. *Peer* is the least that the same fan-out can cost: axum with a
broadcast channel, measured in the same run by the same clients.

";

/// A number as people read it: three digits that count.
pub(crate) fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 || value.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
