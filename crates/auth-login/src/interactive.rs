//! A login with a person at it: a browser that comes back to our listener, raced with
//! what is pasted.

mod begun;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use auth_core::clock::{Clock, SystemClock};
use auth_core::grant::{AuthorizationRequest, CallbackError};
use auth_core::{AccessToken, Profile, Secret, TokenError, TokenManager};
use tokio::sync::mpsc;
use url::Url;

pub use begun::{BegunLogin, ReceivedCode};

use crate::browser::{Browser, BrowserError};
use crate::listener::{ListenError, Listener, ListenerConfig};
use crate::paste::PasteError;

/// How long a person may take.
const TIMEOUT: Duration = Duration::from_secs(180);

/// A login to be.
///
/// ```no_run
/// # use auth_login::{LoopbackLogin, Notice};
/// # async fn example(manager: auth_core::TokenManager) -> Result<(), auth_login::LoginError> {
/// let token = LoopbackLogin::new(manager)
///     .notice(|notice| match notice {
///         Notice::Begun(url) => eprintln!("opening a browser at {url}"),
///         other => eprintln!("{other}"),
///     })
///     .run()
///     .await?;
/// # Ok(())
/// # }
/// ```
pub struct LoopbackLogin {
    manager: TokenManager,
    profile: Profile,
    request: AuthorizationRequest,
    listener: ListenerConfig,
    browser: Browser,
    timeout: Duration,
    return_to: String,
    pasted: Option<mpsc::Receiver<Secret>>,
    notice: Arc<dyn Fn(Notice) + Send + Sync>,
    clock: Arc<dyn Clock>,
}

/// What the person should know meanwhile.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// The login waits; this is the address for the browser. Show it: the browser may
    /// be another one than the one that opens.
    Begun(Url),
    /// No browser was opened; the address must be opened by hand.
    Browser(BrowserError),
    /// What was pasted can't be used; another try is welcome.
    Paste(PasteError),
}

/// Why nobody is logged in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// What came back is no good: the person or the server refused, or it is not to be
    /// trusted.
    #[error("the login failed")]
    Callback(#[from] CallbackError),
    /// Nothing listens.
    #[error("the browser could not come back to us")]
    Listen(#[from] ListenError),
    /// Nobody came back.
    #[error("nobody logged in within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The code got no token, or it could not be kept.
    #[error("the login could not be completed")]
    Token(#[from] TokenError),
}

impl LoopbackLogin {
    /// A login of the default profile: the usual browser, a free port, three minutes.
    pub fn new(manager: TokenManager) -> Self {
        Self {
            manager,
            profile: Profile::default(),
            request: AuthorizationRequest::default(),
            listener: ListenerConfig::default(),
            browser: Browser::Usual,
            timeout: TIMEOUT,
            return_to: "the program that asked for it".into(),
            pasted: None,
            notice: Arc::new(|_| {}),
            clock: Arc::new(SystemClock),
        }
    }

    /// Keeps the tokens under this profile.
    pub fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// Asks for tokens for this target; an [`AuthorizationRequest`] has parameters of
    /// the authorization URL beside it.
    pub fn target(mut self, request: impl Into<AuthorizationRequest>) -> Self {
        self.request = request.into();
        self
    }

    /// Listens there.
    pub fn listener(mut self, listener: ListenerConfig) -> Self {
        self.listener = listener;
        self
    }

    /// Opens this browser.
    pub fn browser(mut self, browser: Browser) -> Self {
        self.browser = browser;
        self
    }

    /// Gives up after this time, three minutes if nothing is said. Logins live ten
    /// minutes, whatever is said.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Where the last page sends the person: "your terminal".
    pub fn return_to(mut self, place: impl Into<String>) -> Self {
        self.return_to = place.into();
        self
    }

    /// Takes pasted lines as well: a redirect URL or a code ends the login, if it
    /// comes first. What can't be used is said as [`Notice::Paste`]; when the sender is
    /// gone, the browser is waited for alone.
    pub fn pasted(mut self, lines: mpsc::Receiver<Secret>) -> Self {
        self.pasted = Some(lines);
        self
    }

    /// Hears what the person should know.
    pub fn notice(mut self, notice: impl Fn(Notice) + Send + Sync + 'static) -> Self {
        self.notice = Arc::new(notice);
        self
    }

    /// Reads this clock, for the time-outs of login and listener.
    pub fn clock(mut self, clock: impl Clock + Clone) -> Self {
        self.listener = self.listener.clock(clock.clone());
        self.clock = Arc::new(clock);
        self
    }

    /// Listens, and begins the login. Nobody has been asked anything yet.
    ///
    /// # Errors
    /// [`LoginError::Listen`]; [`LoginError::Token`] if the provider has no
    /// authorization endpoint.
    pub async fn begin(self) -> Result<BegunLogin, LoginError> {
        let listener = Listener::bind(&self.listener).await?;
        let (url, pending) = self
            .manager
            .begin_login(listener.redirect_uri(), self.request.clone())?;
        Ok(BegunLogin::new(self, listener, url, pending))
    }

    /// Logs in: asks the person, exchanges the code, keeps the tokens.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn run(self) -> Result<AccessToken, LoginError> {
        let (manager, profile) = (self.manager.clone(), self.profile.clone());
        let received = self.begin().await?.receive().await?;
        let finish = |exchange| async move { manager.finish_login(&profile, exchange).await };
        Ok(received.finish(finish, ToString::to_string).await?)
    }
}

impl fmt::Debug for LoopbackLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoopbackLogin")
            .field("profile", &self.profile)
            .field("listener", &self.listener)
            .field("browser", &self.browser)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begun(url) => write!(f, "open this address in a browser and log in: {url}"),
            Self::Browser(error) => write!(f, "{error}; open the address by hand"),
            Self::Paste(error) => error.fmt(f),
        }
    }
}
