//! Why a person must log in.

use std::fmt;

/// Why a person must log in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReauthReason {
    /// The service that exchanges developer tokens takes this one no more: it has
    /// ended, or was taken back.
    DeveloperTokenRefused {
        /// The HTTP status of its answer.
        status: u16,
    },
    /// A refresh was interrupted after its request may have been seen; the server
    /// then refused the refresh token: it was probably spent.
    InterruptedRefresh,
    /// The profile was logged out.
    LoggedOut,
    /// The login was moved to another name or store.
    Moved {
        /// Where to.
        to: String,
    },
    /// The access token is over, and there is no refresh token.
    NoRefreshToken,
    /// No valid token is in memory or in the store, and the server was not to be
    /// asked.
    NoValidToken,
    /// Nobody has logged in under this profile.
    NotLoggedIn,
    /// The refresh token has reached the end that the server gave it.
    RefreshTokenExpired,
    /// The server refused the refresh token for good.
    RefreshTokenRefused {
        /// Its error code (RFC 6749 section 5.2).
        code: String,
    },
}

impl ReauthReason {
    /// Whether the server would be asked again at each call: what it said last is to
    /// be remembered for a while.
    pub(crate) fn is_of_an_answer(&self) -> bool {
        matches!(self, Self::DeveloperTokenRefused { .. })
    }

    /// Whether it ends the login: then a token that is still valid is not handed
    /// out any more either.
    pub(crate) fn ends_the_login(&self) -> bool {
        matches!(self, Self::LoggedOut | Self::Moved { .. } | Self::NotLoggedIn)
    }
}

impl fmt::Display for ReauthReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeveloperTokenRefused { status } => write!(
                f,
                "the developer token was refused (status {status}); make a new one where it was made, and give that"
            ),
            Self::InterruptedRefresh => {
                f.write_str("a refresh was interrupted, and the server no longer takes the refresh token")
            }
            Self::LoggedOut => f.write_str("the profile was logged out"),
            Self::Moved { to } => write!(f, "the login was moved to {to}"),
            Self::NoRefreshToken => f.write_str("the access token has expired and there is no refresh token"),
            Self::NoValidToken => f.write_str("no valid token is stored"),
            Self::NotLoggedIn => f.write_str("no login is stored under this profile"),
            Self::RefreshTokenExpired => f.write_str("the refresh token has expired"),
            Self::RefreshTokenRefused { code } => write!(f, "the server refused the refresh token ({code})"),
        }
    }
}
