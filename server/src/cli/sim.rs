//! `hnp sim`, and embedded clusters for other commands.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use clap::{Args as ClapArgs, ValueEnum};
use engine::clock::now_ms;
use sim::{
    Admission, Cluster, ContextEntry, FaultRoute, Options, Tls, Tokens, kubeconfig,
    life::{
        LifeOptions,
        drive::live,
        ground::{Land, populate},
    },
    seed,
};
use tokio::net::TcpListener;

use super::{Failure, Outcome, configure, runtime};
use crate::{
    config::Flags,
    run::{House, asked_to_stop},
    telemetry,
};

/// How big the fabric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Scale {
    /// 3 switches
    Small,
    /// 7 switches and 25 connections
    Vlab,
    /// More than 10,000 objects
    Large,
}

/// How lively it is.
#[derive(Debug, Clone, Copy, ClapArgs)]
pub(super) struct Liveliness {
    /// Size of the fabric
    #[arg(long, value_enum, default_value = "vlab")]
    scale: Scale,
    /// Seed: the same seed gives the same fabric with the same uids
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Harmless edits per second on top of the fabric's own life; 0 stops whatever changes by itself
    #[arg(long, value_name = "R")]
    churn: Option<f64>,
    /// Seconds between an Agent's heartbeats; 0 stops them
    #[arg(long, default_value_t = 15.0, value_name = "SECONDS")]
    heartbeat: f64,
    /// Open `POST /hnp-sim/faults` on the embedded API server, for tests
    #[arg(long, hide = true)]
    faults: bool,
}

impl Liveliness {
    /// The seed.
    pub(super) fn seed(self) -> u64 {
        self.seed
    }
}

/// Arguments of `hnp sim`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp sim\n  hnp sim --listen 127.0.0.1:16443 --scale large --churn 200\n  kubectl --kubeconfig data/sim.kubeconfig get switches -w"
)]
pub(super) struct Args {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    listen: SocketAddr,
    /// Where to write the kubeconfig
    #[arg(long, default_value = "data/sim.kubeconfig", value_name = "FILE")]
    kubeconfig_out: PathBuf,
    #[command(flatten)]
    liveliness: Liveliness,
}

pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let (config, _) = configure(&Flags { file, ..Flags::default() })?;
    telemetry::init(&config.log, config.log_format);
    let work = async {
        let mut house = House::default();
        let listener = TcpListener::bind(args.listen)
            .await
            .with_context(|| format!("could not listen on {}", args.listen))?;
        let entry = start(&mut house, listener, "sim", args.liveliness, args.liveliness.seed)?;
        write_kubeconfig(&args.kubeconfig_out, &[entry])?;
        announce(&args.kubeconfig_out);
        house.add("signals", asked_to_stop);
        house.run().await
    };
    runtime()?
        .block_on(work)
        .map_err(|error| Failure::new(error, "choose another `--listen` or `--kubeconfig-out`"))
        .map(|()| 0)
}

#[expect(clippy::print_stdout, reason = "scripts read the path from the first line")]
fn announce(path: &Path) {
    println!("{}", path.display());
}

/// Starts an embedded cluster with its life on a listener.
pub(super) fn start(
    house: &mut House,
    listener: TcpListener,
    name: &str,
    liveliness: Liveliness,
    seed: u64,
) -> anyhow::Result<ContextEntry> {
    let address = listener.local_addr().context("could not read the listener's address")?;
    let fault_route = if liveliness.faults { FaultRoute::Open } else { FaultRoute::Closed };
    let options = Options {
        seed,
        admission: Admission::Hedgehog,
        crds: domain::crd::crds(),
        fault_route,
        tokens: tokens(),
        ..Options::default()
    };
    let cluster = Cluster::new(options);
    let scale = match liveliness.scale {
        Scale::Small => seed::Scale::Small,
        Scale::Vlab => seed::Scale::Vlab,
        Scale::Large => seed::Scale::Large,
    };
    populate(&cluster, seed::fabric(scale, seed, now_ms())).map_err(|status| {
        anyhow::anyhow!("the seed holds an object that its own API server refuses: {status}")
    })?;
    let heartbeat =
        (liveliness.heartbeat > 0.0).then(|| Duration::from_secs_f64(liveliness.heartbeat));
    let (land, life) = Land::settle(
        cluster.clone(),
        seed,
        LifeOptions { heartbeat, churn_per_second: liveliness.churn },
        now_ms(),
    );
    // Over TLS, since kubectl sends no token in clear.
    let tls =
        Tls::self_signed().context("could not make a certificate for the embedded API server")?;
    let ca_pem = Some(tls.ca_pem().to_owned());
    let serving = cluster.clone();
    house.add("embedded API server", move |cancel| async move {
        serving.serve_tls(listener, tls, cancel).await.context("the embedded API server failed")
    });
    house.add("life of the embedded cluster", move |cancel| async move {
        live(land, life, now_ms, cancel).await;
        Ok(())
    });
    let token =
        cluster.tokens().of_user("admin").map(|token| token.secret.clone()).unwrap_or_default();
    Ok(ContextEntry {
        name: name.to_owned(),
        server: format!("https://{address}"),
        ca_pem,
        token,
        namespace: "default".to_owned(),
    })
}

/// Well-known tokens would let any page on this machine's browser guess them: make new ones.
fn tokens() -> Tokens {
    let secret = || {
        let mut bytes = [0_u8; 16];
        rand::fill(&mut bytes);
        domain::hex::hex(&bytes)
    };
    Tokens::three(&secret(), &secret(), &secret())
}

/// Writes a kubeconfig that only its owner may read.
pub(super) fn write_kubeconfig(path: &Path, contexts: &[ContextEntry]) -> anyhow::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("could not make {}", folder.display()))?;
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("could not write {}", path.display()))?;
    file.write_all(kubeconfig(contexts).as_bytes())
        .with_context(|| format!("could not write {}", path.display()))
}
