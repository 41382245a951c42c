//! Refresh tokens that a program is given at each start.

use super::TokenManager;
use crate::error::{ConfigError, TokenError};
use crate::grant::{Grant as _, RefreshToken};
use crate::profile::Profile;
use crate::record::Recipe;
use crate::refresh::{self, Demand, Planting};
use crate::secret::Secret;
use crate::source::TokenSource;
use crate::target::Target;
use crate::token::{AccessToken, TokenResponse};

const OPERATION: &str = "seed";

/// A refresh token from arguments or environment, given anew at each start of a
/// program. Only its hash is remembered once it is spent.
#[derive(Clone, Debug)]
pub struct Seed {
    refresh_token: Secret,
    access_token: Option<Secret>,
    target: Target,
}

impl Seed {
    /// This refresh token.
    pub fn new(refresh_token: impl Into<Secret>) -> Self {
        Self {
            refresh_token: refresh_token.into(),
            access_token: None,
            target: Target::default(),
        }
    }

    /// With the access token that came with it: used to its end, or until a 401,
    /// where the login begins with it.
    pub fn access_token(mut self, token: impl Into<Secret>) -> Self {
        self.access_token = Some(token.into());
        self
    }

    /// What its access tokens are for.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }
}

impl From<Secret> for Seed {
    fn from(refresh_token: Secret) -> Self {
        Self::new(refresh_token)
    }
}

impl TokenManager {
    /// The source of tokens of a profile whose login begins with a refresh token from
    /// arguments or environment. Nothing is sent yet.
    ///
    /// - nothing is stored: the login begins now;
    /// - what is stored began with this refresh token: it is used as it is, because
    ///   the token may be spent since;
    /// - what is stored began otherwise: this refresh token is a new login, and
    ///   replaces it;
    /// - a login that began with it was logged out, or replaced by a later one at a
    ///   server that rotates refresh tokens: an error, nothing is changed.
    ///
    /// Any number of processes may do so at once: one begins the login, one spends
    /// the refresh token. A store that ends with the process remembers nothing: do
    /// not give it refresh tokens that rotate.
    ///
    /// # Errors
    /// `ReauthRequired` if it was logged out; `Config` if it was replaced, if the
    /// store may forget refresh tokens, or if this manager can't renew them; `Store`,
    /// `Timeout`.
    pub async fn seed(&self, profile: &Profile, seed: impl Into<Seed>) -> Result<TokenSource, TokenError> {
        let core = &self.held.core;
        if core.fixed.is_none() {
            self.plant(profile, seed.into())
                .await
                .map_err(|error| error.of_profile(profile))?;
        }
        Ok(self.source(profile))
    }

    async fn plant(&self, profile: &Profile, seed: Seed) -> Result<(), TokenError> {
        self.check_seed(&seed)
            .map_err(|error| TokenError::config(error, OPERATION))?;
        let core = self.held.core.clone();
        let demand = Demand::new(profile.clone(), Target::default());
        let now = core.options.clock.now();
        let access = seed
            .access_token
            .filter(|token| !token.is_empty())
            .map(|token| refresh::entry_of(&core, &TokenResponse::bearer(token), &seed.target))
            .filter(|access| refresh::is_valid(access, now));
        let planting = Planting {
            recipe: Recipe::new(RefreshToken.name(), seed.target),
            refresh_token: seed.refresh_token,
            access: access.clone(),
        };
        let work = async move { refresh::plant(&core, &demand, &planting).await };
        let begun = refresh::to_its_end(work).await??;
        if let (Some(login), Some(access)) = (begun, access) {
            self.hold(profile, &AccessToken::of_login(access, Some(login)));
        }
        Ok(())
    }

    fn check_seed(&self, seed: &Seed) -> Result<(), ConfigError> {
        let unusable = |why: &str| {
            Err(ConfigError::Unusable {
                what: "the refresh token",
                why: why.into(),
            })
        };
        if seed.refresh_token.is_empty() {
            return unusable("it is empty");
        }
        if self.held.core.direct_grant().is_some() {
            return unusable("this manager asks for tokens by itself");
        }
        match self.held.core.grant(RefreshToken.name()) {
            Some(_) => Ok(()),
            None => Err(ConfigError::UnknownGrant {
                grant: RefreshToken.name().into(),
            }),
        }
    }

    /// Has this token in memory for the default target.
    pub(crate) fn hold(&self, profile: &Profile, token: &AccessToken) {
        let core = &self.held.core;
        core.slot(profile, &Target::default())
            .hold(token, &*core.options.clock, &core.options.policy);
    }
}
