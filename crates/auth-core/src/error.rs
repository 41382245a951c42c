//! What can go wrong on the way to a token: a kind to match on, whether to try
//! again, and what to do next.

mod config;
mod reauth;
mod refusal;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use config::{ConfigError, MissingCredential, PartialCredentials};
pub use reauth::ReauthReason;
pub use refusal::Refusal;

use crate::profile::Profile;
use crate::sealer::SealError;
use crate::store::{Retry, StoreError, StoreErrorKind};
use crate::transport::TransportError;

/// Why there is no token. Cheap to clone: all who waited for one refresh get the
/// same error.
///
/// `Display` prints this layer only; [`source`](Error::source) leads to the
/// cause. No secret is in either.
#[derive(Clone, Debug)]
pub struct TokenError(Arc<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    kind: TokenErrorKind,
    operation: &'static str,
    profile: Option<Profile>,
    retry: Retry,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What to match on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// Something is set up wrongly, or not at all: it stays so until it is changed.
    Config(ConfigError),
    /// The authorization server can't be reached.
    Network,
    /// A person must log in.
    ReauthRequired(ReauthReason),
    /// The authorization server answered, and refused.
    Refused(Box<Refusal>),
    /// The work was given up because the engine ends.
    Shutdown,
    /// The store can't be used. Where it concerns a refresh token nothing was sent.
    Store(StoreErrorKind),
    /// It took longer than allowed. Work under way goes on behind it.
    Timeout,
}

impl TokenError {
    /// An error of this kind in this operation: `refresh`, `login`.
    pub fn new(kind: TokenErrorKind, operation: &'static str) -> Self {
        let retry = usual_retry(&kind);
        Self(Arc::new(Inner {
            kind,
            operation,
            profile: None,
            retry,
            source: None,
        }))
    }

    /// The same, of this profile.
    pub fn of_profile(self, profile: &Profile) -> Self {
        self.edit(|inner| inner.profile = Some(profile.clone()))
    }

    /// The same, with another hint than the kind's usual one.
    pub fn with_retry(self, retry: Retry) -> Self {
        self.edit(|inner| inner.retry = retry)
    }

    /// The same, with the error underneath, which must hold no secret.
    pub fn with_source(self, source: impl Error + Send + Sync + 'static) -> Self {
        self.edit(|inner| inner.source = Some(Arc::new(source)))
    }

    /// What to match on.
    pub fn kind(&self) -> &TokenErrorKind {
        &self.0.kind
    }

    /// What was being done.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// Of which profile.
    pub fn profile(&self) -> Option<&Profile> {
        self.0.profile.as_ref()
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// Whether only a person can help.
    pub fn is_reauth_required(&self) -> bool {
        matches!(self.0.kind, TokenErrorKind::ReauthRequired(_))
    }

    /// Whether the login itself is over, so that what is held of it must go.
    pub(crate) fn ends_the_login(&self) -> bool {
        match &self.0.kind {
            TokenErrorKind::ReauthRequired(reason) => reason.ends_the_login(),
            TokenErrorKind::Config(error) => matches!(error, ConfigError::BoundElsewhere { .. }),
            _ => false,
        }
    }

    pub(crate) fn config(error: ConfigError, operation: &'static str) -> Self {
        Self::new(TokenErrorKind::Config(error), operation)
    }

    pub(crate) fn reauth(reason: ReauthReason, operation: &'static str) -> Self {
        Self::new(TokenErrorKind::ReauthRequired(reason), operation)
    }

    pub(crate) fn store(error: StoreError, operation: &'static str) -> Self {
        let retry = error.retry();
        Self::new(TokenErrorKind::Store(error.kind()), operation)
            .with_retry(retry)
            .with_source(error)
    }

    pub(crate) fn seal(error: SealError, operation: &'static str) -> Self {
        Self::new(TokenErrorKind::Store(error.kind()), operation).with_source(error)
    }

    pub(crate) fn transport(error: TransportError, operation: &'static str) -> Self {
        let kind = if error.is_timeout() {
            TokenErrorKind::Timeout
        } else {
            TokenErrorKind::Network
        };
        Self::new(kind, operation).with_source(error)
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.operation)?;
        if let Some(profile) = &self.0.profile {
            write!(f, " of profile {profile}")?;
        }
        write!(f, ": {}", self.0.kind)
    }
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Network => f.write_str("the authorization server can't be reached"),
            Self::ReauthRequired(reason) => write!(f, "a login is required: {reason}"),
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Shutdown => f.write_str("given up, the token engine ends"),
            Self::Store(kind) => write!(f, "the store can't be used ({kind})"),
            Self::Timeout => f.write_str("it took longer than allowed"),
        }
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

fn usual_retry(kind: &TokenErrorKind) -> Retry {
    match kind {
        TokenErrorKind::Refused(refusal) => refusal.retry(),
        TokenErrorKind::Network | TokenErrorKind::Timeout | TokenErrorKind::Store(StoreErrorKind::Unavailable) => {
            Retry::After(Duration::from_secs(1))
        }
        _ => Retry::Never,
    }
}
