//! `hnp fabric`: registered fabrics, on the database itself; a server that runs on it notices within a second.
//!
//! Invariant: credentials come from a file or from stdin, never from an argument; none is printed.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::{Args as ClapArgs, Subcommand};
use domain::{
    access::Means,
    audit::Doer,
    connection::{
        Access, Examination, LARGEST_KUBECONFIG, LARGEST_TOKEN, Outcome as Found, Secret,
    },
    topic::FabricId,
};
use engine::{cluster::kubeconfig::Permissions, hub::Hub};
use serde_json::{Value, json};

use super::{
    Failure, Outcome,
    kept::{Place, minute, say, say_json, table, with_kept},
};
use crate::{
    config::{Canary, KubeconfigRules},
    fabrics::{
        examine,
        input::{self, AccessInput, WatchInput},
        register::{Change, Entry, New, Register, RegisterError},
    },
    records::Kept,
    registrar::{Registrar, Terms},
};

/// Arguments of `hnp fabric`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp fabric add --kubeconfig prod.yaml --name prod\n  hnp fabric list\n  hnp fabric test prod\n  hnp fabric remove prod --yes"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register a fabric; its cluster need not be there
    #[command(
        after_help = "Examples:\n  kubectl config view --raw --flatten --minify > prod.yaml && hnp fabric add --kubeconfig prod.yaml --name prod\n  hnp fabric add --name lab --server https://10.0.0.1:6443 --authority ca.pem < token\n  hnp fabric add --name here --in-cluster --kind Switch --kind Connection --namespace default"
    )]
    Add(Box<Add>),
    /// List the registered fabrics
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show how a fabric is connected and watched, without credentials
    Show {
        /// The fabric
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a fabric off: it is no longer watched, what was recorded stays
    Disable {
        /// The fabric
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Switch a fabric on again
    Enable {
        /// The fabric
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a fabric with all that was recorded of it
    #[command(
        after_help = "Examples:\n  hnp fabric remove prod          says what would be lost\n  hnp fabric remove prod --yes    removes it"
    )]
    Remove {
        /// The fabric
        name: String,
        /// Remove it, instead of saying what would be lost
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Test a fabric's connection step by step; exit code 1 where it does not work
    Test {
        /// The fabric
        name: String,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// Arguments of `hnp fabric add`.
#[derive(Debug, ClapArgs)]
struct Add {
    /// Kubeconfig to read (`-`: stdin)
    #[arg(long, value_name = "FILE", required_unless_present_any = ["server", "in_cluster"], conflicts_with_all = ["server", "in_cluster"])]
    kubeconfig: Option<PathBuf>,
    /// Its context (default: the current one)
    #[arg(long, requires = "kubeconfig")]
    context: Option<String>,
    /// Address of the API server; the token is read from stdin
    #[arg(long, value_name = "URL", conflicts_with = "in_cluster")]
    server: Option<String>,
    /// Certificates of the authorities to trust, PEM (default: those of the system)
    #[arg(long, value_name = "FILE", requires = "server")]
    authority: Option<PathBuf>,
    /// Name that the certificate must carry (default: the address's host)
    #[arg(long, value_name = "HOST", requires = "server")]
    tls_server_name: Option<String>,
    /// Use the service account of the pod that the server runs in
    #[arg(long)]
    in_cluster: bool,
    /// Name of the fabric (default: after the context)
    #[arg(long)]
    name: Option<String>,
    /// Kind to watch; may be given several times (default: all)
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Namespace to watch; may be given several times (default: all)
    #[arg(long, value_name = "NAMESPACE")]
    namespace: Vec<String>,
    /// Label selector of what to watch
    #[arg(long, value_name = "SELECTOR")]
    labels: Option<String>,
    /// Register it switched off
    #[arg(long)]
    disabled: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) fn run(args: Args, file: Option<PathBuf>) -> Outcome {
    match args.command {
        Command::Add(add) => on(&add.place.clone(), file, |register| add_one(register, *add)),
        Command::List { json, place } => on(&place, file, move |register| list(register, json)),
        Command::Show { name, json, place } => {
            on(&place, file, move |register| show(register, name, json))
        }
        Command::Disable { name, place } => {
            on(&place, file, move |register| switch(register, name, false))
        }
        Command::Enable { name, place } => {
            on(&place, file, move |register| switch(register, name, true))
        }
        Command::Remove { name, yes, place } => {
            on(&place, file, move |register| remove(register, name, yes))
        }
        Command::Test { name, json, place } => {
            on(&place, file, move |register| test(register, name, json))
        }
    }
}

/// Does something with the register of the database that the configuration names.
fn on<F: Future<Output = Outcome>>(
    place: &Place,
    file: Option<PathBuf>,
    work: impl FnOnce(Register) -> F,
) -> Outcome {
    with_kept(place, file, |config, Kept { store, directory, vault }| {
        let registrar = Registrar::new(directory, Arc::new(Hub::new()), Terms::default());
        let KubeconfigRules { exec, files } = config.kubeconfig;
        let register = Register::new(registrar, store, vault, Permissions { exec, files });
        work(register.measuring(config.canary == Canary::Lease))
    })
}

/// Who runs commands on the server's own database.
fn console() -> Doer {
    Doer { user: None, means: Means::Console, credential: None, from: None }
}

fn failure(doing: &str, error: RegisterError) -> Failure {
    let advice = match &error {
        RegisterError::Wrong(_) => "mend what the cause names",
        RegisterError::Missing(_) => "see `hnp fabric list`",
        RegisterError::Given(_) => "choose another name",
        RegisterError::Vault(_) => "see whether the server's key file is there and readable",
        RegisterError::Order(_) => "mend what the cause names, then run it again",
    };
    Failure::new(anyhow::Error::new(error).context(doing.to_owned()), advice)
}

fn named(name: &str) -> Result<FabricId, Failure> {
    input::name(name).map_err(|complaint| {
        let error = anyhow::anyhow!(complaint.problem).context("this names no fabric");
        Failure::new(error, "see `hnp fabric list`")
    })
}

/// Reads a file that a person named, or stdin, up to a bound.
fn read(path: &Path, most: usize) -> Result<String, Failure> {
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    let mut text = String::new();
    let source: Result<Box<dyn std::io::Read>, _> = if path == Path::new("-") {
        Ok(Box::new(std::io::stdin()))
    } else {
        std::fs::File::open(path).map(|file| Box::new(file) as Box<dyn std::io::Read>)
    };
    let read = source.and_then(|source| source.take(limit).read_to_string(&mut text));
    let read = read.with_context(|| format!("could not read {}", path.display()));
    read.map_err(|error| Failure::new(error, "name a file that can be read"))?;
    Ok(text)
}

fn entered(add: &Add) -> Result<AccessInput, Failure> {
    if let Some(path) = &add.kubeconfig {
        let kubeconfig = Secret::new(read(path, LARGEST_KUBECONFIG)?);
        return Ok(AccessInput::Kubeconfig { kubeconfig, context: add.context.clone() });
    }
    let Some(server) = &add.server else { return Ok(AccessInput::InCluster {}) };
    let authority = add.authority.as_deref().map(|path| read(path, LARGEST_KUBECONFIG));
    Ok(AccessInput::Direct {
        server: server.clone(),
        authority: authority.transpose()?,
        token: Secret::new(read(Path::new("-"), LARGEST_TOKEN)?.trim()),
        tls_server_name: add.tls_server_name.clone(),
    })
}

async fn add_one(register: Register, add: Add) -> Outcome {
    let doing = "could not register the fabric";
    let wrong = |complaints| failure(doing, RegisterError::Wrong(complaints));
    let access = entered(&add)?.read(register.permissions()).await.map_err(wrong)?;
    let name = add.name.clone().or_else(|| match &access {
        Access::Kubeconfig { text, context } => {
            let meant = || input::contexts(text).and_then(|contexts| contexts.meant);
            let context = context.clone().or_else(meant)?;
            Some(FabricId::from_context(&context).to_string())
        }
        Access::Direct { .. } | Access::InCluster => None,
    });
    let id = input::name(&name.unwrap_or_default()).map_err(|complaint| wrong(vec![complaint]))?;
    let Add { kind, namespace: namespaces, labels, disabled, .. } = add;
    let kinds = Some(kind).filter(|kinds| !kinds.is_empty());
    let watch = WatchInput { kinds, namespaces, labels }.read().map_err(wrong)?;
    let new = New { id: id.clone(), access, watch, enabled: !disabled };
    register.create(new, console()).await.map_err(|error| failure(doing, error))?;
    say(&format!("fabric {id} is registered; a running server watches it within a second"));
    say(&format!("see whether it works: hnp fabric test {id}"));
    Ok(0)
}

fn told(Entry { fabric, settings }: &Entry) -> Value {
    json!({
        "name": fabric.id, "enabled": fabric.enabled, "access": settings.access,
        "watch": {
            "kinds": settings.watch.kinds,
            "namespaces": settings.watch.namespaces,
            "labels": settings.watch.labels,
        },
        "created_ms": fabric.created_ms, "changed_ms": fabric.changed_ms,
        "revision": fabric.revision,
    })
}

async fn list(register: Register, json: bool) -> Outcome {
    let all = register.all().await;
    let all = all.map_err(|error| failure("could not list the fabrics", error))?;
    if json {
        say_json(&json!(all.iter().map(told).collect::<Vec<_>>()));
        return Ok(0);
    }
    let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let rows: Vec<[String; 5]> = all
        .iter()
        .map(|Entry { fabric, settings }| {
            let state = if fabric.enabled { "on" } else { "off" };
            let (server, context) = (dash(&settings.access.server), dash(&settings.access.context));
            let changed = minute(Some(fabric.changed_ms));
            [fabric.id.to_string(), state.to_owned(), server, context, changed]
        })
        .collect();
    table(["FABRIC", "STATE", "SERVER", "CONTEXT", "CHANGED"], &rows);
    Ok(0)
}

async fn show(register: Register, name: String, json: bool) -> Outcome {
    let entry = register.one(&named(&name)?).await;
    let entry = entry.map_err(|error| failure("could not show the fabric", error))?;
    let told = told(&entry);
    if json {
        say_json(&told);
        return Ok(0);
    }
    let mut lines = Vec::new();
    flatten("", &told, &mut lines);
    table(["FIELD", "VALUE"], &lines);
    Ok(0)
}

/// A value as lines: one for each leaf.
fn flatten(path: &str, value: &Value, lines: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                flatten(&path, value, lines);
            }
        }
        Value::String(text) => lines.push([path.to_owned(), text.clone()]),
        other => lines.push([path.to_owned(), other.to_string()]),
    }
}

