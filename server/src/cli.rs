//! The command line: one file per command.
//!
//! Invariant: every error reads `error: what; cause: why; try: what to do`, on stderr.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};

use crate::config::{Config, ConfigError, Flags, Sources};

mod audit;
mod backup;
pub mod check;
pub mod demo;
pub mod fabric;
mod kept;
mod key;
mod offline;
mod opened;
pub mod print;
mod restore;
pub mod serve;
pub mod sim;
pub mod token;
pub mod user;
pub mod watch;

/// The live command centre for Hedgehog fabrics.
#[derive(Debug, Parser)]
#[command(
    name = "hnp",
    version,
    about,
    max_term_width = 110,
    after_help = "Examples:\n  hnp demo\n  hnp serve --kubeconfig ~/.kube/config\n  hnp watch --kubeconfig ~/.kube/config --kind Switch --for 60s"
)]
struct Cli {
    /// Configuration file (default: hnp.toml, if it is there)
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the console for the clusters of a kubeconfig
    Serve(serve::Args),
    /// Serve the console on an embedded cluster that lives
    Demo(demo::Args),
    /// Watch a cluster in the terminal: lists, then prints each event with its latency
    Watch(watch::Args),
    /// Look whether everything is there that the console needs, and say what to do where it is not
    Check(check::Args),
    /// Run the embedded API server alone
    Sim(sim::Args),
    /// Check or export the audit log
    Audit(audit::Args),
    /// Copy the database into one file, also while a server runs
    Backup(backup::Args),
    /// Bring a backup back
    Restore(restore::Args),
    /// Change the key that seals secrets
    Key(key::Args),
    /// Make, list, change and remove users, also while nobody can sign in
    User(user::Args),
    /// Make, list and revoke API tokens
    Token(token::Args),
    /// Register, list, test, switch and remove fabrics, also while a server runs
    Fabric(fabric::Args),
    /// Print the CRDs of all kinds as YAML, made from the Rust types
    #[command(after_help = "Example:\n  hnp crds | kubectl apply --server-side -f -")]
    Crds,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  hnp completions bash > ~/.local/share/bash-completion/completions/hnp"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// How a command ends when it could not do its work.
#[derive(Debug)]
pub struct Failure {
    /// Exit code.
    pub code: u8,
    /// What failed, with its causes.
    pub error: anyhow::Error,
    /// What to do.
    pub advice: &'static str,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(error: impl Into<anyhow::Error>, advice: &'static str) -> Self {
        Self { code: 1, error: error.into(), advice }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }
}

/// What a command returns: an exit code, or why it failed.
pub type Outcome = Result<u8, Failure>;

/// Runs the command line.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            let mut causes = failure
                .error
                .chain()
                .skip(1)
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(": ")
                .replace('\n', " ");
            if causes.is_empty() {
                "see above".clone_into(&mut causes);
            }
            eprintln!("error: {}; cause: {causes}; try: {}", failure.error, failure.advice);
            ExitCode::from(failure.code)
        }
    }
}

fn run(cli: Cli) -> Outcome {
    match cli.command {
        Command::Serve(args) => serve::run(args, cli.config),
        Command::Demo(args) => demo::run(&args, cli.config),
        Command::Watch(args) => watch::run(&args, cli.config),
        Command::Check(args) => check::run(&args, cli.config),
        Command::Sim(args) => sim::run(&args, cli.config),
        Command::Audit(args) => audit::run(args, cli.config),
        Command::Backup(args) => backup::run(&args, cli.config),
        Command::Restore(args) => restore::run(&args, cli.config),
        Command::Key(args) => key::run(&args, cli.config),
        Command::User(args) => user::run(args, cli.config),
        Command::Token(args) => token::run(args, cli.config),
        Command::Fabric(args) => fabric::run(args, cli.config),
        Command::Crds => print::crds(),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "hnp", &mut std::io::stdout());
            Ok(0)
        }
    }
}

/// Configuration from flags, the process's environment and the file.
fn configure(flags: &Flags) -> Result<(Config, Sources), Failure> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where configuration reads the environment"
    )]
    let env = |name: &str| std::env::var(name).ok();
    crate::config::load(flags, env).map_err(|error| {
        let advice = match &error {
            ConfigError::UnknownKey { .. } => {
                "mend the key, or see `hnp serve --print-config` for all keys"
            }
            ConfigError::InClear { .. } => {
                "set `tls.cert_file` and `tls.key_file`, or listen on 127.0.0.1 (and reach it through `ssh -L 3000:127.0.0.1:3000 host`), or say `insecure_http = true`"
            }
            ConfigError::Incomplete { .. } => "set both or neither; see docs/configuration.md",
            ConfigError::OnlyEnvironment { .. } => {
                "take it out of the file; set the variable, or `secret_key_file`"
            }
            ConfigError::Read { .. } | ConfigError::Parse { .. } | ConfigError::Value { .. } => {
                "mend the value it names"
            }
        };
        Failure::new(error, advice).with_code(2)
    })
}

/// A runtime for one command.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new(error, "check the limits of this process (threads, open files)")
    })
}
