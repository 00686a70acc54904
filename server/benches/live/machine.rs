//! What `/proc` says: about the machine, and about the processes that are measured.
//!
//! Invariant: nothing here changes anything; where there is no `/proc`, figures are absent, not zero.

use std::fs;

/// Clock ticks per second in `/proc/PID/stat`: 100 wherever Linux runs on what we support.
const TICKS: f64 = 100.0;

/// The machine in one line: cores, model, kernel, memory.
pub(crate) fn describe() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = field(&cpu, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| field(&text, "MemTotal"))
        .and_then(|text| text.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()))
        .map_or(0, |kb| kb / 1_048_576);
    format!("{cores} cores of {model}, {memory} GiB, Linux {}", kernel.trim())
}

/// Load average over one minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|load| load.parse().ok()).unwrap_or(f64::NAN)
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kb: f64 = field(&text, "VmRSS")?.split_whitespace().next()?.parse().ok()?;
    Some(kb * 1024.0)
}

/// Seconds of processor time that a process has used.
pub(crate) fn cpu(pid: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces; what follows its parenthesis does not.
    let (_, rest) = text.rsplit_once(')')?;
    let ticks = |at: usize| rest.split_whitespace().nth(at).and_then(|n| n.parse::<f64>().ok());
    Some((ticks(11)? + ticks(12)?) / TICKS)
}

/// How many files this process (and what it starts) may have open.
pub(crate) fn open_files() -> usize {
    let text = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("Max open files"));
    line.and_then(|line| line.split_whitespace().nth(3))
        .and_then(|n| n.parse().ok())
        .unwrap_or(1024)
}

fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim().to_owned())
}
