//! A token from elsewhere, used until it ends.

use super::{Grant, Renewal, TokenRequest};
use crate::error::ConfigError;
use crate::target::Target;

/// A token that was given to us: pasted, injected, for tests. Nothing renews it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl Grant for Fixed {
    fn name(&self) -> &'static str {
        "static"
    }

    fn renewal(&self) -> Renewal {
        Renewal::Login
    }

    fn request(&self, _target: &Target) -> Result<TokenRequest, ConfigError> {
        Err(ConfigError::UnknownGrant {
            grant: self.name().into(),
        })
    }
}
