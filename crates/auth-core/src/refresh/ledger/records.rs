//! Reading what the ledger decides on.

use super::{Ledger, OPERATION};
use crate::clock::Timestamp;
use crate::error::{ConfigError, TokenError};
use crate::key::Key;
use crate::record::{AccessEntry, Contents, GrantRecord, TokenRecord, Version};
use crate::refresh::exchange;
use crate::store::{StoreError, TokenStore as _, TokenStoreExt as _};
use crate::target::Target;
use crate::token::{AccessToken, TokenResponse};

/// What was read: the grant record, and the token stored for the target asked for.
pub(super) struct Snapshot {
    pub(super) version: Option<Version>,
    pub(super) grant: Option<GrantRecord>,
    pub(super) access: Option<AccessEntry>,
    pub(super) rejected_refresh_at: Option<Timestamp>,
}

impl Snapshot {
    /// A token of the login that was read.
    pub(super) fn token(&self, access: AccessEntry) -> AccessToken {
        AccessToken::of_login(access, self.grant.as_ref().map(|grant| grant.login_id))
    }
}

impl Ledger<'_> {
    /// Reads the grant record, and the token record where the target asked for is
    /// not the grant's own.
    pub(super) async fn load(&self) -> Result<Snapshot, TokenError> {
        let stored = self
            .core
            .store
            .load_contents(&self.key)
            .await
            .map_err(|error| self.unreadable(error))?;
        let (version, grant) = match stored {
            Some((version, contents)) => (Some(version), contents.into_grant()),
            None => (None, None),
        };
        let mut snapshot = Snapshot {
            version,
            grant,
            access: None,
            rejected_refresh_at: None,
        };
        let Some(grant) = &snapshot.grant else {
            return Ok(snapshot);
        };
        if self.is_in_the_grant(grant) {
            snapshot.access.clone_from(&grant.access);
            snapshot.rejected_refresh_at = grant.rejected_refresh_at;
        } else if let Some(record) = self.load_token(grant).await {
            snapshot.rejected_refresh_at = record.rejected_refresh_at;
            snapshot.access = Some(record.access);
        }
        Ok(snapshot)
    }

    /// Whether the target asked for is the one that the grant record's own token
    /// is for.
    pub(super) fn is_own_target(&self, grant: &GrantRecord) -> bool {
        self.demand.target.is_default() || self.demand.target == grant.recipe.target
    }

    /// Whether the grant record has the token asked for. Of a grant that repeats its request it is in a record of
    /// its own, where a process without that grant finds it too.
    fn is_in_the_grant(&self, grant: &GrantRecord) -> bool {
        let lacks = || self.core.grant(&grant.recipe.grant).is_none();
        self.is_own_target(grant) && (grant.access.is_some() || !lacks())
    }

    /// Whether the server is asked for nothing but what the login was granted.
    pub(super) fn asks_as_own(&self, grant: &GrantRecord) -> bool {
        self.is_own_target(grant) || self.demand.target.only_picks()
    }

    // Token records may be lost: what can't be read is as good as absent.
    async fn load_token(&self, grant: &GrantRecord) -> Option<TokenRecord> {
        let target = if self.is_own_target(grant) {
            &grant.recipe.target
        } else {
            &self.demand.target
        };
        let key = Key::token(&self.demand.profile, target.id());
        let (_, contents) = self.core.store.load_contents(&key).await.ok()??;
        let record = contents.into_token()?;
        (record.login_id == Some(grant.login_id) && record.target == *target).then_some(record)
    }

    /// Saves the tokens for each resource server that came in one answer; best effort.
    pub(super) async fn save_others(&self, grant: &GrantRecord, response: &TokenResponse) {
        if !response.is_for_several() {
            return;
        }
        let asked = if self.is_own_target(grant) {
            Target::new()
        } else {
            self.demand.target.unpicked()
        };
        for token in response.tokens() {
            let Some(name) = &token.resource_server else {
                continue;
            };
            let target = asked.clone().resource_server(name);
            if target != self.demand.target {
                let access = exchange::access_entry(self.core, token, &asked);
                self.save_token(grant, &target, access).await;
            }
        }
    }

    /// Saves the token of a target that is not the grant's own; best effort.
    pub(super) async fn save_token(&self, grant: &GrantRecord, target: &Target, access: AccessEntry) {
        if !self.core.options.cache_access_tokens {
            return;
        }
        let keep_until = access.expires_at;
        let mut record = TokenRecord::new(
            grant.binding.clone(),
            grant.recipe.grant.clone(),
            target.clone(),
            access,
        );
        record.login_id = Some(grant.login_id);
        if *target == self.demand.target {
            record.rejected_refresh_at = self.demand.rejected.map(|_| self.core.options.clock.now());
        }
        let key = Key::token(&self.demand.profile, target.id());
        if let Err(error) = self
            .core
            .store
            .replace_contents(&key, &Contents::from(record), keep_until)
            .await
        {
            tracing::warn!(target: "tokenkeep", %key, %error, "the token can't be stored; it is kept in memory");
        }
    }

    /// A refresh token in a store that may forget it at any time is not spent: its
    /// child would be lost with the next eviction.
    pub(super) fn check_persistence(&self) -> Result<(), TokenError> {
        let capabilities = self.core.store.capabilities();
        if capabilities.refuses_refresh_tokens() && !self.core.options.allow_volatile_refresh_tokens {
            let store = self.core.store.name().to_owned();
            return Err(TokenError::config(ConfigError::VolatileStore { store }, OPERATION));
        }
        Ok(())
    }

    fn unreadable(&self, error: StoreError) -> TokenError {
        TokenError::store(error, OPERATION).of_profile(&self.demand.profile)
    }
}
