//! `tokenkeep token`: prints a valid token.

mod format;
mod quoting;

use tokenkeep::{TokenError, TokenSource};

pub(crate) use format::Format;

use crate::args::{TargetArgs, Token};
use crate::error::{Failure, Result};
use crate::output;
use crate::session::Session;
use crate::settings::target_of_flags;

/// For whom a command waits, mostly.
pub(super) const SERVER: &str = "waiting for the authorization server";

pub(super) async fn run(session: &Session, args: &Token) -> Result<()> {
    let mut source = source(session, &args.target).await?;
    if let Some(at_least) = args.min_valid {
        source = source.min_validity(at_least);
    }
    let token = async {
        if args.force {
            source.force().await
        } else {
            source.token().await
        }
    };
    let token = session.waiting(SERVER, token).await;
    let token = token.map_err(|error| no_token(session, &error))?;
    let text = args.output.render(&token, session.profile(), Session::now())?;
    output::result(text.as_bytes())
}

/// The source of tokens of the profile for the target that the flags name.
pub(super) async fn source(session: &Session, target: &TargetArgs) -> Result<TokenSource> {
    let manager = session.manager(session.registration().await?)?;
    Ok(manager.source_for(session.profile(), &target_of_flags(target)))
}

/// The failure to get a token, with what to do about it.
pub(super) fn no_token(session: &Session, error: &TokenError) -> Failure {
    session.advise(error.clone().into(), error)
}
