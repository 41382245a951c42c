//! Credentials that were found: on to tokens.

use super::{Explanation, OPERATION, Use};
use crate::client_auth::ClientAuthMethod;
use crate::client_registration::{ClientRegistration, SecretSource};
use crate::error::{ConfigError, TokenError};
use crate::grant::DeveloperToken;
use crate::manager::{Seed, TokenManager};
use crate::profile::Profile;
use crate::provider::{self, Provider};
use crate::secret::Secret;
use crate::source::TokenSource;
use crate::target::Target;

/// Credentials that were found, and how to get tokens with them.
#[derive(Clone, Debug)]
pub struct Resolved {
    profile: Profile,
    registration: ClientRegistration,
    access_token: Option<Secret>,
    developer_token: Option<Secret>,
    refresh_token: Option<Secret>,
    uses: Use,
    renews: bool,
    came_together: bool,
    target: Target,
    explanation: Explanation,
}

/// What [`Resolved`] is made of.
pub(super) struct Parts {
    pub(super) profile: Profile,
    pub(super) provider: Option<Provider>,
    pub(super) authentication: Option<ClientAuthMethod>,
    pub(super) client_id: Option<String>,
    pub(super) client_secret: Option<SecretSource>,
    pub(super) access_token: Option<Secret>,
    pub(super) developer_token: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
    pub(super) uses: Use,
    /// Whether tokens can still be had when the access token is over.
    pub(super) renews: bool,
    /// Whether access token and refresh token are from one place, so of one login.
    pub(super) came_together: bool,
    pub(super) target: Target,
    pub(super) explanation: Explanation,
}

impl Resolved {
    pub(super) fn new(parts: Parts) -> Self {
        let provider = parts.provider.unwrap_or_else(provider::unknown);
        let secret = parts.client_secret.unwrap_or(SecretSource::None);
        let registration = ClientRegistration::confidential(provider, parts.client_id.unwrap_or_default(), secret);
        let registration = match parts.authentication {
            Some(method) => registration.authenticate_by(method),
            None => registration,
        };
        Self {
            profile: parts.profile,
            registration,
            access_token: parts.access_token,
            developer_token: parts.developer_token,
            refresh_token: parts.refresh_token,
            uses: parts.uses,
            renews: parts.renews,
            came_together: parts.came_together,
            target: parts.target,
            explanation: parts.explanation,
        }
    }

    /// The client: for the manager that is given to [`source`](Self::source). Where
    /// nothing but an access token was found it has neither id nor endpoints.
    pub fn registration(&self) -> &ClientRegistration {
        &self.registration
    }

    /// What tokens are got with.
    pub fn uses(&self) -> Use {
        self.uses
    }

    /// The developer token, where one was found: for a grant that exchanges it.
    pub fn developer_token(&self) -> Option<&Secret> {
        self.developer_token.as_ref()
    }

    /// The grant that exchanges the developer token, where one was found: for the
    /// [builder](crate::TokenManagerBuilder::grant) of the manager.
    pub fn developer_token_grant(&self) -> Option<DeveloperToken> {
        self.developer_token.clone().map(DeveloperToken::new)
    }

    /// Where each credential came from, never its value.
    pub fn explanation(&self) -> &Explanation {
        &self.explanation
    }

    /// The source of tokens.
    ///
    /// - an access token from elsewhere is used to its end, or until a 401; then what
    ///   else was found, if that is enough, else a login is required;
    /// - a developer token is exchanged, also when the access token is over;
    /// - a refresh token from elsewhere is a [seed](TokenManager::seed);
    /// - what is stored is used as it is.
    ///
    /// # Errors
    /// Those of [`TokenManager::seed`]; `Config` if a developer token is used and the
    /// manager has no grant `developer_token` as its first.
    pub async fn source(&self, manager: &TokenManager) -> Result<TokenSource, TokenError> {
        match &self.access_token {
            _ if self.uses == Use::DeveloperToken => self.by_developer_token(manager),
            Some(access) if self.developer_token.is_some() && exchanges_developer_tokens(manager) => {
                let source = manager.source(&self.profile);
                manager.hold_given(&self.profile, access);
                Ok(source)
            }
            Some(access) if !self.renews => manager.source_of_given(&self.profile, access, &self.target).await,
            Some(access) if !self.came_together || manager.asks_by_itself() => {
                let source = self.renewing(manager, None).await?;
                manager.hold_given(&self.profile, access);
                Ok(source)
            }
            access => self.renewing(manager, access.as_ref()).await,
        }
    }

    async fn renewing(&self, manager: &TokenManager, access: Option<&Secret>) -> Result<TokenSource, TokenError> {
        let Some(token) = self.refresh_token.as_ref().filter(|_| !manager.asks_by_itself()) else {
            return Ok(manager.source(&self.profile));
        };
        let seed = Seed::new(token.clone()).target(self.target.clone());
        let seed = match access {
            Some(access) => seed.access_token(access.clone()),
            None => seed,
        };
        manager.seed(&self.profile, seed).await
    }

    fn by_developer_token(&self, manager: &TokenManager) -> Result<TokenSource, TokenError> {
        if exchanges_developer_tokens(manager) {
            return Ok(manager.source(&self.profile));
        }
        let error = ConfigError::UnknownGrant {
            grant: DeveloperToken::NAME.into(),
        };
        Err(TokenError::config(error, OPERATION).of_profile(&self.profile))
    }
}

fn exchanges_developer_tokens(manager: &TokenManager) -> bool {
    manager.first_grant() == Some(DeveloperToken::NAME)
}
