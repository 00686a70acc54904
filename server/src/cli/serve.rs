//! `hnp serve`, and how any command serves the console.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use domain::topic::FabricId;
use engine::{
    cluster::kubeconfig,
    fabric::{self, Reach},
    hub::Hub,
    recorder,
};
use leptos::config::LeptosOptions;
use tokio::{net::TcpListener, runtime::Handle};

use super::{Failure, Outcome, configure, runtime};
use crate::{
    config::{Canary, Config, Flags, KubeconfigRules, Sessions, Sources},
    fabrics::{Fabrics, Given, input, register::Register, running},
    oidc::{OpenError, Provider},
    records::{self, Kept},
    registrar::{Registrar, Terms, secret},
    run::{House, asked_to_stop},
    telemetry,
    web::{self, Front, MetricsAt, guard::Guard, listen, tls::Certificate},
};

/// Arguments of `hnp serve`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp serve --kubeconfig ~/.kube/config\n  hnp serve --kubeconfig prod.yaml --name prod --listen 127.0.0.1:8080\n  hnp serve --print-config"
)]
pub(super) struct Args {
    /// Watch the current context of this kubeconfig
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context to use instead of the current one
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Name of the fabric (default: the context's)
    #[arg(long, requires = "kubeconfig")]
    name: Option<String>,
    /// Where to listen (beyond loopback with TLS or behind a trusted proxy; see docs/configuration.md)
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where data lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Print the configuration and where each value came from, and end
    #[arg(long)]
    print_config: bool,
}

pub(super) fn run(args: Args, file: Option<PathBuf>) -> Outcome {
    let flags = Flags { file, listen: args.listen, data_dir: args.data_dir };
    let (config, sources) = configure(&flags)?;
    if args.print_config {
        print(&sources);
        return Ok(0);
    }
    telemetry::init(&config.log, config.log_format);
    if config.data_dir.join("demo-only").exists() {
        let error = anyhow::anyhow!("{} is the demo's data", config.data_dir.display());
        return Err(Failure::new(
            error,
            "choose another `--data-dir`; the demo's is made anew each time",
        ));
    }
    runtime()?.block_on(async {
        let fabrics = match &args.kubeconfig {
            Some(path) => {
                let target = kubeconfig::target(path, args.context.as_deref()).await;
                let target = target.map_err(|error| {
                    Failure::new(error, "mend the kubeconfig, or choose another `--context`")
                        .with_code(2)
                })?;
                let name = args.name.as_deref().unwrap_or(&target.context);
                let id = if args.name.is_some() {
                    input::name(name).map_err(|complaint| {
                        let error = anyhow::anyhow!("--name: {}", complaint.sentence());
                        Failure::new(error, "choose another `--name`").with_code(2)
                    })?
                } else {
                    FabricId::from_context(name)
                };
                vec![fabric::Plan::new(id, target)]
            }
            None => Vec::new(),
        };
        let listener = listen(&config).await?;
        let records = records::open(&config).await?;
        let served = Served { config, records, fabrics, greeting: String::new() };
        serve(listener, served, House::default())
            .await
            .map_err(|error| Failure::new(error, "see the log above"))
            .map(|()| 0)
    })
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(sources: &Sources) {
    for (key, sourced) in sources {
        println!("{key} = {:?}  # {}", sourced.value, sourced.place);
    }
}

/// What is to be served.
pub(super) struct Served {
    pub(super) config: Config,
    pub(super) records: Kept,
    pub(super) fabrics: Vec<fabric::Plan>,
    /// Printed once it serves, after the address.
    pub(super) greeting: String,
}

/// Serves until asked to stop.
pub(super) async fn serve(
    listener: TcpListener,
    served: Served,
    mut house: House,
) -> anyhow::Result<()> {
    let Served { config, records, fabrics, greeting } = served;
    let metrics = listen_for_metrics(&config).await?;
    let (address, mut front) = open(&config, &listener, &house, records.clone())?;
    front.fabrics = front.fabrics.giving(given(&fabrics));
    let holder = format!("{}:{}", holder_name(), address.port());
    keep_registered(&front, &mut house, holder.clone(), config.canary == Canary::Lease);
    for mut plan in fabrics {
        let opened = recorder::open(
            Arc::clone(&records.store),
            &plan.id,
            holder.clone(),
            recorder::clerk::Pace::default(),
        );
        plan.records = Some(opened.await?);
        plan.canary = config.canary == Canary::Lease;
        fabric::start(plan, &front.hub, &process_epoch(), &house.tracker(), &house.cancel());
    }
    house.add("signals", asked_to_stop);
    let retention = config.history;
    let (kept, terms) = (records.clone(), front.registrar.terms());
    house.add("records", move |cancel| records::look_after(kept, retention, terms, cancel));
    let set_up = invite(&front, &config, address).await?;
    if let Some(listener) = metrics {
        answer_metrics(listener, front.clone(), &mut house);
    }
    answer(listener, front, &mut house);
    announce(&address_of(&config, address), &format!("{greeting}{set_up}"));
    let ended = house.run().await;
    records.store.close().await;
    ended
}

/// The fabrics of the command line.
fn given(plans: &[fabric::Plan]) -> BTreeMap<FabricId, Given> {
    let targets = plans.iter().filter_map(|plan| match &plan.reach {
        Reach::Ready(target) => Some((plan.id.clone(), Given { target: (**target).clone() })),
        Reach::Unusable(_) => None,
    });
    targets.collect()
}

/// Runs the registered fabrics, from now on.
pub fn keep_registered(front: &Front, house: &mut House, holder: String, canary: bool) {
    let means = running::Means {
        register: front.fabrics.register.clone(),
        hub: Arc::clone(&front.hub),
        holder,
        process: process_epoch(),
        canary,
        tracker: house.tracker(),
    };
    house.add("fabrics", move |cancel| running::keep(means, cancel));
}

/// Names this process in leases: its host, so that people know where to look, and something of its own.
fn holder_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    format!("{}/{}-{}", host.trim(), std::process::id(), process_epoch())
}

/// Takes the port, before anything else is touched.
pub(super) async fn listen(config: &Config) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("could not listen on {}", config.listen));
    listener.map_err(|error| Failure::new(error, "choose another `--listen`, or end what uses it"))
}

