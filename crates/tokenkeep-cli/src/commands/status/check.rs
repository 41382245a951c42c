//! Whether each profile gives a token: asked before the table is made.

use tokenkeep::Profile;

use crate::commands::token;
use crate::error::Result;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// Gets a token for each; says who has none and why. Those that were logged out
/// count only where they were named.
pub(super) async fn run(session: &Session, profiles: &[Profile], named: bool) -> Exit {
    let several = profiles.len() > 1;
    let mut exits = Vec::with_capacity(profiles.len());
    for profile in profiles {
        if let Err(failure) = check(session, profile, several, named).await {
            output::say(&format!("{profile}: {}", failure.in_one_line()));
            exits.push(failure.exit());
        }
    }
    Exit::worst(exits)
}

async fn check(session: &Session, profile: &Profile, several: bool, named: bool) -> Result<()> {
    let session = session.listed(profile, several)?;
    if !named && session.grant_record().await?.is_some_and(|grant| grant.ended.is_some()) {
        return Ok(());
    }
    let source = session.manager(session.registration().await?)?.source(profile);
    match session.waiting(token::SERVER, source.token()).await {
        Ok(_) => Ok(()),
        Err(error) => Err(token::no_token(&session, &error)),
    }
}
