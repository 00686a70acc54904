//! The processes that are measured: started here, on free ports of loopback, and ended with their owner.
//!
//! Invariant: nothing outlives the program; nothing is signalled but what was started here.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};
use testkit::account;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// How long a process may take to say its first line.
const SPEAKS_WITHIN: Duration = Duration::from_mins(1);

/// A process that has said its first line.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) pid: u32,
    /// When it was started.
    pub(crate) started: Instant,
    /// Its first line.
    pub(crate) line: String,
    child: Child,
    /// Kept, since a closed pipe would end a process that still prints.
    _out: BufReader<ChildStdout>,
    folder: PathBuf,
}

impl Process {
    /// Starts a program in a folder of its own and waits for its first line.
    pub(crate) async fn start(program: &Path, args: &[&str]) -> anyhow::Result<Self> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("hnp-bench-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&folder).context("could not make a folder")?;
        if args.first() == Some(&"serve") {
            account::admin_at(&folder.join("data/hnp.db")).await?;
        }
        let started = Instant::now();
        let mut child = Command::new(program)
            .args(args)
            .current_dir(&folder)
            .env("HNP_LOG", "warn")
            // All clients are one person here.
            .env("HNP_LIMITS_PER_USER", "100000")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {}", program.display()))?;
        let pid = child.id().context("a process without an id")?;
        let mut out = BufReader::new(child.stdout.take().context("a process without output")?);
        let mut line = String::new();
        timeout(SPEAKS_WITHIN, out.read_line(&mut line)).await.context("it says nothing")??;
        if line.is_empty() {
            bail!("{} ended at once", program.display());
        }
        Ok(Self { pid, started, line: line.trim().to_owned(), child, _out: out, folder })
    }

    /// Asks it to end, as a service manager does, and waits until it has.
    pub(crate) async fn terminate(mut self) -> anyhow::Result<()> {
        let id = self.pid.to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.context("kill")?;
        anyhow::ensure!(asked.success(), "could not ask process {id} to end");
        timeout(SPEAKS_WITHIN, self.child.wait()).await.context("it does not end")??;
        Ok(())
    }

    /// Ends it and waits until it is gone.
    pub(crate) async fn end(mut self) {
        let _ = self.child.kill().await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An embedded API server in a process of its own.
#[derive(Debug)]
pub(crate) struct Sim {
    process: Process,
    /// Path of its kubeconfig.
    pub(crate) kubeconfig: PathBuf,
}

impl Sim {
    /// Starts `hnp sim` with further arguments.
    pub(crate) async fn start(args: &[&str]) -> anyhow::Result<Self> {
        let mut all = vec!["sim", "--listen", "127.0.0.1:0", "--kubeconfig-out", "sim.kubeconfig"];
        all.extend_from_slice(args);
        let process = Process::start(hnp(), &all).await?;
        let kubeconfig = process.folder.join(&process.line);
        Ok(Self { process, kubeconfig })
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

/// A console in a process of its own.
#[derive(Debug)]
pub(crate) struct Console {
    /// The process.
    pub(crate) process: Process,
    /// `host:port`.
    pub(crate) address: String,
}

impl Console {
    /// Starts `hnp serve` on a kubeconfig, as the fabric `bench`.
    pub(crate) async fn serve(kubeconfig: &Path) -> anyhow::Result<Self> {
        Self::serve_at(kubeconfig, "127.0.0.1:0").await
    }

    /// The same at an address.
    pub(crate) async fn serve_at(kubeconfig: &Path, address: &str) -> anyhow::Result<Self> {
        let path = kubeconfig.display().to_string();
        Self::start(&["serve", "--listen", address, "--name", "bench", "--kubeconfig", &path]).await
    }

    /// Starts `hnp serve` on a data folder, with the fabrics that are registered there.
    pub(crate) async fn on(data: &str) -> anyhow::Result<Self> {
        Self::start(&["serve", "--listen", "127.0.0.1:0", "--data-dir", data]).await
    }

    /// Starts `hnp demo` with further arguments.
    pub(crate) async fn demo(args: &[&str]) -> anyhow::Result<Self> {
        let mut all = vec!["demo", "--listen", "127.0.0.1:0"];
        all.extend_from_slice(args);
        let console = Self::start(&all).await?;
        account::admin_at(&console.process.folder.join("data/demo/hnp.db")).await?;
        Ok(console)
    }

    async fn start(args: &[&str]) -> anyhow::Result<Self> {
        let process = Process::start(hnp(), args).await?;
        let address = process
            .line
            .split_once("http://")
            .map(|(_, rest)| rest.trim().to_owned())
            .with_context(|| format!("no address in `{}`", process.line))?;
        Ok(Self { process, address })
    }

    /// Ends it.
    pub(crate) async fn end(self) {
        self.process.end().await;
    }
}

/// The binary that this bench belongs to.
pub(crate) fn hnp() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_hnp"))
}
