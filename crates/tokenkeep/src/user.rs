//! Credentials of a person in one call: what is kept is used and kept fresh, and the
//! person is asked only where there is no other way.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use tokenkeep::{ClientRegistration, provider, user::UserCredentials};
//!
//! let client = ClientRegistration::public(provider::foundry("foundry.example")?, "client-id");
//! let store = tokenkeep::store::open("memory:").await?;
//! let source = UserCredentials::new(client, store)
//!     .scopes(["offline_access", "api:read"])
//!     .local_web_server()
//!     .get()
//!     .await?;
//! println!("valid until {:?}", source.token().await?.expires_at());
//! # Ok(()) }
//! ```

mod begun;
mod error;
mod kept;
mod person;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use auth_core::manager::{TokenManager, TokenManagerBuilder};
use auth_core::secret::Secret;
use auth_core::{ClientRegistration, MemoryStore, Profile, Target, TokenSource, TokenStore};
use auth_login::{Browser, ListenError, ListenerConfig, LoginError, LoopbackLogin, Notice, Pasted};
use tokio::sync::mpsc;

pub use begun::UserLogin;
pub use error::UserError;
pub use kept::load;
#[cfg(feature = "json")]
pub use kept::{get_user_credentials, load_user_credentials};

use error::is_final;
use person::Person;

/// The scope by which people let us renew their tokens (OpenID Connect Core section 11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// How often what was entered may be wrong.
const TRIES: usize = 3;

/// What is kept between two calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialsCache {
    /// What is kept is used; logins are kept, if they have the scope
    /// [`offline_access`](OFFLINE_ACCESS).
    #[default]
    ReadWrite,
    /// The person logs in anew each time; logins are kept as above.
    Reauthenticate,
    /// The person logs in anew each time, and nothing is kept.
    None,
}

/// Credentials of a person, to be had in one call.
///
/// They are kept under a profile of their own for each server and client
/// ([`profile`](Self::profile) names another); a login with fewer scopes than are asked
/// for is not used.
#[derive(Debug)]
pub struct UserCredentials {
    registration: ClientRegistration,
    store: Arc<dyn TokenStore>,
    profile: Profile,
    target: Target,
    cache: CredentialsCache,
    way: Way,
    redirect_uri: Option<String>,
    person: Person,
    build: fn(TokenManagerBuilder) -> TokenManagerBuilder,
}

/// How the code comes back.
#[derive(Debug)]
enum Way {
    /// The person copies it.
    Console,
    /// The browser brings it.
    LocalWebServer(Browser),
}

impl UserCredentials {
    /// Of this client, public or confidential, kept in this store. By the console, if
    /// nothing else is said.
    pub fn new(registration: ClientRegistration, store: impl TokenStore) -> Self {
        Self {
            profile: kept::usual_profile(&registration),
            registration,
            store: Arc::new(store),
            target: Target::new(),
            cache: CredentialsCache::default(),
            way: Way::Console,
            redirect_uri: None,
            person: Person::at_the_terminal(),
            build: |builder| builder,
        }
    }

    /// With these scopes (RFC 6749 section 3.3). Without
    /// [`offline_access`](OFFLINE_ACCESS) nothing is kept longer than the process lives.
    pub fn scopes<I>(mut self, scopes: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let scopes = scopes
            .into_iter()
            .map(Into::into)
            .filter(|scope: &String| !scope.is_empty());
        self.target = self.target.scopes(scopes);
        self
    }

    /// Under this profile.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// What is kept between two calls.
    pub fn cache(mut self, cache: CredentialsCache) -> Self {
        self.cache = cache;
        self
    }

    /// The browser brings the code to a local web server, and what is entered counts
    /// too: the first of both.
    pub fn local_web_server(self) -> Self {
        self.browser(Browser::Usual)
    }

    /// The same, by this browser.
    pub fn browser(mut self, browser: Browser) -> Self {
        self.way = Way::LocalWebServer(browser);
        self
    }

