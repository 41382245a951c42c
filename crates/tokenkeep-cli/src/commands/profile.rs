//! `tokenkeep profile`: the profiles of the store.

pub(super) mod export;
mod import;
mod list;
mod origin;
mod passphrase;
mod remove;
mod rename;
mod show;

use tokenkeep::Profile;

use crate::args::more::ProfileCommand;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;

pub(super) async fn run(session: &Session, command: &ProfileCommand) -> Result<()> {
    match command {
        ProfileCommand::List(args) => list::run(session, args).await,
        ProfileCommand::Show(args) => show::run(&of(session, args.name.as_deref()).await?, args).await,
        ProfileCommand::Export(args) => export::run(session, args).await,
        ProfileCommand::Import(args) => import::run(session, args).await,
        ProfileCommand::Rename(args) => rename::run(session, args).await,
        ProfileCommand::Remove(args) => remove::run(&of(session, args.name.as_deref()).await?, args.yes).await,
    }
}

/// The session of the profile that is meant: the one named, else that of `-p`.
async fn of(session: &Session, name: Option<&str>) -> Result<Session> {
    let profile = match name {
        Some(name) => Profile::new(name).map_err(|error| Failure::of(Exit::Usage, error))?,
        None => session.profile().clone(),
    };
    session.named(&profile, false).await
}
