//! `hnp check`: is everything there that the console needs, and what to do where it is not?
//!
//! Invariant: no cluster is changed, no key is made; a secret is in no finding; what was not asked is
//! skipped, never well.

use std::{net::TcpListener, path::PathBuf};

use clap::Args as ClapArgs;
use domain::{
    connection::{Access, Examination, Outcome, Secret, Stage, WatchPlan},
    topic::FabricId,
};
use engine::{
    cluster::{
        access::{self, AccessError},
        examine::{self, Asked},
        kubeconfig::{self, Permissions},
        target::Target,
    },
    store::{
        Store as _,
        directory::{Directory as _, Fabric},
        sqlite::SqliteStore,
    },
    vault::{KEY_FACT, Vault},
};
use futures::StreamExt as _;
use serde::Serialize;
use serde_json::json;

use super::{Failure, configure, runtime};
use crate::{
    config::{Canary, Config, Flags, KeySource},
    records, telemetry,
    web::tls::Certificate,
};

/// Clusters that are looked at at the same time: each waits for a network most of the time.
const AT_ONCE: usize = 8;

/// Arguments of `hnp check`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp check\n  hnp check --fabric prod\n  hnp check --kubeconfig ~/.kube/config --json\n\nThe database is opened as `hnp serve` opens it, which brings an older schema up to date.\nExit code: 0 nothing failed (there may be warnings); 1 something did; 2 the configuration does not read."
)]
pub(super) struct Args {
    /// Look at this registered fabric only (default: all that are enabled)
    #[arg(long, value_name = "NAME", conflicts_with = "kubeconfig")]
    fabric: Option<FabricId>,
    /// Look at the cluster of this kubeconfig instead
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context to use instead of the current one
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// One JSON object
    #[arg(long)]
    json: bool,
    /// Where data lies
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
}

/// What was found about one thing.
#[derive(Debug, Serialize)]
struct Finding {
    area: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fabric: Option<String>,
    outcome: Outcome,
    says: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

impl Finding {
    fn well(area: &'static str, says: impl Into<String>) -> Self {
        Self { area, fabric: None, outcome: Outcome::Ok, says: says.into(), remedy: None }
    }

    fn skipped(area: &'static str, says: impl Into<String>) -> Self {
        Self { outcome: Outcome::Skipped, ..Self::well(area, says) }
    }

    fn warning(area: &'static str, says: impl Into<String>, remedy: &str) -> Self {
        let remedy = Some(remedy.to_owned());
        Self { outcome: Outcome::Warning, remedy, ..Self::well(area, says) }
    }

    fn failed(area: &'static str, error: impl Into<anyhow::Error>, remedy: &str) -> Self {
        let error = format!("{:#}", error.into());
        Self { outcome: Outcome::Failed, ..Self::warning(area, error, remedy) }
    }
}

pub(super) fn run(args: &Args, file: Option<PathBuf>) -> super::Outcome {
    let flags = Flags { file, data_dir: args.data_dir.clone(), ..Flags::default() };
    let (config, _) = configure(&flags)?;
    telemetry::init("error", config.log_format);
    let (findings, examinations) = runtime()?.block_on(look(args, &config));
    let failed = findings.iter().any(|found| found.outcome == Outcome::Failed);
    if args.json {
        print_json(!failed, &findings, &examinations)?;
    } else {
        print(&findings);
    }
    Ok(u8::from(failed))
}

type Examinations = Vec<(String, Examination)>;

async fn look(args: &Args, config: &Config) -> (Vec<Finding>, Examinations) {
    let mut findings = vec![configuration(config), folder(config), address(config)];
    findings.extend(certificate(config));
    findings.extend(provider(config).await);
    let kept = database(config, &mut findings).await;
    let keys = match &kept {
        Some(kept) => key(config, kept, &mut findings).await,
        None => None,
    };
    let targets = match (&args.kubeconfig, &kept) {
        (Some(path), _) => given(path, args.context.as_deref()).await,
        (None, Some(kept)) => {
            registered(args.fabric.as_ref(), config, kept, keys.as_ref(), &mut findings).await
        }
        (None, None) => Vec::new(),
    };
    let canary = config.canary == Canary::Lease;
    let examined = futures::stream::iter(targets.into_iter().map(async |(name, made, plan)| {
        (name, examine::examine(&made, Asked { plan: &plan, canary }, None).await)
    }));
    let examinations: Examinations = examined.buffered(AT_ONCE).collect().await;
    for (name, examination) in &examinations {
        findings.extend(of_fabric(name, examination));
    }
    if let Some(kept) = kept {
        kept.close().await;
    }
    (findings, examinations)
}

fn configuration(config: &Config) -> Finding {
    let exposed = !config.listen.ip().is_loopback() && !config.is_https();
    if exposed {
        let says = format!("others reach {} in clear (`insecure_http`)", config.listen);
        return Finding::warning("configuration", says, "set `tls.cert_file` and `tls.key_file`");
    }
    if config.kubeconfig.exec {
        let says = "kubeconfigs that people paste may run commands on this machine";
        let remedy = "unset `kubeconfig.allow_exec` unless you need it";
        return Finding::warning("configuration", says, remedy);
    }
    Finding::well("configuration", "reads, and its values go together")
}

fn folder(config: &Config) -> Finding {
    let folder = &config.data_dir;
    if !folder.exists() {
        return Finding::skipped(
            "data folder",
            format!("{}: made at first start", folder.display()),
        );
    }
    let probe = folder.join(format!(".hnp-check-{}", std::process::id()));
    let written = std::fs::write(&probe, "").and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Finding::well("data folder", format!("{}: can be written", folder.display())),
        Err(error) => {
            let error = anyhow::Error::new(error).context(format!("{}", folder.display()));
            Finding::failed(
                "data folder",
                error,
                "let the user that runs hnp write there, or name another `--data-dir`",
            )
        }
    }
}

