//! Access tokens from elsewhere: used while they last.

use std::sync::Arc;

use super::{Held, TokenManager};
use crate::client_registration::ClientRegistration;
use crate::error::TokenError;
use crate::grant::{Fixed, Grant};
use crate::profile::Profile;
use crate::record::Recipe;
use crate::refresh::{self, Core, Options};
use crate::secret::Secret;
use crate::source::TokenSource;
use crate::store::MemoryStore;
use crate::target::Target;
use crate::token::{AccessToken, TokenResponse};

impl TokenManager {
    /// Whether all profiles use a grant that can be repeated.
    pub(crate) fn asks_by_itself(&self) -> bool {
        self.held.core.direct_grant().is_some()
    }

    /// The name of the grant that all profiles use, if it can be repeated.
    pub(crate) fn first_grant(&self) -> Option<&'static str> {
        self.held.core.direct_grant().map(Grant::name)
    }

    /// Uses this access token from memory, to its end; then this manager's own.
    pub(crate) fn hold_given(&self, profile: &Profile, token: &Secret) {
        let core = &self.held.core;
        let response = TokenResponse::bearer(token.clone());
        let access = refresh::entry_of(core, &response, &Target::default());
        if refresh::is_valid(&access, core.options.clock.now()) {
            self.hold(profile, &AccessToken::from_entry(access));
        }
    }

    /// A source of nothing but this access token. It is kept in memory, so that what
    /// is stored under the profile stays untouched, and no other login's token is
    /// ever in its place.
    pub(crate) async fn source_of_given(
        &self,
        profile: &Profile,
        token: &Secret,
        target: &Target,
    ) -> Result<TokenSource, TokenError> {
        let core = &self.held.core;
        let options = Options {
            sealer: None,
            spill: None,
            cache_access_tokens: true,
            ..core.options.clone()
        };
        // Nobody knows how old it is: no provider's usual lifetime counts.
        let client = ClientRegistration::public(crate::provider::unknown(), core.client.client_id());
        let core = Core::new(
            client,
            Arc::new(MemoryStore::new()),
            core.transport.clone(),
            vec![Arc::new(Fixed)],
            options,
        );
        let alone = Self { held: Held::new(core) };
        let recipe = Recipe::new(Fixed.name(), target.clone());
        alone
            .adopt(profile, recipe, &TokenResponse::bearer(token.clone()))
            .await?;
        Ok(alone.source(profile))
    }
}
