//! The commands, one file each.

mod login;
mod request;
mod status;
pub(crate) mod token;

use crate::args::Command;
use crate::error::Result;
use crate::session::Session;

/// Does what was asked.
pub(crate) async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Login(args) => login::run(session, &args).await,
        Command::Token(args) => token::run(session, &args).await,
        Command::Request(args) => request::run(session, &args).await,
        Command::Status(args) => status::run(session, &args).await,
    }
}
