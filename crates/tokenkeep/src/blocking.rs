//! For programs without async: the same flights, waited for on this thread.
//!
//! Inside an async runtime every call is an error that says so, at once: blocking one
//! of its threads could stop what is waited for.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use auth_core::error::ConfigError;
use auth_core::grant::{AuthorizationRequest, CodeExchange, PendingLogin};
use auth_core::manager::ProfileStatus;
use auth_core::resolver::{Resolved, Resolver};
use auth_core::source::TokenRef;
use auth_core::store::{Operation, StoreError, StoreErrorKind};
use auth_core::{AccessToken, Profile, Seed, Target, TokenError, TokenErrorKind, TokenStore};
use tokio::runtime::{Builder, Handle, Runtime};

/// A [`TokenManager`](auth_core::TokenManager) whose calls block.
#[derive(Clone, Debug)]
pub struct TokenManager(auth_core::TokenManager);

/// A [`TokenSource`](auth_core::TokenSource) whose calls block.
#[derive(Clone, Debug)]
pub struct TokenSource(auth_core::TokenSource);

/// Opens a store by its URL, as [`store::open`](crate::store::open).
///
/// # Errors
/// As there; `Unsupported` inside an async runtime.
pub fn open(url: &str) -> Result<Arc<dyn TokenStore>, StoreError> {
    wait(crate::store::open(url)).unwrap_or_else(|error| {
        let unsupported = StoreError::new(StoreErrorKind::Unsupported, Operation::Open, "blocking");
        Err(unsupported.with_message(error.to_string()))
    })
}

/// Finds credentials, as [`Resolver::resolve`].
///
/// # Errors
/// As there; `Config` inside an async runtime.
pub fn resolve(resolver: &Resolver, profile: &Profile, store: &dyn TokenStore) -> Result<Resolved, TokenError> {
    wait(resolver.resolve(profile, store))?
}

impl TokenManager {
    /// Makes the calls of this manager block.
    pub fn new(manager: auth_core::TokenManager) -> Self {
        Self(manager)
    }

    /// The source of tokens of this profile, for the default target.
    pub fn source(&self, profile: &Profile) -> TokenSource {
        TokenSource(self.0.source(profile))
    }

    /// The source of tokens of this profile for this target.
    pub fn source_for(&self, profile: &Profile, target: &Target) -> TokenSource {
        TokenSource(self.0.source_for(profile, target))
    }

    /// The async manager: for what needs no waiting, such as
    /// [`begin_login`](auth_core::TokenManager::begin_login).
    pub fn as_async(&self) -> &auth_core::TokenManager {
        &self.0
    }

    /// As [`finish_login`](auth_core::TokenManager::finish_login).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn finish_login(&self, profile: &Profile, exchange: CodeExchange) -> Result<AccessToken, TokenError> {
        wait(self.0.finish_login(profile, exchange))?
    }

    /// As [`begin_login`](auth_core::TokenManager::begin_login), which needs no waiting.
    ///
    /// # Errors
    /// As there.
    pub fn begin_login(
        &self,
        redirect_uri: &str,
        request: impl Into<AuthorizationRequest>,
    ) -> Result<(url::Url, PendingLogin), TokenError> {
        self.0.begin_login(redirect_uri, request)
    }

    /// As [`seed`](auth_core::TokenManager::seed).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn seed(&self, profile: &Profile, seed: impl Into<Seed>) -> Result<TokenSource, TokenError> {
        wait(self.0.seed(profile, seed))?.map(TokenSource)
    }

    /// As [`Resolved::source`].
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn source_of(&self, resolved: &Resolved) -> Result<TokenSource, TokenError> {
        wait(resolved.source(&self.0))?.map(TokenSource)
    }

    /// As [`status`](auth_core::TokenManager::status).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn status(&self, profile: &Profile) -> Result<Option<ProfileStatus>, TokenError> {
        wait(self.0.status(profile))?
    }

    /// As [`logout`](auth_core::TokenManager::logout).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn logout(&self, profile: &Profile) -> Result<bool, TokenError> {
        wait(self.0.logout(profile))?
    }

    /// As [`revoke`](auth_core::TokenManager::revoke).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn revoke(&self, profile: &Profile) -> Result<bool, TokenError> {
        wait(self.0.revoke(profile))?
    }

    /// As [`shutdown`](auth_core::TokenManager::shutdown): for the end of a process.
    ///
    /// # Errors
    /// `Config` inside an async runtime.
    pub fn shutdown(&self) -> Result<bool, TokenError> {
        wait(self.0.shutdown())
    }
}

