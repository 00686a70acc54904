//! `hnp token`: API tokens, on the database itself.
//!
//! Invariant: a token is printed once, by the command that made it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};
use domain::{access::Role, account::UserName, topic::FabricId};
use engine::{clock::now_ms, store::directory::Token};
use serde_json::Value;

use super::{
    Outcome,
    offline::{
        Place, failure, minute, parse_grant, parse_role, parse_user, rights, say, say_json, table,
        with_people,
    },
};
use crate::{
    people::{People, life, state},
    web::api::tokens::{USUAL_LIFE, described},
};

/// Arguments of `hnp token`.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Examples:\n  hnp token create --user ann --label grafana --role viewer --expires 90d\n  hnp token list --user ann\n  hnp token revoke 3f2a9c01b7de"
)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a token and print it, this once
    #[command(
        after_help = "Examples:\n  hnp token create --user ann --label grafana --role viewer\n  hnp token create --user ci --label deploy --fabric prod=operator --expires 12h\n  TOKEN=$(hnp token create --user ann --label script) && curl -H \"Authorization: Bearer $TOKEN\" http://127.0.0.1:3000/api/v1/session\n\nWithout --role and --fabric it may do all that its owner may."
    )]
    Create {
        /// Whose it is
        #[arg(long, value_parser = parse_user)]
        user: UserName,
        /// What it is for
        #[arg(long)]
        label: String,
        /// The most that it may do everywhere: viewer, operator or admin
        #[arg(long, value_parser = parse_role)]
        role: Option<Role>,
        /// The most that it may do on a fabric; may be given several times
        #[arg(long, value_name = "FABRIC=ROLE", value_parser = parse_grant)]
        fabric: Vec<(FabricId, Role)>,
        /// How long it works, such as 30d, 12h or 90m
        #[arg(long, value_name = "TIME", default_value = USUAL_LIFE, value_parser = parse_life)]
        expires: i64,
        /// As JSON, with the token in it
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// List tokens; the tokens themselves are kept nowhere
    #[command(after_help = "Examples:\n  hnp token list\n  hnp token list --user ann --json")]
    List {
        /// Only those of a user
        #[arg(long, value_parser = parse_user)]
        user: Option<UserName>,
        /// As JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Revoke a token
    #[command(after_help = "Example:\n  hnp token revoke 3f2a9c01b7de")]
    Revoke {
        /// Its id, as `hnp token list` shows it
        id: String,
        #[command(flatten)]
        place: Place,
    },
}

fn parse_life(text: &str) -> Result<i64, String> {
    life(text).ok_or_else(|| "write a number and d, h or m, for example 30d".to_owned())
}

pub(super) fn run(args: Args, file: Option<PathBuf>) -> Outcome {
    match args.command {
        Command::Create { user, label, role, fabric, expires, json, place } => {
            let scope = Some(rights(role, &fabric)).filter(|scope| !scope.is_empty());
            with_people(&place, file, |people, _| async move {
                let made = people.create_token(&user, &label, scope, expires).await;
                let made = made.map_err(|error| failure("could not make the token", error))?;
                hand_over(&made, json);
                Ok(0)
            })
        }
        Command::List { user, json, place } => with_people(&place, file, |people, _| async move {
            let tokens = tokens(&people, user.as_ref()).await;
            let tokens = tokens.map_err(|error| failure("could not list the tokens", error))?;
            list(&tokens, json);
            Ok(0)
        }),
        Command::Revoke { id, place } => with_people(&place, file, |people, _| async move {
            let token = people.revoke_token(&id).await;
            let token = token.map_err(|error| failure("could not revoke the token", error))?;
            say(&format!(
                "token {id} of {} (“{}”) works no more",
                token.user,
                token.label.as_str()
            ));
            Ok(0)
        }),
    }
}

async fn tokens(
    people: &People,
    user: Option<&UserName>,
) -> Result<Vec<Token>, crate::people::PeopleError> {
    if let Some(user) = user {
        people.user(user).await?;
    }
    people.tokens(user).await
}

/// The token alone on stdout, so that a script can take it; what to know about it on stderr.
fn hand_over((token, clear): &(Token, String), json: bool) {
    if json {
        let mut value = described(token, now_ms());
        if let Value::Object(fields) = &mut value {
            fields.insert("token".to_owned(), Value::String(clear.clone()));
        }
        return say_json(&value);
    }
    let until = minute(Some(token.expires_ms));
    eprintln!("token {} of {}: {}; until {until}", token.digest.id(), token.user, token.scope);
    eprintln!("it is shown this once; send it as `Authorization: Bearer …`");
    say(clear);
}

fn list(tokens: &[Token], json: bool) {
    let now = now_ms();
    if json {
        let tokens: Value = tokens.iter().map(|token| described(token, now)).collect();
        return say_json(&tokens);
    }
    let rows: Vec<[String; 7]> = tokens
        .iter()
        .map(|token| {
            [
                token.digest.id().to_owned(),
                token.user.to_string(),
                token.label.as_str().to_owned(),
                state(token, now).to_owned(),
                token.scope.to_string(),
                minute(Some(token.expires_ms)),
                minute(token.used_ms),
            ]
        })
        .collect();
    table(["ID", "USER", "LABEL", "STATE", "MAY", "UNTIL", "LAST USED"], &rows);
}
