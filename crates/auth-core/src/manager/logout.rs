//! Logging out: here, or at the server too.

use super::TokenManager;
use crate::error::TokenError;
use crate::profile::Profile;
use crate::refresh::{self, Demand};
use crate::target::Target;

impl TokenManager {
    /// Forgets the login of a profile here; the server is not told, and its tokens
    /// live on there until their end. `false` if there was none. A tombstone stays,
    /// so that a refresh that ends late can't bring the login back; its tokens are
    /// revoked.
    ///
    /// # Errors
    /// `Store`, `Timeout`.
    pub async fn logout(&self, profile: &Profile) -> Result<bool, TokenError> {
        self.end_login(profile, false).await
    }

    /// Revokes the tokens of a profile at the server (RFC 7009), the refresh token
    /// first, then forgets them here. `false` if there was no login.
    ///
    /// # Errors
    /// `Config` if the provider has no revocation endpoint, `Refused`, `Network`,
    /// `Timeout`: nothing was forgotten then, and it can be tried again. `Store`.
    pub async fn revoke(&self, profile: &Profile) -> Result<bool, TokenError> {
        self.end_login(profile, true).await
    }

    async fn end_login(&self, profile: &Profile, revoke: bool) -> Result<bool, TokenError> {
        let demand = Demand::new(profile.clone(), Target::default());
        let core = self.held.core.clone();
        let work = Box::pin(async move {
            let ended = refresh::end_login(&core, &demand, revoke).await;
            ended.map_err(|error| error.of_profile(&demand.profile))
        });
        refresh::to_its_end(work).await?
    }
}
