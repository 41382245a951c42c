//! Client credentials (RFC 6749 section 4.4): the client acts for itself.

use super::{Grant, Renewal, RequestKind, TokenRequest};
use crate::error::ConfigError;
use crate::secret::Secret;
use crate::target::Target;

/// The client credentials grant.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    parameters: Vec<(String, Secret)>,
}

impl ClientCredentials {
    /// The name of the grant.
    pub const NAME: &'static str = "client_credentials";

    /// The plain grant.
    pub fn new() -> Self {
        Self::default()
    }

    /// With an extra parameter in every request.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }
}

impl Grant for ClientCredentials {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    fn renewal(&self) -> Renewal {
        Renewal::Repeat
    }

    fn request(&self, target: &Target) -> Result<TokenRequest, ConfigError> {
        let mut request = TokenRequest::new(RequestKind::ClientCredentials, target.clone());
        request.parameters.clone_from(&self.parameters);
        Ok(request)
    }
}
