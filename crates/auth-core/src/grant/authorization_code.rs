//! Authorization code with PKCE (RFC 6749 section 4.1, RFC 7636, S256 only).

mod callback;
mod pending;
mod request;

pub use callback::{Callback, CallbackError};
pub use pending::{CodeExchange, PendingLogin};
pub use request::AuthorizationRequest;

use super::{Grant, Renewal, TokenRequest};
use crate::error::ConfigError;
use crate::target::Target;

/// The authorization code grant: a person logs in, then the refresh token renews.
///
/// A login is begun by [`PendingLogin::begin`] and ended by
/// [`PendingLogin::accept`].
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorizationCode;

impl Grant for AuthorizationCode {
    fn name(&self) -> &'static str {
        "authorization_code"
    }

    fn renewal(&self) -> Renewal {
        Renewal::RefreshToken
    }

    fn request(&self, _target: &Target) -> Result<TokenRequest, ConfigError> {
        Err(ConfigError::UnknownGrant {
            grant: self.name().into(),
        })
    }
}
