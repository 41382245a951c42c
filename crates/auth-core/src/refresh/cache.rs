//! Renewable grants: tokens that can be asked for again. Best effort everywhere: a
//! store that is away costs a request, never a token.

use super::core::Core;
use super::demand::{Demand, Want};
use super::exchange::{self, Sent};
use super::flight::Landing;
use super::lease::{Waited, acquire};
use super::policy::{Freshness, freshness, is_valid, never_long_enough, within_last};
use crate::error::{ReauthReason, Refusal, TokenError, TokenErrorKind};
use crate::grant::{Grant, TokenRequest};
use crate::key::Key;
use crate::observer::Event;
use crate::record::{AccessEntry, Contents, LoginId, TokenRecord, Version};
use crate::secret::{Secret, SecretHash};
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
        lease_key: Key::token(&demand.profile, recipe.target.unpicked().id()),
        grant,
        demand,
        recipe,
    };
    let stored = cache.stored().await;
    if let Some(failure) = stored
        .as_ref()
        .and_then(|record| never_long_enough(&record.access, demand))
    {
        return Err(TokenError::new(failure.kind, OPERATION));
    }
    if let Some(record) = stored.filter(|record| cache.is_adoptable(record)) {
        return Ok(cache.token(record.access));
    }
    if demand.want == Want::Stored {
        return Err(TokenError::reauth(ReauthReason::NoValidToken, OPERATION));
    }
    match cache.lease().await {
        Waited::Met(access) => {
            core.tell(&demand.profile, &Event::Adopted);
            Ok(cache.token(access))
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
    /// One for all tokens that come in one answer.
    lease_key: Key,
    grant: &'a dyn Grant,
    demand: &'a Demand,
    recipe: &'a Recipe<'a>,
}

impl Cache<'_> {
    fn token(&self, access: AccessEntry) -> AccessToken {
        AccessToken::of_login(access, self.recipe.login_id)
    }

    /// What is stored, if it is ours. A store that hangs costs its time, no more.
    async fn stored(&self) -> Option<TokenRecord> {
        let loaded = self.in_time(self.core.store.load_contents(&self.key)).await?;
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
            && record.asked_with == self.asked_with()
            && record.login_id == self.recipe.login_id
            && record.target == *self.recipe.target;
        ours.then_some(record)
    }

    fn asked_with(&self) -> Option<SecretHash> {
        self.grant.asks_with().map(Secret::hash)
    }

    /// `None` if it takes longer than a renewable token may wait.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let limit = self.core.options.clock.sleep(self.core.options.timing.renewable_wait);
        tokio::select! {
            done = work => Some(done),
            () = limit => {
                tracing::warn!(target: "tokenkeep", key = %self.key, "the store does not answer; going on without it");
                None
            }
        }
    }

    async fn adoptable(&self) -> Option<AccessEntry> {
        let record = self.stored().await?;
        self.is_adoptable(&record).then_some(record.access)
    }

    fn is_adoptable(&self, record: &TokenRecord) -> bool {
        let (access, demand, now) = (&record.access, self.demand, self.core.options.clock.now());
        if demand.want == Want::Stored {
            return is_valid(access, now);
        }
        if demand.rejected == Some(access.token.hash()) {
            let interval = self.core.options.policy.rejection_interval;
            return is_valid(access, now) && within_last(interval, record.rejected_refresh_at, now);
        }
        if demand.is_forced() {
            return false;
        }
        if let Some(wanted) = demand.min_validity {
            return access.expires_at.is_none_or(|end| end.since(now) >= wanted);
        }
        match freshness(access, now, &self.core.options.policy, 1.0) {
            Freshness::Fresh => true,
            Freshness::Advisory => demand.want != Want::Better,
            Freshness::Due => false,
        }
    }

    async fn lease(&self) -> Waited<AccessEntry> {
        let limit = self.core.options.timing.renewable_wait;
        let waiting = acquire(self.core, &self.lease_key, limit, || async {
            Ok(self.adoptable().await)
        });
        match self.in_time(waiting).await {
            Some(Ok(waited)) => waited,
            Some(Err(error)) => {
                tracing::debug!(target: "tokenkeep", key = %self.key, %error, "no lease; asking without");
                Waited::TimedOut
            }
            None => Waited::TimedOut,
        }
    }

    async fn fetch_unless_adoptable(&self) -> Landing {
        match self.adoptable().await {
            Some(access) => Ok(self.token(access)),
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
                    return self.keep(&response, &request.target).await;
                }
                Ok(Answer::Refused(refusal)) => {
                    let pause = self.core.options.token_retry.after_refusal(attempt, &refusal);
                    (self.refused(refusal), pause)
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

    fn refused(&self, refusal: Box<Refusal>) -> TokenError {
        let over = self.grant.is_over(&refusal);
        let error = TokenError::new(TokenErrorKind::Refused(refusal), OPERATION);
        match over {
            Some(reason) => TokenError::reauth(reason, OPERATION).with_source(error),
            None => error,
        }
    }

    fn request(&self) -> Result<TokenRequest, TokenError> {
        let mut request = self
            .grant
            .request(self.recipe.target)
            .map_err(|error| TokenError::config(error, OPERATION))?;
        if request.target.scope_names().next().is_none() {
            let usual = &self.core.client.provider().default_scopes;
            request.target = request.target.scopes(usual);
        }
        request.parameters.extend(self.recipe.parameters.iter().cloned());
        Ok(request)
    }

    /// Keeps all that came; gives what was asked for.
    async fn keep(&self, response: &TokenResponse, asked: &Target) -> Landing {
        let mut wanted = None;
        for (target, token) in self.targets_of(response) {
            let access = exchange::access_entry(self.core, token, asked);
            if target == *self.recipe.target {
                wanted = Some(self.token(access.clone()));
            }
            if self.core.options.cache_access_tokens {
                self.save(&target, access).await;
            }
        }
        wanted.ok_or_else(|| TokenError::config(response.unpicked(self.recipe.target), OPERATION))
    }

    fn targets_of<'r>(&self, response: &'r TokenResponse) -> Vec<(Target, &'r TokenResponse)> {
        let target = self.recipe.target;
        if target.resource_server_name().is_none() && !response.is_for_several() {
            return vec![(target.clone(), response)];
        }
        let named = |token: &'r TokenResponse| {
            let name = token.resource_server.as_ref()?;
            Some((target.clone().resource_server(name), token))
        };
        response.tokens().filter_map(named).collect()
    }

    async fn save(&self, target: &Target, access: AccessEntry) {
        let keep_until = access.expires_at;
        let binding = self.core.client.binding();
        let mut record = TokenRecord::new(binding, self.grant.name(), target.clone(), access);
        record.login_id = self.recipe.login_id;
        record.asked_with = self.asked_with();
        if target == self.recipe.target {
            record.rejected_refresh_at = self.demand.rejected.map(|_| self.core.options.clock.now());
        }
        let key = Key::token(&self.demand.profile, target.id());
        let contents = Contents::from(record);
        let saving = self.core.store.replace_contents(&key, &contents, keep_until);
        let saved = self.in_time(saving).await.unwrap_or(Ok(Version::after(None)));
        if let Err(error) = saved {
            tracing::warn!(target: "tokenkeep", %key, %error, "the token can't be stored; it is kept in memory");
        }
    }
}
