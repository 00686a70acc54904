//! `hnp user`: accounts, on the database itself. This is the way back in where nobody can sign in any more.
//!
//! Invariant: no password is an argument; whatever is done is in the audit log as done at the console.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use domain::{
    access::{Rights, Role},
    account::UserName,
    topic::FabricId,
};
use engine::store::directory::User;
use serde_json::Value;

use super::{
    Outcome,
    offline::{
        Place, failure, minute, parse_fabric, parse_grant, parse_role, parse_user, password,
        rights, say, say_json, table, with_people,
    },
};
use crate::{
    people::{People, PeopleError},
    web::api::users::{described, source},
};

/// Arguments of `hnp user`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp user add ann --role operator\n  hnp user grant ann admin --fabric lab\n  hnp user passwd admin\n  hnp user list --json\n\nIt works on the database that the configuration names, while a server runs and while none does;\na running server follows within a second."
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a user
    #[command(
        after_help = "Examples:\n  hnp user add ann --role viewer\n  hnp user add ben --on prod=operator --on lab=admin\n  pass show hnp/ann | hnp user add ann --role admin --password-stdin"
    )]
    Add {
        /// Name: letters, digits and . _ - @ +
        name: String,
        /// Role on every fabric: viewer, operator or admin
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
        /// Role on one fabric; may be given several times
        #[arg(long, value_name = "FABRIC=ROLE", value_parser = parse_grant)]
        on: Vec<(FabricId, Role)>,
        /// Read the password from stdin instead of the terminal
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List the users
    #[command(after_help = "Examples:\n  hnp user list\n  hnp user list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Set a password; all sessions of the user end
    #[command(
        after_help = "Examples:\n  hnp user passwd admin\n  pass show hnp/admin | hnp user passwd admin --password-stdin"
    )]
    Passwd {
        #[command(flatten)]
        who: Who,
        /// Read the password from stdin instead of the terminal
        #[arg(long)]
        password_stdin: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Let a user sign in no more; their sessions end, their tokens do not work
    #[command(after_help = "Example:\n  hnp user disable ann")]
    Disable {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        place: Place,
    },
    /// Let a user sign in again
    #[command(after_help = "Example:\n  hnp user enable ann")]
    Enable {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        place: Place,
    },
    /// Give a role everywhere or on one fabric, instead of the one held there
    #[command(
        after_help = "Examples:\n  hnp user grant ann viewer\n  hnp user grant ann operator --fabric prod"
    )]
    Grant {
        #[command(flatten)]
        who: Who,
        /// viewer, operator or admin
        #[arg(value_parser = parse_role)]
        role: Role,
        /// On this fabric alone
        #[arg(long, value_parser = parse_fabric)]
        fabric: Option<FabricId>,
        #[command(flatten)]
        place: Place,
    },
    /// Take the role everywhere, or that on one fabric
    #[command(after_help = "Examples:\n  hnp user revoke ann\n  hnp user revoke ann --fabric prod")]
    Revoke {
        #[command(flatten)]
        who: Who,
        /// On this fabric alone
        #[arg(long, value_parser = parse_fabric)]
        fabric: Option<FabricId>,
        #[command(flatten)]
        place: Place,
    },
    /// Remove a user with sessions and tokens; what they did stays in the audit log
    #[command(after_help = "Example:\n  hnp user remove ann")]
    Remove {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        place: Place,
    },
}

#[derive(Debug, ClapArgs)]
struct Who {
    /// Name of the user
    #[arg(value_parser = parse_user)]
    name: UserName,
}

