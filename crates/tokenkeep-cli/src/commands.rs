//! The commands, one file each.

pub(crate) mod completions;
pub(crate) mod doctor;
mod exec;
mod init;
pub(crate) mod key;
mod login;
mod logout;
pub(crate) mod man;
mod profile;
mod refresh;
mod request;
mod revoke;
mod status;
mod store;
pub(crate) mod token;

use crate::args::Command;
use crate::error::Result;
use crate::session::Session;

/// Does what was asked.
pub(crate) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Init(args) => init::run(session, *args).await,
        // The largest by far: boxed.
        Command::Login(args) => Box::pin(login::run(session, &args)).await,
        Command::Token(args) => token::run(session, &args).await,
        Command::Request(args) => request::run(session, &args).await,
        Command::Status(args) => status::run(session, &args).await,
        Command::Logout => logout::run(session).await,
        Command::Revoke => revoke::run(session).await,
        Command::Refresh(args) => refresh::run(session, &args).await,
        Command::Exec(args) => exec::run(session, &args).await,
        Command::Profile(command) => profile::run(session, &command).await,
        Command::Store(command) => store::run(session, &command).await,
        // Done before there was a session: it may be what is broken.
        Command::Completions(_) | Command::Doctor(_) | Command::Key(_) | Command::Man(_) => Ok(()),
    }
}
