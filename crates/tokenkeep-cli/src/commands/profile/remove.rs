//! Removes a profile with everything under its name.

use tokenkeep::Profile;
use tokenkeep::key::Key;
use tokenkeep::record::GrantRecord;
use tokenkeep::store::{RemoveIf, StoreErrorKind, TokenStoreExt as _};

use crate::commands::token;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;

pub(super) async fn run(session: &Session, yes: bool) -> Result<()> {
    let profile = session.profile();
    let keys = keys(session, profile).await?;
    if keys.is_empty() {
        return Err(session.unknown_profile(profile).await);
    }
    if !yes {
        be_sure(session).await?;
    }
    end_login(session).await?;
    for key in keys {
        session.store.remove(&key, RemoveIf::Any).await?;
    }
    session.notice(&format!("profile {profile} is removed from {}", session.place()));
    Ok(())
}

/// All that is kept under the name, but leases: they end by themselves.
async fn keys(session: &Session, profile: &Profile) -> Result<Vec<Key>> {
    let listed = match session.store.list_all().await {
        Ok(listed) => listed,
        Err(error) if error.kind() == StoreErrorKind::Unsupported => return known_keys(session, profile).await,
        Err(error) => return Err(error.into()),
    };
    let keys = listed.into_iter().map(|listed| listed.key);
    Ok(keys.filter(|key| key.profile() == profile && !key.is_lease()).collect())
}

async fn known_keys(session: &Session, profile: &Profile) -> Result<Vec<Key>> {
    let mut keys = Vec::new();
    for key in [Key::client(profile), Key::grant(profile)] {
        if session.store.load(&key).await?.is_some() {
            keys.push(key);
        }
    }
    Ok(keys)
}

async fn be_sure(session: &Session) -> Result<()> {
    let profile = session.profile();
    let without_asking = session.command("profile remove --yes");
    let grant = match session.grant_record().await {
        Ok(grant) => grant,
        Err(error) => return Err(Failure::from(error).hint(format!("to remove it all the same: {without_asking}"))),
    };
    if grant.is_some_and(|grant| has_live_refresh_token(&grant)) {
        let message = format!("profile {profile} has a refresh token, which would live on at the server");
        return Err(Failure::new(Exit::Usage, message).hint(format!(
            "revoke it first: {}; or remove it all the same: {without_asking}",
            session.command("revoke")
        )));
    }
    match input::confirm(&format!("remove profile {profile} from {}?", session.place())).await? {
        Some(true) => Ok(()),
        Some(false) => Err(Failure::new(Exit::Failure, "nothing was removed")),
        None => {
            let message = "there is no terminal to ask at whether to remove it";
            Err(Failure::new(Exit::Usage, message).hint(format!("say it: {without_asking}")))
        }
    }
}

fn has_live_refresh_token(grant: &GrantRecord) -> bool {
    grant.ended.is_none() && grant.refresh_token.is_some() && !grant.is_refused()
}

// A logout waits for a refresh under way, which would else bring tokens back. A
// login that can't be read, or has no client, is nobody's any more.
async fn end_login(session: &Session) -> Result<()> {
    let (Ok(Some(_)), Ok(Some(_))) = (session.client_record().await, session.grant_record().await) else {
        return Ok(());
    };
    let manager = session.manager(session.registration().await?)?;
    let ended = manager.logout(session.profile()).await;
    ended.map_err(|error| token::no_token(session, &error))?;
    if session.grant_record().await?.is_some_and(|grant| grant.ended.is_none()) {
        let message = "somebody logged in meanwhile; nothing was removed";
        return Err(Failure::new(Exit::Failure, message));
    }
    Ok(())
}