pub(super) fn run(args: Args, file: Option<PathBuf>) -> Outcome {
    match args.command {
        Command::Add { name, role, on, password_stdin, place } => {
            let password = password(password_stdin)?;
            with_people(&place, file, |people, _| async move {
                add(&people, &name, &password, rights(role, &on)).await
            })
        }
        Command::List { json, place } => with_people(&place, file, |_, registrar| async move {
            let users = registrar.directory().users().await;
            let users = users.map_err(|error| failure("could not list the users", error.into()))?;
            list(&users, json);
            Ok(0)
        }),
        Command::Passwd { who: Who { name }, password_stdin, place } => {
            let password = password(password_stdin)?;
            with_people(&place, file, |people, _| async move {
                let done = people.reset_password(&name, &password).await;
                done.map_err(|error| {
                    failure(&format!("could not set the password of {name}"), error)
                })?;
                say(&format!("{name} has a new password; their sessions ended"));
                Ok(0)
            })
        }
        Command::Disable { who, place } => enable(who.name, &place, file, false),
        Command::Enable { who, place } => enable(who.name, &place, file, true),
        Command::Grant { who, role, fabric, place } => {
            regrant(who.name, &place, file, move |rights| {
                granted(rights, fabric.clone(), Some(role))
            })
        }
        Command::Revoke { who, fabric, place } => {
            regrant(who.name, &place, file, move |rights| granted(rights, fabric.clone(), None))
        }
        Command::Remove { who: Who { name }, place } => {
            with_people(&place, file, |people, _| async move {
                let done = people.delete(&name).await;
                done.map_err(|error| failure(&format!("could not remove {name}"), error))?;
                say(&format!("{name} was removed with their sessions and tokens"));
                Ok(0)
            })
        }
    }
}

async fn add(people: &People, name: &str, password: &str, rights: Rights) -> Outcome {
    let made = people.create(name, password, rights).await;
    let user = made.map_err(|error| failure("could not make the user", error))?;
    say(&format!("{} may sign in; roles: {}", user.name, user.rights));
    if user.rights.is_empty() {
        say(&format!("give a role with: hnp user grant {} viewer", user.name));
    }
    Ok(0)
}

fn list(users: &[User], json: bool) {
    if json {
        let users: Value = users.iter().map(described).collect();
        return say_json(&users);
    }
    let rows: Vec<[String; 5]> = users
        .iter()
        .map(|user| {
            let state = if user.enabled { "enabled" } else { "disabled" };
            [
                user.name.to_string(),
                state.to_owned(),
                user.rights.to_string(),
                source(user).to_owned(),
                minute(user.seen_ms),
            ]
        })
        .collect();
    table(["NAME", "STATE", "ROLES", "SIGNS IN BY", "LAST SEEN"], &rows);
}

fn enable(name: UserName, place: &Place, file: Option<PathBuf>, enabled: bool) -> Outcome {
    with_people(place, file, |people, _| async move {
        let (verb, said) = if enabled {
            ("enable", "may sign in again")
        } else {
            ("disable", "may sign in no more; their sessions ended")
        };
        let done = people.set_enabled(&name, enabled).await;
        done.map_err(|error| failure(&format!("could not {verb} {name}"), error))?;
        say(&format!("{name} {said}"));
        Ok(0)
    })
}

/// Replaces one role and keeps the others.
fn granted(mut rights: Rights, fabric: Option<FabricId>, role: Option<Role>) -> Rights {
    match (fabric, role) {
        (None, role) => rights.everywhere = role,
        (Some(fabric), Some(role)) => {
            rights.fabrics.insert(fabric, role);
        }
        (Some(fabric), None) => {
            rights.fabrics.remove(&fabric);
        }
    }
    rights
}

fn regrant(
    name: UserName,
    place: &Place,
    file: Option<PathBuf>,
    change: impl FnOnce(Rights) -> Rights,
) -> Outcome {
    with_people(place, file, |people, _| async move {
        let changed = async {
            let user = people.user(&name).await?;
            let rights = change(user.rights);
            people.expecting(Some(user.revision)).set_rights(&name, rights.clone()).await?;
            Ok::<_, PeopleError>(rights)
        };
        let rights = changed.await;
        let rights = rights
            .map_err(|error| failure(&format!("could not change the roles of {name}"), error))?;
        say(&format!("{name} has now: {rights}"));
        Ok(0)
    })
}