/// Answers what comes to a listener, until the house ends.
pub fn answer(listener: TcpListener, front: Front, house: &mut House) {
    let registrar = front.registrar.clone();
    house.add("standings", move |cancel| registrar.watch_over(cancel));
    let terms = terms(&front);
    if let Some(certificate) = front.tls.clone() {
        house.add("certificate", move |cancel| certificate.keep_fresh(cancel));
    }
    let router = web::router(front);
    house.add("http", move |cancel| async move {
        listen::serve(listener, router, terms, cancel).await.context("the listener failed")
    });
}

/// On which terms connections are taken.
fn terms(front: &Front) -> listen::Terms {
    let Front { tls, limits, proxies, .. } = front;
    listen::Terms { tls: tls.clone(), limits: *limits, proxies: Arc::clone(proxies) }
}

/// Takes the port for metrics, if they have one of their own.
async fn listen_for_metrics(config: &Config) -> anyhow::Result<Option<TcpListener>> {
    let Some(at) = config.metrics_listen else { return Ok(None) };
    let listener = TcpListener::bind(at).await;
    listener.map(Some).with_context(|| format!("could not listen on {at} (`metrics_listen`)"))
}

/// Serves metrics at their own address, in clear: that network is the operator's.
fn answer_metrics(listener: TcpListener, front: Front, house: &mut House) {
    let terms = listen::Terms { tls: None, ..terms(&front) };
    let router = web::metrics_router(front);
    house.add("metrics", move |cancel| async move {
        listen::serve(listener, router, terms, cancel).await.context("the metrics listener failed")
    });
}

/// While there is no user: a new set-up link, for the console. Another process on the same database may make
/// a newer one; the newest counts.
async fn invite(front: &Front, config: &Config, address: SocketAddr) -> anyhow::Result<String> {
    let directory = front.registrar.directory();
    if directory.has_users().await.context("could not look for users")? {
        return Ok(String::new());
    }
    let token = secret::fresh();
    let kept = directory.set_up_token(&secret::digest(&token)).await;
    kept.context("could not make a set-up link")?;
    let base = config.public_url.clone().unwrap_or_else(|| address_of(config, address));
    Ok(format!(
        "\n\n  Nobody has an account yet. Make the first admin at\n  {base}/setup/{token}\n  The link works once; it is made anew at each start until it was used.\n"
    ))
}

