//! `tokenkeep logout`: forgets the login here; the server is not told.

use super::token;
use crate::error::Result;
use crate::grant_lease::IN_USE;
use crate::session::Session;

pub(super) async fn run(session: &Session) -> Result<()> {
    let manager = session.manager(session.registration().await?)?;
    let revocable = manager.registration().provider().revocation_endpoint.is_some();
    if session.grant_record().await?.is_some_and(|grant| grant.ended.is_none()) {
        let instead = if revocable {
            format!(
                "; to end them there too, this was to be run instead: {}",
                session.command("revoke")
            )
        } else {
            String::new()
        };
        session.notice(&format!(
            "the server is not told: the tokens live on there until they end{instead}"
        ));
    }
    let ended = manager.logout(session.profile());
    let ended = session.waiting(IN_USE, ended).await;
    let ended = ended.map_err(|error| token::no_token(session, &error))?;
    session.notice(&said(session, ended, "the login is forgotten here"));
    Ok(())
}

/// What to say after the end of a login, or where there was none.
pub(super) fn said(session: &Session, ended: bool, done: &str) -> String {
    let profile = session.profile();
    if ended {
        format!("profile {profile}: {done}; log in again: {}", session.command("login"))
    } else {
        format!("profile {profile}: nobody was logged in; nothing to do")
    }
}
