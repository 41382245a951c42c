//! What a login asks for in the browser.

use crate::error::ConfigError;
use crate::target::Target;

/// What the login itself puts into the authorization URL, or what would change how it
/// is answered (RFC 6749 section 4.1.1, RFC 7636 section 4.3, RFC 8707, RFC 9101,
/// OpenID Connect Core section 3.1.2.1).
const RESERVED: [&str; 14] = [
    "audience",
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "resource",
    "response_mode",
    "response_type",
    "scope",
    "state",
];

/// What a login asks for in the browser (RFC 6749 section 4.1.1): what the tokens are
/// for, and parameters of the provider's own. A [`Target`] alone is one, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRequest {
    pub(super) target: Target,
    pub(super) parameters: Vec<(String, String)>,
}

impl AuthorizationRequest {
    /// For this target, without further parameters.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            parameters: Vec::new(),
        }
    }

    /// With a further parameter of the authorization URL: `login_hint`, `instance_id`.
    /// It takes the place of the provider's
    /// [own](crate::Provider::authorization_parameters) of this name. The URL is seen
    /// by the browser and by whoever looks at its history: no secrets.
    ///
    /// # Errors
    /// [`ConfigError::Unusable`] if the login sets the parameter itself, if it was
    /// given before, or has no name.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Result<Self, ConfigError> {
        let name = name.into();
        let why = if name.is_empty() {
            "it has no name".to_owned()
        } else if RESERVED.contains(&&*name) {
            format!("the login itself sets {name}")
        } else if self.parameters.iter().any(|(given, _)| *given == name) {
            format!("{name} is given twice")
        } else {
            self.parameters.push((name, value.into()));
            return Ok(self);
        };
        Err(ConfigError::Unusable {
            what: "a parameter of the authorization URL",
            why,
        })
    }

    /// What the tokens are for.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// With these scopes, where none is named.
    pub(crate) fn or_scopes(mut self, usual: &[String]) -> Self {
        if self.target.scope_names().next().is_none() {
            self.target = self.target.scopes(usual);
        }
        self
    }

    pub(super) fn names(&self, name: &str) -> bool {
        self.parameters.iter().any(|(given, _)| given == name)
    }
}

impl From<Target> for AuthorizationRequest {
    fn from(target: Target) -> Self {
        Self::new(target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_login_sets_itself_is_refused() {
        let request = AuthorizationRequest::default().parameter("region", "americas").unwrap();
        for name in RESERVED.into_iter().chain(["", "region"]) {
            let error = request.clone().parameter(name, "x").unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("authorization URL"), "{error}");
        }
        assert!(request.parameter("instance_id", "1").is_ok());
    }
}