/// The address of a listener, as a browser writes it.
fn address_of(config: &Config, address: SocketAddr) -> String {
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{address}")
}

#[expect(clippy::print_stdout, reason = "the address is what people wait for")]
fn announce(url: &str, greeting: &str) {
    println!("HNP serves at {url}{greeting}");
}

/// A front desk on a listener, without fabrics yet.
pub fn open(
    config: &Config,
    listener: &TcpListener,
    house: &House,
    kept: Kept,
) -> anyhow::Result<(SocketAddr, Front)> {
    let address = listener.local_addr().context("could not read the listener's address")?;
    let site = site(config);
    // Absolute, since Leptos looks beside the executable for a relative one.
    let hash =
        std::path::absolute(site.join("hash.txt")).context("could not tell the current folder")?;
    let options = LeptosOptions::builder()
        .output_name("hnp")
        .site_root(site.display().to_string())
        .site_pkg_dir("pkg")
        .site_addr(address)
        .hash_file(Arc::from(hash.display().to_string()))
        .hash_files(hash.exists())
        .build();
    if !hash.exists() {
        tracing::warn!(site = %site.display(), "the client's files are not there: pages are shown but do not wake up; build them with `make client`");
    }
    let hub = Arc::new(Hub::new());
    let tls = config.tls.as_ref().map(Certificate::open).transpose()?;
    let oidc = provider(config).context("people cannot sign in through the identity provider")?;
    let Sessions { ttl_ms, idle_ms } = config.sessions;
    let terms = Terms { ttl_ms, idle_ms, shortest_password: config.password_min_length };
    let registrar = Registrar::new(kept.directory, Arc::clone(&hub), terms);
    let KubeconfigRules { exec, files } = config.kubeconfig;
    let permissions = kubeconfig::Permissions { exec, files };
    let records = Arc::clone(&kept.store);
    let vault = Arc::clone(&kept.vault);
    let register = Register::new(registrar.clone(), records, kept.vault, permissions)
        .measuring(config.canary == Canary::Lease);
    let fabrics = Fabrics::new(register, Arc::clone(&hub), house.tracker(), house.cancel());
    let front = Front {
        registrar,
        oidc: oidc.map(Arc::new),
        fabrics,
        vault,
        hub,
        records: Some(kept.store),
        secure_cookies: config.is_https(),
        guard: Arc::new(Guard::new(
            address,
            tls.is_some(),
            config.public_url.as_deref(),
            &config.allowed_origins,
        )),
        proxies: Arc::new(config.proxies.clone()),
        tls,
        metrics: match config.metrics_listen {
            Some(_) => MetricsAt::Elsewhere,
            None if config.open_metrics => MetricsAt::Open,
            None => MetricsAt::Here,
        },
        doorman: Arc::default(),
        limits: config.limits,
        options,
        cancel: house.cancel(),
        tracker: house.tracker(),
        home: Handle::try_current().context("there is no runtime")?,
        press: web::pages::Press::new(),
    };
    Ok((address, front))
}

/// The identity provider of a configuration; it is not asked anything.
pub(super) fn provider(config: &Config) -> Result<Option<Provider>, OpenError> {
    let redirect = config.oidc_redirect().unwrap_or_default();
    config.oidc.as_ref().map(|oidc| Provider::open(oidc, &redirect)).transpose()
}

/// Where the client's files lie: as configured, else beside the executable, else where the build puts them.
fn site(config: &Config) -> PathBuf {
    let beside = std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.join("site")))
        .filter(|site| site.exists());
    config.site.clone().or(beside).unwrap_or_else(|| PathBuf::from("target/site"))
}

/// Names this process: the epoch of what has no number of a cluster's.
pub fn process_epoch() -> String {
    let mut id = [0_u8; 6];
    rand::fill(&mut id);
    domain::hex::hex(&id)
}
