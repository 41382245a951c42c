//! `tokenkeep exec`: runs a command with the token in its environment.

use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::token;
use crate::args::more::Exec;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &Exec) -> Result<()> {
    let mut source = token::source(session, &args.target).await?;
    if let Some(at_least) = args.min_valid {
        source = source.min_validity(at_least);
    }
    let token = session.waiting(token::SERVER, source.token()).await;
    let token = token.map_err(|error| token::no_token(session, &error))?;
    let Some((program, arguments)) = args.command.split_first() else {
        return Err(Failure::new(Exit::Usage, "no command was given"));
    };
    let mut command = Command::new(program);
    command.args(arguments);
    for name in ours(session) {
        command.env_remove(name);
    }
    command.env(&args.env, token.secret().expose());
    // The command takes our place: no thread of ours, so no refresh, outlives that.
    session.drain().await;
    // A signal that has come meanwhile was for us.
    tokio::task::yield_now().await;
    Err(not_run(program, command.exec()))
}

/// What is ours alone: our own variables, and the one that the client secret is in.
fn ours(session: &Session) -> Vec<OsString> {
    let secret = session.settings.config.client_secret_env.as_deref();
    let all = std::env::vars_os().map(|(name, _)| name);
    all.filter(|name| is_ours(name) || secret.is_some_and(|secret| name == secret))
        .collect()
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"TOKENKEEP_")
}

fn not_run(program: &OsStr, error: std::io::Error) -> Failure {
    let program = program.to_string_lossy();
    match error.kind() {
        ErrorKind::NotFound => Failure::caused(Exit::NotFound, format!("there is no command {program}"), error),
        _ => Failure::caused(Exit::NotExecutable, format!("{program} can't be run"), error),
    }
}
