//! What is kept of a person's login, and whether it serves.

use std::sync::Arc;

use auth_core::key::Key;
use auth_core::manager::TokenManager;
use auth_core::record::Contents;
use auth_core::store::{Page, StoreError, TokenStoreExt as _};
use auth_core::{ClientRegistration, Profile, Target, TokenSource, TokenStore};

use super::UserError;

/// A profile for each server and client: nobody gets what another client was given.
pub(super) fn usual_profile(registration: &ClientRegistration) -> Profile {
    let endpoint = registration.provider().token_endpoint.as_ref();
    let server = endpoint.map(|endpoint| endpoint.as_url().authority().to_owned());
    Profile::from_parts([&*server.unwrap_or_default(), registration.client_id()])
}

/// Whether a login is kept that was for all these scopes.
pub(super) async fn covers(manager: &TokenManager, profile: &Profile, wanted: &Target) -> Result<bool, StoreError> {
    let kept = manager.store().load_contents(&Key::grant(profile)).await?;
    let Some(grant) = kept.and_then(|(_, contents)| contents.into_grant()) else {
        return Ok(false);
    };
    let asked = &grant.recipe.target;
    Ok(grant.binding == manager.registration().binding()
        && wanted
            .scope_names()
            .all(|scope| asked.scope_names().any(|kept| kept == scope)))
}

/// Keeps the client beside its login: [`load`] needs nothing else.
pub(super) async fn keep_client(manager: &TokenManager, profile: &Profile) -> Result<(), StoreError> {
    let client = Contents::from(manager.registration().to_record());
    manager
        .store()
        .replace_contents(&Key::client(profile), &client, None)
        .await
        .map(drop)
}

/// The source of tokens of a login that is kept in this store with its client: by
/// [`UserCredentials`](super::UserCredentials), by the command, by an import. Without a
/// profile the only one there is. Nobody is asked anything.
///
/// # Errors
/// [`UserError::NotKept`]; [`UserError::Ambiguous`] if no profile is named and there are
/// several; [`UserError::Store`], [`UserError::Token`].
pub async fn load(store: impl TokenStore, profile: Option<Profile>) -> Result<TokenSource, UserError> {
    let store: Arc<dyn TokenStore> = Arc::new(store);
    let profile = match profile {
        Some(profile) => profile,
        None => only_profile(&*store).await?,
    };
    let client = store.load_contents(&Key::client(&profile)).await?;
    let client = client
        .and_then(|(_, contents)| contents.into_client())
        .ok_or(UserError::NotKept)?;
    let manager = crate::manager(ClientRegistration::from_record(client), store).build()?;
    Ok(manager.source(&profile))
}

/// A person's credentials at this Foundry host, for this public client, in one call:
/// `host`, `host:port` or a URL. Kept in the user's data folder, where the command keeps
/// its own; the person is asked at the console where there is no other way.
///
/// The same with other settings: [`UserCredentials`](super::UserCredentials).
///
/// # Errors
/// [`UserError`].
#[cfg(feature = "json")]
pub async fn get_user_credentials<I>(
    scopes: I,
    hostname: &str,
    client_id: impl Into<String>,
) -> Result<TokenSource, UserError>
where
    I: IntoIterator,
    I::Item: Into<String>,
{
    let provider = auth_core::provider::foundry(hostname).map_err(UserError::Host)?;
    let store = crate::store::open("json:").await?;
    let client = ClientRegistration::public(provider, client_id);
    super::UserCredentials::new(client, store).scopes(scopes).get().await
}

/// The source of tokens of the one login that is kept in a JSON store of this path. To
/// keep one there, give the store of that path to
/// [`UserCredentials`](super::UserCredentials).
///
/// # Errors
/// As [`load`].
#[cfg(feature = "json")]
pub async fn load_user_credentials(path: impl AsRef<std::path::Path>) -> Result<TokenSource, UserError> {
    load(store_json::JsonStore::open(path.as_ref())?, None).await
}

async fn only_profile(store: &dyn TokenStore) -> Result<Profile, UserError> {
    let mut found = Vec::new();
    let mut page = Page::first();
    loop {
        let listing = store.list(page).await?;
        found.extend(listing.entries.iter().map(|entry| entry.key.profile().clone()));
        match listing.next {
            Some(cursor) => page = Page::after(cursor),
            None => break,
        }
    }
    found.sort_unstable();
    found.dedup();
    match found.len() {
        0 => Err(UserError::NotKept),
        1 => Ok(found.remove(0)),
        _ => Err(UserError::Ambiguous(found)),
    }
}
