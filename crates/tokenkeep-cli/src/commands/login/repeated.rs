//! What can be asked for again: by the client for itself, or with a developer token. One
//! token is got to prove that it works, then the way to get more is kept.

use std::sync::Arc;

use tokenkeep::clock::Timestamp;
use tokenkeep::key::Key;
use tokenkeep::record::{Contents, TokenRecord};
use tokenkeep::store::{StoreError, TokenStoreExt as _};
use tokenkeep::{MemoryStore, TokenStore};

use super::plan::Plan;
use super::{recipe, refused, with_client};
use crate::commands::token::SERVER;
use crate::error::Result;
use crate::session::Session;

/// Tries it in memory first: a login that the server refuses leaves nothing behind,
/// and takes nothing from what is kept.
pub(super) async fn run(session: &Session, plan: &Plan, grant: &'static str) -> Result<Option<Timestamp>> {
    let scratch: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let trial = session.manager_over(plan.registration.clone(), scratch.clone())?;
    trial.enrol(session.profile(), recipe(grant, plan)).await?;
    let source = trial.source(session.profile());
    let got = session.waiting(SERVER, source.token()).await;
    let token = got.map_err(|error| refused(session, &error))?;
    with_client(session, plan, async |manager| {
        manager
            .enrol(session.profile(), recipe(grant, plan))
            .await
            .map(|()| None)
    })
    .await?;
    if let Err(error) = keep(session, plan, &scratch).await {
        tracing::warn!(target: "tokenkeep", %error, "the first token can't be stored; the next use gets another");
    }
    Ok(token.expires_at())
}

// The token belongs to the login that was kept, not to the trial.
async fn keep(session: &Session, plan: &Plan, scratch: &Arc<dyn TokenStore>) -> Result<(), StoreError> {
    let key = Key::token(session.profile(), plan.target.id());
    let got = scratch
        .load_contents(&key)
        .await?
        .and_then(|(_, contents)| contents.into_token());
    let kept = session.store.load_contents(&Key::grant(session.profile())).await?;
    let kept = kept.and_then(|(_, contents)| contents.into_grant());
    let (Some(got), Some(kept)) = (got, kept) else {
        return Ok(());
    };
    let keep_until = got.access.expires_at;
    let mut record = TokenRecord::new(got.binding, got.grant, got.target, got.access);
    record.asked_with = got.asked_with;
    record.login_id = Some(kept.login_id);
    session
        .store
        .replace_contents(&key, &Contents::from(record), keep_until)
        .await?;
    Ok(())
}