impl TokenSource {
    /// As [`token`](auth_core::TokenSource::token).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn token(&self) -> Result<AccessToken, TokenError> {
        wait(self.0.token())?
    }

    /// As [`force`](auth_core::TokenSource::force).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn force(&self) -> Result<AccessToken, TokenError> {
        wait(self.0.force())?
    }

    /// As [`after_rejection`](auth_core::TokenSource::after_rejection).
    ///
    /// # Errors
    /// As there; `Config` inside an async runtime.
    pub fn after_rejection(&self, rejected: &AccessToken) -> Result<AccessToken, TokenError> {
        wait(self.0.after_rejection(rejected))?
    }

    /// As [`peek`](auth_core::TokenSource::peek), which waits for nothing: it works
    /// everywhere.
    pub fn peek(&self) -> Option<TokenRef> {
        self.0.peek()
    }
}

/// Waits on the calling thread; the work itself is on the engine's. The runtime that
/// keeps the time meanwhile lives as long as the process: it could not be dropped
/// everywhere.
fn wait<F: Future>(work: F) -> Result<F::Output, TokenError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    if Handle::try_current().is_ok() {
        return Err(refused(
            "this thread belongs to an async runtime; use the async calls here",
        ));
    }
    let runtime = RUNTIME.get_or_init(|| Builder::new_current_thread().enable_all().build().ok());
    let runtime = runtime
        .as_ref()
        .ok_or_else(|| refused("the operating system gives no timer"))?;
    Ok(runtime.block_on(work))
}

fn refused(why: &str) -> TokenError {
    let error = ConfigError::Unusable {
        what: "a blocking call",
        why: why.into(),
    };
    TokenError::new(TokenErrorKind::Config(error), "token")
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::clock::Timestamp;

    fn fixed() -> TokenManager {
        let token = AccessToken::bearer("t", Timestamp::from_unix_seconds(0));
        TokenManager::new(auth_core::TokenManager::fixed(token))
    }

    #[test]
    fn blocks_where_it_may() {
        let source = fixed().source(&Profile::default());
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let source = source.clone();
                std::thread::spawn(move || source.force().unwrap().secret().expose().to_owned())
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), "t");
        }
    }

    #[test]
    fn it_ends_without_async_too() {
        assert!(fixed().shutdown().unwrap());
    }

    #[test]
    fn credentials_are_found_without_async_too() {
        let environment = |name: &str| (name == "TOKENKEEP_ACCESS_TOKEN").then(|| "given".into());
        let (resolver, store) = (Resolver::new(environment), auth_core::MemoryStore::new());
        let found = resolve(&resolver, &Profile::default(), &store).unwrap();
        assert_eq!(
            fixed().source_of(&found).unwrap().token().unwrap().secret().expose(),
            "given"
        );
        let seeded = fixed().seed(&Profile::default(), Seed::new("r")).unwrap();
        assert_eq!(seeded.token().unwrap().secret().expose(), "t");
    }

    #[test]
    fn inside_a_runtime_it_is_a_clear_error() {
        let source = fixed().source(&Profile::default());
        let runtime = Runtime::new().unwrap();
        let error = runtime.block_on(async { source.token().unwrap_err() });
        assert!(error.to_string().contains("async runtime"), "{error}");
        assert!(runtime.block_on(async { source.peek().is_some() }));
        assert_eq!(
            runtime.block_on(async { open("memory:").unwrap_err().kind() }),
            StoreErrorKind::Unsupported
        );
    }
}
