//! Renewable grants: tokens that can be asked for again. Best effort everywhere: a
//! store that is away costs a request, never a token.

use super::Demand;
use super::core::Core;
use super::exchange::{self, Sent};
use super::flight::Landing;
use super::lease::{Waited, acquire};
use super::policy::{Freshness, freshness, is_valid};
use crate::error::{TokenError, TokenErrorKind};
use crate::grant::{Grant, TokenRequest};
use crate::key::Key;
use crate::observer::Event;
use crate::record::{AccessEntry, Contents, LoginId, TokenRecord};
use crate::secret::Secret;
use crate::store::TokenStoreExt as _;
use crate::target::Target;
use crate::token::{AccessToken, Answer, TokenResponse};

const OPERATION: &str = "token request";

/// What a renewable token is asked with, beside the grant itself.
pub(crate) struct Recipe<'a> {
    pub(crate) login_id: Option<LoginId>,
    pub(crate) parameters: &'a [(String, Secret)],
    pub(crate) target: &'a Target,
}

/// Renews by a grant of the manager's own.
pub(crate) async fn renew(core: &Core, grant: &dyn Grant, demand: &Demand) -> Landing {
    let recipe = Recipe {
        login_id: None,
        parameters: &[],
        target: &demand.target,
    };
    renew_by(core, grant, demand, &recipe).await
}

/// Renews by a grant, asked with what a grant record remembers.
pub(crate) async fn renew_by(core: &Core, grant: &dyn Grant, demand: &Demand, recipe: &Recipe<'_>) -> Landing {
    let cache = Cache {
        core,
        key: Key::token(&demand.profile, recipe.target.id()),
        grant,
        demand,
        recipe,
    };
    if let Some(access) = cache.adoptable().await {
        return Ok(AccessToken::from_entry(access));
    }
    if demand.stored_only {
        let reason = crate::error::ReauthReason::NoValidToken;
        return Err(TokenError::reauth(reason, OPERATION));
    }
    match cache.lease().await {
        Waited::Met(access) => {
            core.tell(&demand.profile, &Event::Adopted);
            Ok(AccessToken::from_entry(access))
        }
        Waited::TimedOut => cache.fetch().await,
        Waited::Held(lease) => {
            let landing = cache.fetch_unless_adoptable().await;
            lease.release().await;
            landing
        }
    }
}

struct Cache<'a> {
    core: &'a Core,
    key: Key,
    grant: &'a dyn Grant,
    demand: &'a Demand,
    recipe: &'a Recipe<'a>,
}

impl Cache<'_> {
    async fn stored(&self) -> Option<TokenRecord> {
        let loaded = self.core.store.load_contents(&self.key).await;
        let (_, contents) = match loaded {
            Ok(found) => found?,
            Err(error) => {
                tracing::warn!(target: "tokenkeep", key = %self.key, %error, "the stored token can't be used");
                return None;
            }
        };
        let record = contents.into_token()?;
        let ours = record.binding == self.core.client.binding()
            && record.grant == self.grant.name()
            && record.login_id == self.recipe.login_id
            && record.target == *self.recipe.target;
        ours.then_some(record)
    }

    async fn adoptable(&self) -> Option<AccessEntry> {
        let record = self.stored().await?;
        self.is_adoptable(&record).then_some(record.access)
    }

    fn is_adoptable(&self, record: &TokenRecord) -> bool {
        let (access, demand, now) = (&record.access, self.demand, self.core.options.clock.now());
        if demand.stored_only {
            return is_valid(access, now);
        }
        if demand.rejected == Some(access.token.hash()) {
            let interval = self.core.options.policy.rejection_interval;
            return is_valid(access, now) && record.rejected_refresh_at.is_some_and(|at| now < at.plus(interval));
        }
        if demand.force {
            return false;
        }
        if let Some(wanted) = demand.min_validity {
            return access.expires_at.is_none_or(|end| end.since(now) > wanted);
        }
        match freshness(access, now, &self.core.options.policy, 1.0) {
            Freshness::Fresh => true,
            Freshness::Advisory => !demand.advisory,
            Freshness::Due => false,
        }
    }

    async fn lease(&self) -> Waited<AccessEntry> {
        let limit = self.core.options.timing.renewable_wait;
        let waited = acquire(self.core, &self.key, limit, || async { Ok(self.adoptable().await) }).await;
        waited.unwrap_or_else(|error| {
            tracing::debug!(target: "tokenkeep", key = %self.key, %error, "no lease; asking without");
            Waited::TimedOut
        })
    }

    async fn fetch_unless_adoptable(&self) -> Landing {
        match self.adoptable().await {
            Some(access) => Ok(AccessToken::from_entry(access)),
            None => self.fetch().await,
        }
    }

    async fn fetch(&self) -> Landing {
        let request = self.request()?;
        let mut attempt = 0;
        loop {
            let Sent { answer, took } =
                exchange::send(self.core, exchange::prepare(&self.core.client, &request)?).await;
            let (error, pause) = match answer {
                Ok(Answer::Granted(response)) => {
                    self.core.tell(&self.demand.profile, &Event::Refreshed(took));
                    return Ok(self.keep(&response).await);
                }
                Ok(Answer::Refused(refusal)) => {
                    let pause = self.core.options.token_retry.after_refusal(attempt, &refusal);
                    (TokenError::new(TokenErrorKind::Refused(refusal), OPERATION), pause)
                }
                Ok(Answer::Unreadable(error)) => {
                    let pause = self.core.options.token_retry.after_failure(attempt);
                    (
                        TokenError::new(TokenErrorKind::Network, OPERATION).with_source(error),
                        pause,
                    )
                }
                Err(error) => {
                    let pause = self.core.options.token_retry.after_failure(attempt);
                    (TokenError::transport(error, OPERATION), pause)
                }
            };
            let Some(pause) = pause else { return Err(error) };
            self.core.options.clock.sleep(pause).await;
            attempt += 1;
        }
    }

    fn request(&self) -> Result<TokenRequest, TokenError> {
        let mut request = self
            .grant
            .request(self.recipe.target)
            .map_err(|error| TokenError::config(error, OPERATION))?;
        request.parameters.extend(self.recipe.parameters.iter().cloned());
        Ok(request)
    }

    async fn keep(&self, response: &TokenResponse) -> AccessToken {
        let access = exchange::access_entry(self.core, response, self.recipe.target);
        let token = AccessToken::from_entry(access.clone());
        if self.core.options.cache_access_tokens {
            self.save(access).await;
        }
        token
    }

    async fn save(&self, access: AccessEntry) {
        let keep_until = access.expires_at;
        let binding = self.core.client.binding();
        let mut record = TokenRecord::new(binding, self.grant.name(), self.recipe.target.clone(), access);
        record.login_id = self.recipe.login_id;
        record.rejected_refresh_at = self.demand.rejected.map(|_| self.core.options.clock.now());
        let saved = self
            .core
            .store
            .replace_contents(&self.key, &Contents::from(record), keep_until)
            .await;
        if let Err(error) = saved {
            tracing::warn!(target: "tokenkeep", key = %self.key, %error, "the token can't be stored; it is kept in memory");
        }
    }
}
