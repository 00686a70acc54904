//! The real binary: started in a folder of its own, read line by line, killed when dropped.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};

use crate::house::PATIENCE;

/// A running `hnp`.
pub(crate) struct Hnp {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
    err: JoinHandle<String>,
}

/// How it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    /// What was not read line by line before.
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Hnp {
    /// Runs it to its end with something on its stdin.
    pub(crate) async fn run_with_input(folder: &Path, arguments: &[&str], input: &str) -> Ended {
        let mut hnp = Self::start_on(folder, arguments, &[], Stdio::piped());
        let mut pipe = hnp.child.stdin.take().unwrap();
        // Who ends without reading it broke the pipe; how it ended says why.
        let _ = pipe.write_all(input.as_bytes()).await;
        drop(pipe);
        hnp.end().await
    }

    /// Starts it in a folder.
    pub(crate) fn start(folder: &Path, arguments: &[&str]) -> Self {
        Self::start_with(folder, arguments, &[])
    }

    /// The same with environment variables.
    pub(crate) fn start_with(folder: &Path, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        Self::start_on(folder, arguments, env, Stdio::null())
    }

    #[expect(clippy::disallowed_methods, reason = "reads its child's words to their end")]
    fn start_on(folder: &Path, arguments: &[&str], env: &[(&str, &str)], input: Stdio) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_hnp"))
            .args(arguments)
            .current_dir(folder)
            .envs(env.iter().copied())
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut pipe = child.stderr.take().unwrap();
        let err = tokio::spawn(async move {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes).await;
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Self { child, out, err }
    }

    /// Runs it to its end.
    pub(crate) async fn run(folder: &Path, arguments: &[&str]) -> Ended {
        Self::start(folder, arguments).end().await
    }

    /// The next line of its output; none at the end.
    pub(crate) async fn line(&mut self) -> Option<String> {
        timeout(PATIENCE, self.out.next_line()).await.expect("a line within a minute").unwrap()
    }

    /// Reads lines until one holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&str) -> bool) -> String {
        loop {
            match self.line().await {
                Some(line) if holds(&line) => return line,
                Some(_) => {}
                None => panic!("its output ended"),
            }
        }
    }

    /// Reads lines until it says where it serves; returns the address.
    pub(crate) async fn address(&mut self) -> std::net::SocketAddr {
        let line = self.until(|line| line.contains("http://")).await;
        line.split("http://").nth(1).unwrap().trim().parse().unwrap()
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success()
        );
    }

    /// Waits for its end.
    pub(crate) async fn end(mut self) -> Ended {
        let mut out = String::new();
        while let Some(line) = self.line().await {
            out.push_str(&line);
            out.push('\n');
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("an end within a minute");
        let err = timeout(PATIENCE, self.err).await.unwrap().unwrap();
        Ended { code: status.unwrap().code(), out, err }
    }
}
