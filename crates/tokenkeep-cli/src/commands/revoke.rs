//! `tokenkeep revoke`: revokes the tokens at the server, then forgets the login.

use tokenkeep::TokenError;
use tokenkeep::error::{ConfigError, TokenErrorKind};

use super::logout::said;
use super::token;
use crate::error::{Failure, Result};
use crate::session::Session;

pub(super) async fn run(session: &Session) -> Result<()> {
    let manager = session.manager(session.registration().await?)?;
    let ended = session.waiting(token::SERVER, manager.revoke(session.profile())).await;
    let ended = ended.map_err(|error| refused(session, &error))?;
    session.notice(&said(
        session,
        ended,
        "the tokens are revoked at the server, and the login is forgotten here",
    ));
    Ok(())
}

// Only before the store was touched: an error of the store comes after the server
// was told.
fn refused(session: &Session, error: &TokenError) -> Failure {
    let failure = Failure::from(error.clone());
    let here_only = format!("to forget the login here only: {}", session.command("logout"));
    let failure = match error.kind() {
        TokenErrorKind::Config(ConfigError::MissingEndpoint(_)) => failure.hint(here_only),
        TokenErrorKind::Network | TokenErrorKind::Timeout | TokenErrorKind::Refused(_) => {
            failure.hint(format!("nothing was forgotten: try again later, or {here_only}"))
        }
        _ => failure,
    };
    session.advise(failure, error)
}
