//! Globus Auth: HTTP Basic with id and secret as they are, one answer with the tokens of
//! several resource servers.

use super::{Provider, Redirects, generic::bare, of_constants};
use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointError, EndpointUrl};

const BASE: &str = "https://auth.globus.org";

/// What is asked for where nobody names scopes: who it is, and all of Transfer.
const DEFAULT_SCOPES: [&str; 4] = [
    "openid",
    "profile",
    "email",
    "urn:globus:auth:scope:transfer.api.globus.org:all",
];

/// Globus Auth.
pub fn globus() -> Provider {
    of_constants(globus_at(BASE))
}

/// Globus Auth of another deployment: `https://auth.test.example`.
///
/// # Errors
/// [`EndpointError`] if the base makes no URL.
pub fn globus_at(base: &str) -> Result<Provider, EndpointError> {
    let base = base.trim_end_matches('/');
    let endpoint = |path: &str| EndpointUrl::new(&format!("{base}/v2/{path}"));
    Ok(Provider {
        authorization_endpoint: Some(endpoint("oauth2/authorize")?),
        token_endpoint: Some(endpoint("oauth2/token")?),
        revocation_endpoint: Some(endpoint("oauth2/token/revoke")?),
        client_authentication: ClientAuthMethod::BasicRaw,
        default_scopes: DEFAULT_SCOPES.map(str::to_owned).to_vec(),
        // Without it a login gives no refresh token.
        authorization_parameters: vec![("access_type".into(), "offline".into())],
        redirects: Redirects {
            console: Some(endpoint("web/auth-code")?),
            ..Redirects::default()
        },
        ..bare("globus")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_this_base() {
        let provider = globus();
        assert_eq!(
            provider.token_endpoint.unwrap().as_str(),
            "https://auth.globus.org/v2/oauth2/token"
        );
        assert_eq!(provider.default_scopes.len(), 4);
        let other = globus_at("http://127.0.0.1:1/").unwrap();
        assert_eq!(
            other.revocation_endpoint.unwrap().as_str(),
            "http://127.0.0.1:1/v2/oauth2/token/revoke"
        );
        assert_eq!(globus_at("http://auth.example"), Err(EndpointError::NotEncrypted));
    }
}
