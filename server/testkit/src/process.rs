//! One program that was started here: its output in a file, its end in our hand.
//!
//! Invariant: it is killed when dropped; signals go to its own id while it has not been waited for, never to another's.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};

/// How long a program may take to end when asked to.
const GRACE: Duration = Duration::from_secs(15);
/// How often to look whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running program.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; its output goes to `log`.
    pub(crate) fn start(program: &Path, arguments: &[String], log: &Path) -> anyhow::Result<Self> {
        let out = File::create(log).with_context(|| format!("make {}", log.display()))?;
        let err = out.try_clone().context("share the log")?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends it a signal by name, for example `STOP`.
    pub(crate) fn signal(&mut self, name: &str) -> anyhow::Result<()> {
        if !self.is_alive() {
            return Ok(());
        }
        let id = self.child.id().to_string();
        let status =
            Command::new("kill").arg(format!("-{name}")).arg(&id).status().context("run kill")?;
        ensure!(status.success(), "could not send {name} to process {id}");
        Ok(())
    }

    /// Asks it to end, and makes it after a while.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.signal("CONT")?;
        self.signal("TERM")?;
        let deadline = Instant::now() + GRACE;
        while self.is_alive() && Instant::now() < deadline {
            pause();
        }
        Ok(())
    }

    /// The last lines it wrote.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only while a program ends; there is nothing to be notified by"
)]
fn pause() {
    std::thread::sleep(LOOK_EVERY);
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
