//! A refresh token from elsewhere (RFC 6749 section 6).

use super::{Grant, Renewal, TokenRequest};
use crate::error::ConfigError;
use crate::target::Target;

/// A refresh token that was given to us: by an argument, in the environment. Whoever
/// got it by a login of their own is not asked again.
#[derive(Clone, Copy, Debug, Default)]
pub struct RefreshToken;

impl Grant for RefreshToken {
    fn name(&self) -> &'static str {
        "refresh_token"
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
