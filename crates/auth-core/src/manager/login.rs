//! Logging in and adopting tokens from elsewhere.

use super::TokenManager;
use crate::error::{ConfigError, TokenError};
use crate::grant::{AuthorizationRequest, Callback, CallbackError, CodeExchange, PendingLogin};
use crate::profile::Profile;
use crate::record::{GrantRecord, Outcome, Recipe};
use crate::refresh::{self, Demand};
use crate::secret::Secret;
use crate::target::Target;
use crate::token::{AccessToken, TokenResponse};
use url::Url;

impl TokenManager {
    /// Begins a login by authorization code and PKCE: gives the URL for the
    /// browser, and what is needed to [finish](Self::finish_login) it. What is asked
    /// for is a [`Target`], or an [`AuthorizationRequest`] with further parameters.
    ///
    /// # Errors
    /// `Config` if the provider has no authorization endpoint.
    pub fn begin_login(
        &self,
        redirect_uri: &str,
        request: impl Into<AuthorizationRequest>,
    ) -> Result<(Url, PendingLogin), TokenError> {
        let core = &self.held.core;
        let request = request.into().or_scopes(&core.client.provider().default_scopes);
        PendingLogin::begin(&core.client, redirect_uri, request, core.options.clock.now())
            .map_err(|error: ConfigError| TokenError::config(error, "login"))
    }

    /// Checks what the browser came back with: `state`, issuer, code. Nothing is
    /// sent.
    ///
    /// # Errors
    /// [`CallbackError`] says what is wrong.
    pub fn accept_callback(&self, login: PendingLogin, callback: &Callback) -> Result<CodeExchange, CallbackError> {
        login.accept(callback, self.held.core.options.clock.now())
    }

    /// Takes a code that a person pasted without its `state`; PKCE still binds it to
    /// this login.
    ///
    /// # Errors
    /// [`CallbackError::Expired`].
    pub fn accept_code(&self, login: PendingLogin, code: Secret) -> Result<CodeExchange, CallbackError> {
        login.accept_bare_code(code, self.held.core.options.clock.now())
    }

    /// Finishes a login: the code is exchanged, the tokens replace what was kept
    /// under the profile. Goes on to its end, also if this future is dropped.
    ///
    /// # Errors
    /// `Refused`, `Network`, `Timeout`, `Store`, `Config`.
    pub async fn finish_login(&self, profile: &Profile, exchange: CodeExchange) -> Result<AccessToken, TokenError> {
        let demand = Demand::new(profile.clone(), Target::default());
        self.flying(|core, reporter| async move {
            let landing = refresh::login(&core, &demand, exchange, &reporter).await;
            reporter.land(landing.map_err(|error| error.of_profile(&demand.profile)));
        })
        .await
    }

    /// Keeps how to ask for tokens under a profile, without tokens yet: for grants
    /// that repeat their request.
    ///
    /// # Errors
    /// `Store`, `Timeout`.
    pub async fn enrol(&self, profile: &Profile, recipe: Recipe) -> Result<(), TokenError> {
        let record = GrantRecord::new(recipe, self.held.core.client.binding());
        self.replace_grant(profile, record).await
    }

    /// Keeps tokens from elsewhere as a new login of the profile, whatever is stored.
    /// For a refresh token that a program is given at each start, see
    /// [`seed`](Self::seed).
    ///
    /// # Errors
    /// `Store`, `Timeout`; `Config` if the store may forget refresh tokens.
    pub async fn adopt(&self, profile: &Profile, recipe: Recipe, tokens: &TokenResponse) -> Result<(), TokenError> {
        let core = &self.held.core;
        let now = core.options.clock.now();
        let access = refresh::entry_of(core, tokens, &recipe.target);
        let mut record = GrantRecord::new(recipe, core.client.binding());
        record.access = Some(access).filter(|_| core.options.cache_access_tokens);
        record.refresh_token.clone_from(&tokens.refresh_token);
        record.seed = tokens.refresh_token.as_ref().map(Secret::hash);
        record.refresh_expires_at = tokens.refresh_expires_in.map(|lifetime| now.plus(lifetime));
        record.id_token.clone_from(&tokens.id_token);
        record.refreshed_at = Some(now);
        record.note(now, Outcome::LoggedIn, None);
        self.replace_grant(profile, record).await
    }

    async fn replace_grant(&self, profile: &Profile, record: GrantRecord) -> Result<(), TokenError> {
        let demand = Demand::new(profile.clone(), Target::default());
        let core = self.held.core.clone();
        let work = async move { refresh::replace_grant(&core, &demand, record).await };
        refresh::to_its_end(work).await?
    }
}
