//! `hnp demo`: the whole product on embedded parts.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args as ClapArgs;
use domain::topic::FabricId;
use domain::{
    access::{Means, Rights, Role},
    account::UserName,
    audit::{Act, Deed, Doer},
};
use engine::{
    clock::now_ms,
    cluster::kubeconfig,
    fabric,
    store::directory::{NewUser, Order},
};
use tokio::net::TcpListener;

use super::{
    Failure, Outcome, configure, runtime,
    serve::{Served, listen, serve},
    sim::{Liveliness, start, write_kubeconfig},
};
use crate::{
    config::{Config, Flags, KeySource},
    records::{self, Kept},
    registrar::password::Passwords,
    run::House,
    telemetry,
};

/// Most fabrics that one demo starts.
const MOST_FABRICS: u32 = 100;

/// Arguments of `hnp demo`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp demo\n  hnp demo --fabrics 3 --seed 42\n  hnp demo --scale large --churn 200\n  kubectl --kubeconfig data/demo.kubeconfig get switches"
)]
pub(super) struct Args {
    /// Number of fabrics: `demo`, `demo-2`, …
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_FABRICS)))]
    fabrics: u32,
    #[command(flatten)]
    liveliness: Liveliness,
    /// Where to listen
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Where data lies; the demo's own is in its folder `demo`
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

pub(super) fn run(args: &Args, file: Option<PathBuf>) -> Outcome {
    let flags = Flags { file, listen: args.listen.clone(), data_dir: args.data_dir.clone() };
    let (config, _) = configure(&flags)?;
    if !config.listen.ip().is_loopback() {
        let error = anyhow::anyhow!("the demo would listen on {}", config.listen);
        let error = error.context("the demo is for this machine only: its passwords are known");
        return Err(Failure::new(error, "listen on 127.0.0.1, or use `hnp serve`").with_code(2));
    }
    telemetry::init(&config.log, config.log_format);
    runtime()?.block_on(async {
        // First of all, so that a second demo takes nothing from the one that runs.
        let listener = listen(&config).await?;
        let unwritable = |error| Failure::new(error, "see whether the data folder can be written");
        let mut config = config;
        let folder = config.data_dir.join("demo");
        fresh_folder(&folder).map_err(unwritable)?;
        config.open_metrics = true;
        config.database_url = Some(format!("sqlite://{}", folder.join("hnp.db").display()));
        // Its key lies beside its database.
        let own = Config { key: KeySource::File(folder.join("secret.key")), ..config.clone() };
        let records = records::open(&own).await?;
        run_on(listener, config, records, args).await.map_err(unwritable)
    })?;
    Ok(0)
}

async fn run_on(
    listener: TcpListener,
    config: Config,
    records: Kept,
    args: &Args,
) -> anyhow::Result<()> {
    accounts(&records).await?;
    let mut house = House::default();
    let contexts = clusters(&mut house, args).await?;
    let path = config.data_dir.join("demo.kubeconfig");
    write_kubeconfig(&path, &contexts)?;
    let mut fabrics = Vec::new();
    for context in &contexts {
        let target = kubeconfig::target(&path, Some(&context.name)).await?;
        fabrics.push(fabric::Plan::new(FabricId::from_context(&context.name), target));
    }
    let greeting = greeting(&path, args.fabrics);
    serve(listener, Served { config, records, fabrics, greeting }, house).await
}

/// Password of the demo's accounts: on loopback only, over made-up fabrics.
const DEMO_PASSWORD: &str = "hnp-demo";

/// One account per role.
async fn accounts(records: &Kept) -> anyhow::Result<()> {
    let password = Passwords::new().hash(DEMO_PASSWORD).await?;
    let doer = Doer { user: None, means: Means::Console, credential: None, from: None };
    for role in Role::ALL {
        let name: UserName = role.word().parse()?;
        let deed = Deed::done(doer.clone(), Act::UserCreate, format!("user/{name}"))
            .because("an account of the demo");
        let password = Some(password.clone());
        let user = NewUser { name, password, oidc: None, rights: Rights::everywhere(role) };
        let made = records.directory.order(Order::CreateUser(user), &deed, now_ms()).await;
        made.context("could not make the demo's accounts")?;
    }
    Ok(())
}

async fn clusters(house: &mut House, args: &Args) -> anyhow::Result<Vec<sim::ContextEntry>> {
    let mut contexts = Vec::new();
    for number in 1..=args.fabrics {
        let name = if number == 1 { "demo".to_owned() } else { format!("demo-{number}") };
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("could not open a port for an embedded API server")?;
        let seed = args.liveliness.seed().wrapping_add(u64::from(number) - 1);
        contexts.push(start(house, listener, &name, args.liveliness, seed)?);
    }
    Ok(contexts)
}

/// The demo starts anew each time; a mark keeps `hnp serve` away from its data.
fn fresh_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.join("demo-only").exists() {
        std::fs::remove_dir_all(folder)
            .with_context(|| format!("could not clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("could not make {}", folder.display()))?;
    std::fs::write(
        folder.join("demo-only"),
        "Made by `hnp demo`, which clears this folder each time it starts.\n",
    )
    .with_context(|| format!("could not write to {}", folder.display()))
}

fn greeting(path: &Path, fabrics: u32) -> String {
    let path = path.display();
    let plural = if fabrics == 1 { "" } else { "s" };
    format!(
        "\n\n  {fabrics} demo fabric{plural} in embedded API servers, this machine only
  sign in as admin, operator or viewer with the password {DEMO_PASSWORD}
  try: kubectl --kubeconfig {path} get switches
       kubectl --kubeconfig {path} patch switch leaf-01 --type merge -p '{{\"spec\":{{\"description\":\"hello\"}}}}'
       hnp watch --kubeconfig {path} --for 30s
  Ctrl-C stops it\n"
    )
}