async fn switch(register: Register, name: String, on: bool) -> Outcome {
    let id = named(&name)?;
    let change = Change { enabled: Some(on), ..Change::default() };
    let done = register.change(&id, change, None, console()).await;
    done.map_err(|error| failure("could not switch the fabric", error))?;
    say(&format!("fabric {id} is switched {}", if on { "on" } else { "off" }));
    Ok(0)
}

async fn remove(register: Register, name: String, yes: bool) -> Outcome {
    let id = named(&name)?;
    let doing = "could not remove the fabric";
    let lost = if yes {
        register.remove(&id, None, console()).await
    } else {
        match register.one(&id).await {
            Ok(_) => register.lost(&id).await,
            Err(error) => Err(error),
        }
    };
    let lost = lost.map_err(|error| failure(doing, error))?;
    let users: Vec<String> = lost.users.iter().map(ToString::to_string).collect();
    let word = if yes { "lost with it" } else { "would be lost" };
    let since = minute(lost.since_ms);
    say(&format!("{word}: {} events since {since}, {} changes", lost.events, lost.changes));
    say(&format!(
        "roles that name it: {}",
        if users.is_empty() { "none".to_owned() } else { users.join(", ") }
    ));
    say(&format!("tokens that name it: {}", lost.tokens.len()));
    if yes {
        say(&format!("fabric {id} is removed"));
    } else {
        say(&format!("nothing was removed; to do it: hnp fabric remove {id} --yes"));
    }
    Ok(0)
}

async fn test(register: Register, name: String, json: bool) -> Outcome {
    let id = named(&name)?;
    let entry = register.one(&id).await;
    let entry = entry.map_err(|error| failure("could not test the fabric", error))?;
    let found = examine::registered(&register, &entry, console()).await;
    if json {
        say_json(&json!(found));
    } else {
        report(&found);
    }
    Ok(u8::from(found.outcome() == Found::Failed))
}

fn report(found: &Examination) {
    let rows: Vec<[String; 4]> = found
        .steps
        .iter()
        .map(|step| {
            let says = match &step.remedy {
                Some(remedy) => format!("{}; try: {remedy}", step.says),
                None => step.says.clone(),
            };
            let took = if step.ms > 0 { format!("{} ms", step.ms) } else { String::new() };
            [step.stage.word().to_owned(), step.outcome.word().to_owned(), took, says]
        })
        .collect();
    table(["STEP", "RESULT", "TOOK", "FOUND"], &rows);
    if let Some(grant) = &found.grant {
        say("\n# What grants the missing rights: kubectl apply -f -");
        say(grant);
    }
}