fn address(config: &Config) -> Finding {
    match TcpListener::bind(config.listen) {
        Ok(_) => Finding::well("listen address", format!("{}: free", config.listen)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let says = format!("{}: in use", config.listen);
            Finding::warning(
                "listen address",
                says,
                "fine if it is hnp that runs there; else choose another `listen`",
            )
        }
        Err(error) => {
            let error = anyhow::Error::new(error).context(config.listen.to_string());
            Finding::failed(
                "listen address",
                error,
                "choose an address of this machine, and a port that this user may take",
            )
        }
    }
}

fn certificate(config: &Config) -> Option<Finding> {
    let files = config.tls.as_ref()?;
    Some(match Certificate::open(files) {
        Ok(_) => Finding::well("TLS", format!("{}: can be served", files.cert.display())),
        Err(error) => Finding::failed(
            "TLS",
            error,
            "put a certificate and its key there that belong together and whose time is now",
        ),
    })
}

async fn provider(config: &Config) -> Option<Finding> {
    const AREA: &str = "identity provider";
    let provider = match super::serve::provider(config) {
        Ok(provider) => provider?,
        Err(error) => return Some(Finding::failed(AREA, error, "mend what the error names")),
    };
    Some(match provider.look().await {
        Ok(_) if !provider.gives_roles() => {
            let says = format!("{}: answers; it gives nobody a role", provider.host());
            let remedy = "give roles to each person here, or set `oidc.viewer_values` and its like";
            Finding::warning(AREA, says, remedy)
        }
        Ok(keys) => Finding::well(AREA, format!("{}: answers, keys: {keys}", provider.host())),
        Err(trouble) => {
            let remedy = "see whether `oidc.issuer` is what the provider calls itself, and whether this machine reaches it; passwords work meanwhile";
            Finding::failed(AREA, trouble, remedy)
        }
    })
}

async fn database(config: &Config, findings: &mut Vec<Finding>) -> Option<SqliteStore> {
    let place = records::place(config);
    let path = place.strip_prefix("sqlite://").unwrap_or(&place);
    if !place.contains("://") || place.starts_with("sqlite://") {
        let file = path.split('?').next().unwrap_or_default();
        if !std::path::Path::new(file).exists() {
            findings.push(Finding::skipped("database", format!("{file}: made at first start")));
            return None;
        }
    }
    let opened = match SqliteStore::open(&place).await {
        Ok(database) => database.check().await.map(|()| database),
        Err(error) => Err(error),
    };
    match opened {
        Ok(kept) => {
            findings.push(Finding::well(
                "database",
                format!("{path}: opens, and its schema is this version's"),
            ));
            if let Ok(false) = kept.has_users().await {
                let remedy = "start `hnp serve` and open the set-up link that it prints";
                findings.push(Finding::warning("accounts", "nobody has an account yet", remedy));
            }
            Some(kept)
        }
        Err(error) => {
            let Failure { error, advice, .. } = records::failure(error);
            findings.push(Finding::failed("database", error, advice));
            None
        }
    }
}

async fn key(config: &Config, kept: &SqliteStore, findings: &mut Vec<Finding>) -> Option<Vault> {
    let source = records::keys(config);
    let known = match kept.fact(KEY_FACT).await {
        Ok(known) => known,
        Err(error) => {
            findings.push(Finding::failed("secret key", error, "see the database"));
            return None;
        }
    };
    // Opened without a known key, a missing file would be made.
    if let (KeySource::File(path), None) = (&config.key, &known)
        && !path.exists()
    {
        let says = format!("{}: made at first start", path.display());
        findings.push(Finding::skipped("secret key", says));
        return None;
    }
    match Vault::open(source, known.as_deref()) {
        Ok(vault) => {
            let says = format!("{} opens what the database seals", vault.key_id());
            findings.push(Finding::well("secret key", says));
            Some(vault)
        }
        Err(error) => {
            let remedy = "put the key back (`secret_key_file`, mode 0600), or enter the credentials of each fabric again";
            findings.push(Finding::failed("secret key", error, remedy));
            None
        }
    }
}

type Targets = Vec<(String, Result<Target, AccessError>, WatchPlan)>;

