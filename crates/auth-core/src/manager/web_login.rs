//! Logins of web applications: begun on one server, finished on any.

use std::fmt;
use std::time::Duration;

use url::Url;

use super::TokenManager;
use crate::error::TokenError;
use crate::grant::{AuthorizationRequest, Callback, CallbackError, PendingLogin};
use crate::key::Key;
use crate::profile::Profile;
use crate::record::{Contents, LoginRecord, Version};
use crate::refresh;
use crate::secret::Secret;
use crate::store::{RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _};

const LOGIN_LIFETIME: Duration = Duration::from_secs(600);

/// Why a login can't be finished.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WebLoginError {
    /// What the browser came back with can't be accepted. Nothing was sent.
    Callback(CallbackError),
    /// The login belongs to another browser. Nothing was sent.
    OtherBrowser,
    /// The tokens could not be had or kept.
    Token(TokenError),
    /// No such login is under way: it was finished before, took longer than ten
    /// minutes, or never began here. Nothing was sent.
    Unknown,
}

impl fmt::Display for WebLoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Callback(_) => f.write_str("the answer of the authorization server can't be accepted"),
            Self::OtherBrowser => f.write_str("the login was begun in another browser; begin it again in this one"),
            Self::Token(_) => f.write_str("the login could not be finished"),
            Self::Unknown => {
                f.write_str("no such login is under way: it was finished, or took too long; begin it again")
            }
        }
    }
}

impl std::error::Error for WebLoginError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Callback(error) => Some(error),
            Self::Token(error) => Some(error),
            Self::OtherBrowser | Self::Unknown => None,
        }
    }
}

impl From<CallbackError> for WebLoginError {
    fn from(error: CallbackError) -> Self {
        Self::Callback(error)
    }
}

impl From<TokenError> for WebLoginError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl TokenManager {
    /// Begins a login of a web application and gives the URL to send the browser to.
    /// What is needed to finish it is kept in the store for ten minutes, so any
    /// server that shares the store can do so.
    ///
    /// `browser` binds it to one browser: a random value that the application keeps
    /// in a cookie of its own (`Secure`, `HttpOnly`, `SameSite=Lax`).
    ///
    /// # Errors
    /// `Config`, `Store`.
    pub async fn begin_web_login(
        &self,
        profile: &Profile,
        redirect_uri: &str,
        request: impl Into<AuthorizationRequest>,
        browser: &Secret,
    ) -> Result<Url, TokenError> {
        let (url, pending) = self.begin_login(redirect_uri, request)?;
        let state = url
            .query_pairs()
            .find(|(name, _)| name == "state")
            .map(|(_, value)| Secret::new(value));
        let key = key_of(state.as_ref().map_or("", Secret::expose));
        let mut record = pending.record().clone();
        record.profile = profile.to_string();
        record.browser = Some(browser.hash());
        let keep_until = record.begun_at.plus(LOGIN_LIFETIME);
        let store = self.held.core.store.clone();
        let saved = refresh::to_its_end(async move {
            store
                .save_contents(&key, &Contents::from(record), None, Some(keep_until))
                .await
        });
        saved
            .await?
            .map_err(|error| TokenError::store(error, "login").of_profile(profile))?;
        Ok(url)
    }

    /// Finishes a login with the query that the browser came back with, and gives
    /// the profile that it was begun for. Single-use: of several attempts, on
    /// whatever servers, one gets to exchange the code.
    ///
    /// # Errors
    /// [`WebLoginError`].
    pub async fn finish_web_login(&self, query: &str, browser: &Secret) -> Result<Profile, WebLoginError> {
        let callback = Callback::from_query(query)?;
        let state = callback.state.as_ref().ok_or(CallbackError::StateMissing)?;
        let key = key_of(state.expose());
        let (version, record) = self.pending(&key).await?.ok_or(WebLoginError::Unknown)?;
        // Another browser must not use it up either.
        if record.browser != Some(browser.hash()) {
            return Err(WebLoginError::OtherBrowser);
        }
        let profile = Profile::new(record.profile.clone()).map_err(|_| WebLoginError::Unknown)?;
        if !self.take(&key, version).await? {
            return Err(WebLoginError::Unknown);
        }
        let exchange = self.accept_callback(PendingLogin::from_record(record), &callback)?;
        self.finish_login(&profile, exchange).await?;
        Ok(profile)
    }

    async fn pending(&self, key: &Key) -> Result<Option<(Version, LoginRecord)>, TokenError> {
        let (store, key) = (self.held.core.store.clone(), key.clone());
        let stored = refresh::to_its_end(async move { store.load_contents(&key).await }).await?;
        let stored = stored.map_err(|error| TokenError::store(error, "login"))?;
        Ok(stored.and_then(|(version, contents)| Some((version, contents.into_login()?))))
    }

    /// Whether this attempt is the one that may go on.
    async fn take(&self, key: &Key, version: Version) -> Result<bool, TokenError> {
        let (store, key) = (self.held.core.store.clone(), key.clone());
        let removed = refresh::to_its_end(async move { store.remove(&key, RemoveIf::Matches(version)).await }).await?;
        match removed {
            Ok(removed) => Ok(removed),
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
            Err(error) => Err(TokenError::store(error, "login")),
        }
    }
}

/// All logins of this kind stand under one name: who comes back from the
/// authorization server brings a state, no profile.
fn key_of(state: &str) -> Key {
    Key::login(&Profile::of_logins(), state)
}
