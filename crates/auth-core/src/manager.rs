//! The token manager: what users hold.

mod builder;
mod given;
mod login;
mod logout;
mod rename;
mod seed;
mod status;
mod web_login;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::TokenManagerBuilder;
pub use seed::Seed;
pub use status::ProfileStatus;
pub use web_login::WebLoginError;

use crate::client_registration::ClientRegistration;
use crate::error::TokenError;
use crate::profile::Profile;
use crate::refresh::Core;
use crate::source::TokenSource;
use crate::store::TokenStore;
use crate::target::Target;
use crate::token::AccessToken;

/// How long the end of the last manager waits for refreshes under way.
const DRAIN_LIMIT: Duration = Duration::from_secs(30);

/// Gets tokens, keeps them fresh, shares them through a store.
///
/// One client, many profiles. Cheap to clone. Refreshes run on a thread of the
/// engine's own; dropping the last manager and the last source waits up to 30
/// seconds for those that spend a refresh token, and lets no other begin. Static
/// variables are never dropped, and `process::exit` waits for nobody: call
/// [`shutdown`](Self::shutdown) before.
#[derive(Clone)]
pub struct TokenManager {
    held: Held,
}

/// What managers and sources hold of the engine.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) core: Arc<Core>,
    // Flights hold the core, not this: so its drop is the end of the last user.
    _last: Arc<LastOut>,
}

struct LastOut(Arc<Core>);

impl TokenManager {
    /// A manager for this client over this store; an `Arc` or `Box` of a store is one
    /// too.
    pub fn builder(registration: ClientRegistration, store: impl TokenStore) -> TokenManagerBuilder {
        TokenManagerBuilder::new(registration, Arc::new(store))
    }

    /// A manager that always gives this token: for users' own tests.
    pub fn fixed(token: AccessToken) -> Self {
        Self {
            held: Held::new(builder::fixed_core(token)),
        }
    }

    /// The source of tokens of this profile, for the default target.
    pub fn source(&self, profile: &Profile) -> TokenSource {
        self.source_for(profile, &Target::default())
    }

    /// The source of tokens of this profile for this target.
    pub fn source_for(&self, profile: &Profile, target: &Target) -> TokenSource {
        TokenSource::new(self.held.clone(), profile, target)
    }

    /// The client.
    pub fn registration(&self) -> &ClientRegistration {
        &self.held.core.client
    }

    /// The store.
    pub fn store(&self) -> &Arc<dyn TokenStore> {
        &self.held.core.store
    }

    /// For the end of a process: from now on no refresh token is spent, no code
    /// exchanged and no login ended by this manager, its copies and sources; waits, up to
    /// 30 seconds, for those under way. `false` if that was not long enough.
    ///
    /// What is in memory or in the store is still given out, and what can be asked for
    /// again (client credentials) is still asked for; the rest is an error of the kind
    /// [`Shutdown`](crate::TokenErrorKind::Shutdown), before anything was sent. Closed
    /// also if the future is dropped.
    pub async fn shutdown(&self) -> bool {
        self.held.core.drain.close();
        self.drain().await
    }

    /// Waits, up to 30 seconds, until no refresh token is being spent; `false` if
    /// that was not long enough. Others may begin meanwhile and afterwards.
    pub async fn drain(&self) -> bool {
        self.held.core.drain.wait_async(DRAIN_LIMIT).await
    }

    async fn flying<F>(
        &self,
        work: impl FnOnce(Arc<Core>, crate::refresh::Reporter) -> F,
    ) -> Result<AccessToken, TokenError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let core = self.held.core.clone();
        crate::refresh::Flight::start(|reporter| work(core, reporter))
            .wait()
            .await
    }
}

impl Held {
    pub(crate) fn new(core: Core) -> Self {
        let core = Arc::new(core);
        Self {
            _last: Arc::new(LastOut(core.clone())),
            core,
        }
    }
}

impl Drop for LastOut {
    fn drop(&mut self) {
        self.0.drain.close();
        if !self.0.drain.wait(DRAIN_LIMIT) {
            tracing::warn!(target: "tokenkeep", "a refresh is still under way; its tokens may be lost if the process ends now");
        }
    }
}

impl fmt::Debug for TokenManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenManager")
            .field("client_id", &self.held.core.client.client_id())
            .field("store", &self.held.core.store.name())
            .finish_non_exhaustive()
    }
}
