//! Building a manager.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Held, TokenManager};
use crate::client_registration::ClientRegistration;
use crate::clock::{Clock, SystemClock};
use crate::endpoint::EndpointUrl;
use crate::error::{ConfigError, TokenError};
use crate::grant::{AuthorizationCode, ClientCredentials, Fixed, Grant, RefreshToken};
use crate::observer::{Observer, TracingObserver};
use crate::refresh::{Core, Options, RefreshPolicy, Timing, TokenRetry};
use crate::sealer::Sealer;
use crate::spill::SpillFolder;
use crate::store::{MemoryStore, Persistence, TokenStore};
use crate::token::AccessToken;
use crate::transport::{HttpRequest, HttpResponse, Transport, TransportError};

/// Builds a [`TokenManager`].
#[derive(Debug)]
pub struct TokenManagerBuilder {
    registration: ClientRegistration,
    store: Arc<dyn TokenStore>,
    transport: Option<Arc<dyn Transport>>,
    grants: Vec<Arc<dyn Grant>>,
    options: Options,
}

impl TokenManagerBuilder {
    pub(super) fn new(registration: ClientRegistration, store: Arc<dyn TokenStore>) -> Self {
        let options = Options {
            clock: Arc::new(SystemClock),
            observer: Arc::new(TracingObserver),
            sealer: None,
            spill: None,
            policy: RefreshPolicy::default(),
            timing: Timing::default(),
            token_retry: TokenRetry::default(),
            cache_access_tokens: true,
            allow_volatile_refresh_tokens: false,
        };
        Self {
            registration,
            store,
            transport: None,
            grants: Vec::new(),
            options,
        }
    }

    /// Sends token requests this way. Required.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Has this grant.
    ///
    /// If the first one can repeat its request (client credentials), all profiles
    /// use it and no login is needed. Otherwise the record of a profile says by
    /// which grant its tokens came; those given here can then be renewed. Without
    /// any the built-in ones are there.
    pub fn grant(mut self, grant: impl Grant) -> Self {
        self.grants.push(Arc::new(grant));
        self
    }

    /// Reads this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.options.clock = Arc::new(clock);
        self
    }

    /// Tells this observer what happens, in place of `tracing`.
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.options.observer = Arc::new(observer);
        self
    }

    /// Demands a data key of this sealer before anything consumable is sent. Not
    /// needed where the store brings [its own](TokenStore::sealer).
    pub fn sealer(mut self, sealer: Arc<dyn Sealer>) -> Self {
        self.options.sealer = Some(sealer);
        self
    }

    /// Puts answers that the store does not take into this folder, until it does.
    /// Without one they are kept in memory and tried again as long as the process
    /// lives.
    pub fn spill(mut self, folder: SpillFolder) -> Self {
        self.options.spill = Some(folder);
        self
    }

    /// When tokens are renewed.
    pub fn refresh_policy(mut self, policy: RefreshPolicy) -> Self {
        self.options.policy = policy;
        self
    }

    /// How long things may take.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.options.timing = timing;
        self
    }

    /// How token requests of renewable grants are retried.
    pub fn token_retry(mut self, retry: TokenRetry) -> Self {
        self.options.token_retry = retry;
        self
    }

    /// Whether access tokens are kept in the store (yes). If not, each process
    /// gets its own, and refresh tokens alone are shared.
    pub fn cache_access_tokens(mut self, yes: bool) -> Self {
        self.options.cache_access_tokens = yes;
        self
    }

    /// Keeps refresh tokens in a store that may forget them at any time: then a
    /// person must log in again. Such a store may also be opened so that it allows
    /// them itself.
    pub fn allow_volatile_refresh_tokens(mut self) -> Self {
        self.options.allow_volatile_refresh_tokens = true;
        self
    }

    /// Builds the manager.
    ///
    /// # Errors
    /// `Config` if there is no transport, a time makes no sense, or a sealed store
    /// comes without its sealer.
    pub fn build(mut self) -> Result<TokenManager, TokenError> {
        let config = |error| TokenError::config(error, "manager");
        let transport = self
            .transport
            .ok_or_else(|| config(unusable("transport", "none was given")))?;
        check_timing(&self.options.timing).map_err(config)?;
        check_policy(&self.options.policy).map_err(config)?;
        self.options.sealer = self.options.sealer.or_else(|| self.store.sealer());
        if self.store.capabilities().sealed && self.options.sealer.is_none() {
            let why = "the store is sealed: give its sealer to the builder too";
            return Err(config(unusable("sealer", why)));
        }
        let grants = if self.grants.is_empty() {
            built_in()
        } else {
            self.grants
        };
        warn_if_volatile(&*self.store, &self.options);
        let core = Core::new(self.registration, self.store, transport, grants, self.options);
        Ok(TokenManager { held: Held::new(core) })
    }
}