async fn given(path: &std::path::Path, context: Option<&str>) -> Targets {
    let made = kubeconfig::target(path, context).await.map_err(AccessError::from);
    let name =
        made.as_ref().map_or_else(|_| path.display().to_string(), |made| made.context.clone());
    vec![(name, made, WatchPlan::default())]
}

async fn registered(
    only: Option<&FabricId>,
    config: &Config,
    kept: &SqliteStore,
    keys: Option<&Vault>,
    findings: &mut Vec<Finding>,
) -> Targets {
    let all = match kept.fabrics().await {
        Ok(all) => all,
        Err(error) => {
            findings.push(Finding::failed("fabrics", error, "see the database"));
            return Vec::new();
        }
    };
    if let Some(only) = only
        && all.iter().all(|fabric| fabric.id != *only)
    {
        let error = anyhow::anyhow!("no fabric `{only}` is registered");
        findings.push(Finding::failed(
            "fabrics",
            error,
            "see `hnp fabric list`, or look at a cluster by `--kubeconfig`",
        ));
    }
    if all.is_empty() && only.is_none() {
        findings.push(Finding::skipped("fabrics", "none is registered"));
    }
    let permissions = Permissions { exec: config.kubeconfig.exec, files: config.kubeconfig.files };
    let mut targets = Vec::new();
    for fabric in all {
        let wanted = only.map_or(fabric.enabled, |only| *only == fabric.id);
        if !wanted {
            if only.is_none() {
                findings.push(of(&fabric.id, Finding::skipped("fabric", "disabled")));
            }
            continue;
        }
        match unsealed(&fabric, keys) {
            Ok(access) => {
                let made = access::target(&access, permissions).await;
                targets.push((fabric.id.to_string(), made, watched(&fabric)));
            }
            Err(error) => {
                let found = Finding::failed("fabric", error, "enter its credentials again");
                findings.push(of(&fabric.id, found));
            }
        }
    }
    targets
}

fn unsealed(fabric: &Fabric, keys: Option<&Vault>) -> anyhow::Result<Access> {
    let Some(sealed) = &fabric.sealed else { anyhow::bail!("its connection was given up") };
    let Some(keys) = keys else {
        anyhow::bail!("its credentials cannot be opened without the key")
    };
    let plain = keys.unseal(&format!("fabric/{}", fabric.id), sealed)?;
    let text =
        std::str::from_utf8(&plain).map_err(|_| anyhow::anyhow!("its credentials do not read"))?;
    Access::from_sealable(&Secret::new(text)).map_err(|error| anyhow::anyhow!("{error}"))
}

/// What of it is watched; what does not read counts as all of it.
fn watched(fabric: &Fabric) -> WatchPlan {
    let settings: Option<serde_json::Value> = serde_json::from_str(&fabric.settings).ok();
    let plan =
        settings.and_then(|mut settings| settings.get_mut("watch").map(serde_json::Value::take));
    plan.and_then(|plan| serde_json::from_value(plan).ok()).unwrap_or_default()
}

fn of(fabric: &FabricId, finding: Finding) -> Finding {
    Finding { fabric: Some(fabric.to_string()), ..finding }
}

/// One finding for each step of a test.
fn of_fabric(name: &str, examination: &Examination) -> Vec<Finding> {
    let steps = examination.steps.iter();
    steps
        .map(|step| Finding {
            area: step.stage.word(),
            fabric: Some(name.to_owned()),
            outcome: step.outcome,
            says: step.says.clone(),
            remedy: step.remedy.clone(),
        })
        .chain(examination.grant.as_ref().map(|_| Finding {
            remedy: Some("`hnp check --json` has it as `grant`".to_owned()),
            ..Finding {
                fabric: Some(name.to_owned()),
                ..Finding::warning(Stage::Rights.word(), "a Role with what is missing is ready", "")
            }
        }))
        .collect()
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print(findings: &[Finding]) {
    let mut shown = None;
    for Finding { area, fabric, outcome, says, remedy } in findings {
        if shown != fabric.as_ref() {
            println!("\n{}", fabric.as_deref().unwrap_or_default());
            shown = fabric.as_ref();
        }
        println!("{:8} {area:20} {says}", outcome.word());
        if let Some(remedy) = remedy {
            println!("{:29} try: {remedy}", "");
        }
    }
    let count = |wanted| findings.iter().filter(|found| found.outcome == wanted).count();
    println!(
        "\n{} ok, {} warnings, {} failed, {} skipped",
        count(Outcome::Ok),
        count(Outcome::Warning),
        count(Outcome::Failed),
        count(Outcome::Skipped)
    );
}

#[expect(clippy::print_stdout, reason = "this is what the command is for")]
fn print_json(
    ok: bool,
    findings: &[Finding],
    examinations: &[(String, Examination)],
) -> Result<(), Failure> {
    let examined: serde_json::Map<String, serde_json::Value> =
        examinations.iter().map(|(name, found)| (name.clone(), json!(found))).collect();
    let text = serde_json::to_string(&json!({"ok": ok, "findings": findings, "fabrics": examined}))
        .map_err(|error| Failure::new(error, "report this as a defect"))?;
    println!("{text}");
    Ok(())
}
