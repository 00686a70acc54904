//! What commands share that work on people, whether or not a server runs on the database.
//!
//! Invariant: a password comes from the terminal, without echo, or from stdin; never from an argument or the
//! environment, where other users of the machine could read it.

use std::{
    io::{BufRead as _, IsTerminal as _, Read as _},
    path::PathBuf,
    sync::Arc,
};

use domain::{
    access::{Rights, Role},
    account::UserName,
    topic::FabricId,
};
use engine::{hub::Hub, store::directory::OrderError};

pub(super) use super::kept::{Place, minute, say, say_json, table};
use super::{Failure, Outcome, kept::with_kept};
use crate::{
    people::{People, PeopleError},
    registrar::{Registrar, Terms},
};

/// Longest line that is read as a password, in bytes.
const LONGEST_LINE: u64 = 4_096;

/// Does something to people, on the database that the configuration names.
pub(super) fn with_people<F>(
    place: &Place,
    file: Option<PathBuf>,
    work: impl FnOnce(People, Registrar) -> F,
) -> Outcome
where
    F: Future<Output = Outcome>,
{
    with_kept(place, file, |config, kept| {
        let terms = Terms { shortest_password: config.password_min_length, ..Terms::default() };
        let registrar = Registrar::new(kept.directory, Arc::new(Hub::new()), terms);
        work(People::console(&registrar), registrar)
    })
}

/// Why something was not done, as the command line says it.
pub(super) fn failure(doing: &str, error: PeopleError) -> Failure {
    let advice = match &error {
        PeopleError::Field { field: "name", .. } => "choose another name",
        PeopleError::Field { field: "password" | "new", .. } => "choose another password",
        PeopleError::Field { field: "rights", .. } => {
            "give less with `--role` or `--fabric`, or give its owner more with `hnp user grant`"
        }
        PeopleError::Field { .. } => "mend the value it names; `--help` has examples",
        PeopleError::Needs(_) => "sign in at the console with a browser",
        PeopleError::Throttled { .. } | PeopleError::Password(_) => "wait, then run it again",
        PeopleError::Order(OrderError::Exists { .. }) => {
            "choose another name, or change the one that is there: `hnp user --help`"
        }
        PeopleError::Order(OrderError::Missing { .. }) => {
            "see `hnp user list` and `hnp token list` for what is there"
        }
        PeopleError::Order(OrderError::Changed { .. }) => "run it again",
        PeopleError::Order(OrderError::LastAdmin) => {
            "make another admin first: `hnp user add NAME --role admin`"
        }
        PeopleError::Order(OrderError::TooMany { .. }) => "remove some first",
        PeopleError::Order(OrderError::SetUpUsed | OrderError::Store(_)) => {
            "see whether the database that the configuration names can be read and written"
        }
    };
    Failure::new(anyhow::Error::new(error).context(doing.to_owned()), advice)
}

/// A new password, typed twice at the terminal or read from stdin.
pub(super) fn password(stdin: bool) -> Result<String, Failure> {
    let unread = |error: std::io::Error| {
        let error = anyhow::Error::new(error).context("could not read a password");
        Failure::new(error, "run it in a terminal, or pipe the password and add `--password-stdin`")
    };
    if stdin {
        let mut line = String::new();
        std::io::stdin().lock().take(LONGEST_LINE).read_line(&mut line).map_err(unread)?;
        return Ok(line.trim_end_matches(['\r', '\n']).to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(unread(std::io::Error::other("this is no terminal")));
    }
    let first = rpassword::prompt_password("New password: ").map_err(unread)?;
    let again = rpassword::prompt_password("The same again: ").map_err(unread)?;
    if first != again {
        let error = anyhow::anyhow!("the two passwords differ").context("no password was set");
        return Err(Failure::new(error, "run it again and type the same one twice"));
    }
    Ok(first)
}

/// Reads a user's name.
pub(super) fn parse_user(text: &str) -> Result<UserName, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a role.
pub(super) fn parse_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads a fabric's name.
pub(super) fn parse_fabric(text: &str) -> Result<FabricId, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// Reads `FABRIC=ROLE`.
pub(super) fn parse_grant(text: &str) -> Result<(FabricId, Role), String> {
    let (fabric, role) =
        text.split_once('=').ok_or("write FABRIC=ROLE, for example prod=viewer")?;
    Ok((parse_fabric(fabric)?, parse_role(role)?))
}

/// Rights from a role everywhere and roles on fabrics.
pub(super) fn rights(everywhere: Option<Role>, on: &[(FabricId, Role)]) -> Rights {
    let everywhere = everywhere.map(|role| (None, role));
    let single = on.iter().map(|(fabric, role)| (Some(fabric.clone()), *role));
    let all = everywhere.into_iter().chain(single);
    all.fold(Rights::default(), |rights, (scope, role)| rights.with(scope, role))
}
