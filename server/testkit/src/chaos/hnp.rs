//! The server as a child process that is killed and comes back.
//!
//! Invariant: at most one is alive; it is signalled by its own id while it has not been waited for.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

use super::{FABRIC, ground::Ground, records};

/// How long it may take to say where it serves.
const SPEAKS_WITHIN: Duration = Duration::from_mins(1);
/// How long it may take to end when asked to.
const ENDS_WITHIN: Duration = Duration::from_mins(1);

/// See the module.
#[derive(Debug)]
pub(crate) struct Hnp {
    binary: PathBuf,
    child: Child,
    address: SocketAddr,
    /// Kept, since a closed pipe would end a process that still prints.
    out: BufReader<ChildStdout>,
}

impl Hnp {
    /// Starts it behind the ground's proxy and waits until it serves.
    pub(crate) async fn start(binary: &Path, ground: &Ground) -> anyhow::Result<Self> {
        let (child, out, address) = begin(binary, ground).await?;
        ground.proxy.point_at(Some(address));
        Ok(Self { binary: binary.to_owned(), child, address, out })
    }

    /// Where it serves, past the proxy.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Kills it, as the machine would for lack of memory, and looks whether its database is whole.
    pub(crate) async fn kill(&mut self, ground: &Ground) -> anyhow::Result<()> {
        ground.proxy.point_at(None);
        self.child.kill().await.context("kill the server")?;
        records::intact(ground.folder()).await
    }

    /// Asks it to end, as a service manager does, and waits for its end.
    pub(crate) async fn terminate(&mut self, ground: &Ground) -> anyhow::Result<()> {
        let id = self.child.id().context("the server has ended by itself")?.to_string();
        let asked = Command::new("kill").args(["-TERM", &id]).status().await.context("run kill")?;
        ensure!(asked.success(), "could not send TERM to process {id}");
        let ended = timeout(ENDS_WITHIN, self.child.wait()).await;
        ground.proxy.point_at(None);
        match ended {
            Ok(status) => {
                let status = status.context("wait for the server")?;
                ensure!(status.success(), "asked to end, the server ended with {status}");
                Ok(())
            }
            Err(_) => bail!("asked to end, the server was still there after {ENDS_WITHIN:?}"),
        }
    }

    /// Starts it once more on the same data.
    pub(crate) async fn come_back(&mut self, ground: &Ground) -> anyhow::Result<()> {
        let (child, out, address) = begin(&self.binary, ground).await?;
        (self.child, self.out, self.address) = (child, out, address);
        ground.proxy.point_at(Some(address));
        Ok(())
    }

    /// Whether it still runs; it should.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

async fn begin(
    binary: &Path,
    ground: &Ground,
) -> anyhow::Result<(Child, BufReader<ChildStdout>, SocketAddr)> {
    let log = File::options().create(true).append(true).open(ground.folder().join("hnp.log"));
    let mut child = Command::new(binary)
        .args(["serve", "--listen", "127.0.0.1:0", "--kubeconfig", "kubeconfig", "--name", FABRIC])
        .current_dir(ground.folder())
        .env("HNP_PUBLIC_URL", format!("http://{}", ground.proxy.address()))
        .env("HNP_LOG", "warn")
        // All clients are one person, and some links are counted for a while after their line was lost.
        .env("HNP_LIMITS_PER_USER", "10000")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::from(log.context("open the log")?))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("start {}", binary.display()))?;
    let mut out = BufReader::new(child.stdout.take().context("a process without output")?);
    let mut line = String::new();
    let address = timeout(SPEAKS_WITHIN, async {
        while !line.contains("http://") {
            line.clear();
            if out.read_line(&mut line).await.context("read what the server says")? == 0 {
                bail!("the server ended before it served");
            }
        }
        let address = line.split("http://").nth(1).map(str::trim).unwrap_or_default();
        address.parse().with_context(|| format!("no address in `{line}`"))
    });
    let address = address.await.context("the server says nothing")??;
    Ok((child, out, address))
}