    /// The redirect URI that is registered for the console, where it is not the
    /// provider's own.
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = Some(uri.into());
        self
    }

    /// Whether somebody is there to log in; found out by the terminal, if it is not
    /// said. If nobody is, and nothing else helps, [`UserError::Nobody`] says so.
    pub fn somebody_is_there(mut self, yes: bool) -> Self {
        self.person.there = Some(yes);
        self
    }

    /// Takes what is entered from here, in place of stdin.
    pub fn entered(mut self, lines: mpsc::Receiver<Secret>) -> Self {
        self.person.entered = Some(lines);
        self
    }

    /// Tells the person what to do this way, in place of stderr.
    pub fn tell(mut self, tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.person.tell = Arc::new(tell);
        self
    }

    /// Builds the manager with these settings too.
    pub fn manager(mut self, build: fn(TokenManagerBuilder) -> TokenManagerBuilder) -> Self {
        self.build = build;
        self
    }

    /// A source of valid tokens.
    ///
    /// - what is kept is good, or can be renewed: nobody is asked;
    /// - nothing is kept, or its renewal is refused for good: a person logs in;
    /// - network or store fail: an error, whoever is there;
    /// - nobody is at a terminal: an error.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn get(self) -> Result<TokenSource, UserError> {
        let manager = self.built()?;
        let mut refused = None;
        if self.cache == CredentialsCache::ReadWrite && kept::covers(&manager, &self.profile, &self.target).await? {
            let source = manager.source(&self.profile);
            match source.token().await {
                Ok(_) => return Ok(source),
                Err(error) if error.is_reauth_required() => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        if !self.person.is_there() {
            return Err(UserError::Nobody(refused));
        }
        self.log_in(manager).await
    }

    /// Begins a login whose code comes later, in another cell of a notebook: the URL
    /// first. Nothing that is kept is used.
    ///
    /// # Errors
    /// [`UserError::NoRedirect`]; [`UserError::Token`] if the provider has no
    /// authorization endpoint.
    pub fn begin(self) -> Result<UserLogin, UserError> {
        let manager = self.built()?;
        let redirect_uri = self.console_redirect()?;
        UserLogin::begin(manager, self.profile, &redirect_uri, self.target)
    }

    fn built(&self) -> Result<TokenManager, UserError> {
        let kept =
            self.cache != CredentialsCache::None && self.target.scope_names().any(|scope| scope == OFFLINE_ACCESS);
        let registration = self.registration.clone();
        let builder = if kept {
            crate::manager(registration, self.store.clone())
        } else {
            crate::manager(registration, MemoryStore::new()).allow_volatile_refresh_tokens()
        };
        Ok((self.build)(builder).build()?)
    }

    async fn log_in(mut self, manager: TokenManager) -> Result<TokenSource, UserError> {
        let lines = self.person.lines();
        match &self.way {
            Way::Console => {
                let login = UserLogin::begin(
                    manager,
                    self.profile.clone(),
                    &self.console_redirect()?,
                    self.target.clone(),
                )?;
                (self.person.tell)(&format!(
                    "Visit this address, log in, and enter the code that you are shown, or the whole last \
                     address:\n\n  {}\n",
                    login.url()
                ));
                self.by_console(login, lines).await
            }
            Way::LocalWebServer(browser) => self.by_browser(manager, browser.clone(), lines).await,
        }
    }

    async fn by_console(
        &self,
        mut login: UserLogin,
        mut lines: mpsc::Receiver<Secret>,
    ) -> Result<TokenSource, UserError> {
        for tried in 1.. {
            let line = lines.recv().await.ok_or(UserError::NothingEntered)?;
            match Pasted::parse(line.expose()).and_then(|pasted| login.accept(pasted)) {
                Ok(code) => return login.finish_with(code).await,
                Err(error) if tried == TRIES || is_final(&error) => return Err(error.into()),
                Err(error) => (self.person.tell)(&error.to_string()),
            }
        }
        Err(UserError::NothingEntered)
    }

    async fn by_browser(
        &self,
        manager: TokenManager,
        browser: Browser,
        lines: mpsc::Receiver<Secret>,
    ) -> Result<TokenSource, UserError> {
        let tell = self.person.tell.clone();
        kept::keep_client(&manager, &self.profile).await?;
        LoopbackLogin::new(manager.clone())
            .profile(self.profile.clone())
            .target(self.target.clone())
            .listener(self.listener().map_err(LoginError::from)?)
            .browser(browser)
            .timeout(Duration::from_secs(600))
            .pasted(lines)
            .notice(move |notice: Notice| tell(&notice.to_string()))
            .run()
            .await?;
        Ok(manager.source(&self.profile))
    }

    fn console_redirect(&self) -> Result<String, UserError> {
        let provider = self.registration.provider();
        let usual = || provider.redirects.console.as_ref().map(|page| page.as_str().to_owned());
        let named = self.redirect_uri.clone().or_else(usual);
        named.ok_or_else(|| UserError::NoRedirect(provider.name.clone()))
    }

    /// As it is registered: by the provider's habit, else any port and a random path.
    fn listener(&self) -> Result<ListenerConfig, ListenError> {
        let redirects = &self.registration.provider().redirects;
        let config = match &redirects.loopback_path {
            Some(path) => ListenerConfig::default().path(path)?,
            None => ListenerConfig::default(),
        };
        let mut ports = redirects.loopback_ports.clone().into_iter().flatten();
        ports.try_fold(config, |config, port| {
            config.address((Ipv4Addr::LOCALHOST, port).into())
        })
    }
}

#[cfg(test)]
#[cfg(feature = "json")]
mod tests;