fn built_in() -> Vec<Arc<dyn Grant>> {
    vec![
        Arc::new(AuthorizationCode),
        Arc::new(ClientCredentials::new()),
        Arc::new(Fixed),
        Arc::new(RefreshToken),
    ]
}

fn warn_if_volatile(store: &dyn TokenStore, options: &Options) {
    let capabilities = store.capabilities();
    let allowed = options.allow_volatile_refresh_tokens || capabilities.volatile_refresh_tokens;
    if capabilities.persistence == Persistence::Evictable && allowed {
        tracing::warn!(
            target: "tokenkeep",
            store = store.name(),
            "refresh tokens may be kept here, and forgotten at any time: then a person must log in again (allow_volatile_refresh_tokens)"
        );
    }
}

fn check_timing(timing: &Timing) -> Result<(), ConfigError> {
    if timing.heartbeat.is_zero() || timing.heartbeat > timing.lease / 2 {
        return Err(unusable(
            "timing",
            "the heartbeat must come at least twice in the time of a lease",
        ));
    }
    if timing.lease_wait < timing.budget {
        return Err(unusable(
            "timing",
            "the wait for a lease must be at least the budget of a request",
        ));
    }
    Ok(())
}

fn check_policy(policy: &RefreshPolicy) -> Result<(), ConfigError> {
    if !(0.0..=1.0).contains(&policy.advisory_fraction) {
        return Err(unusable(
            "refresh policy",
            "the advisory window is a fraction between 0 and 1",
        ));
    }
    Ok(())
}

fn unusable(what: &'static str, why: &str) -> ConfigError {
    ConfigError::Unusable { what, why: why.into() }
}

/// The core of [`TokenManager::fixed`].
pub(super) fn fixed_core(token: AccessToken) -> Core {
    let registration = ClientRegistration::public(nowhere(), "fixed");
    let builder = TokenManagerBuilder::new(registration, Arc::new(MemoryStore::new()));
    let mut core = Core::new(
        builder.registration,
        builder.store,
        Arc::new(NoTransport),
        built_in(),
        builder.options,
    );
    core.fixed = Some(token);
    core
}

fn nowhere() -> crate::provider::Provider {
    let endpoint = EndpointUrl::new("https://[::1]/");
    #[expect(clippy::expect_used, reason = "a constant that a test below parses")]
    let endpoint = endpoint.expect("a constant URL");
    crate::provider::with_endpoints(endpoint, None)
}

/// Sends nothing: a fixed token needs no server.
#[derive(Debug)]
struct NoTransport;

#[async_trait]
impl Transport for NoTransport {
    async fn send(&self, _request: HttpRequest) -> Result<HttpResponse, TransportError> {
        Err(TransportError::not_sent("a manager of a fixed token sends nothing"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::profile::Profile;

    #[tokio::test]
    async fn a_fixed_token_is_always_there() {
        let token = AccessToken::bearer("t", Timestamp::from_unix_seconds(0));
        let source = TokenManager::fixed(token.clone()).source(&Profile::default());
        assert_eq!(*source.peek().unwrap(), token);
        assert_eq!(source.token().await.unwrap(), token);
        assert_eq!(source.after_rejection(&token).await.unwrap(), token);
    }

    #[test]
    fn a_manager_without_a_transport_is_refused() {
        let builder = TokenManager::builder(ClientRegistration::public(nowhere(), "x"), MemoryStore::new());
        assert!(builder.build().unwrap_err().to_string().contains("transport"));
    }
}
