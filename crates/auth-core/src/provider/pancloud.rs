//! Palo Alto Networks, Cortex: JSON bodies with id and secret, and a service that gives
//! access tokens for developer tokens.

use super::{BodyFormat, Provider, generic::bare, of_constants};
use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointError, EndpointUrl};

const API: &str = "https://api.paloaltonetworks.com";
const AUTHORIZATION: &str = "https://identity.paloaltonetworks.com/as/authorization.oauth2";
const DEVELOPER_TOKENS: &str = "https://app.apiexplorer.rocks/request_token";

/// The authorization server of Cortex.
///
/// Its refresh tokens may roll, so rotation is taken as strict. Access tokens say
/// themselves when they end. [`Provider::developer_token_endpoint`] is that of API
/// Explorer; set it where another service redeems developer tokens.
pub fn pancloud() -> Provider {
    of_constants(pancloud_at(API, AUTHORIZATION))
}

/// The same at another API base and authorization endpoint.
///
/// # Errors
/// [`EndpointError`] if one of them is no URL.
pub fn pancloud_at(api_base: &str, authorization_endpoint: &str) -> Result<Provider, EndpointError> {
    let base = api_base.trim_end_matches('/');
    Ok(Provider {
        authorization_endpoint: Some(EndpointUrl::new(authorization_endpoint)?),
        token_endpoint: Some(EndpointUrl::new(&format!("{base}/api/oauth2/RequestToken"))?),
        revocation_endpoint: Some(EndpointUrl::new(&format!("{base}/api/oauth2/RevokeToken"))?),
        developer_token_endpoint: Some(EndpointUrl::new(DEVELOPER_TOKENS)?),
        client_authentication: ClientAuthMethod::Post,
        body: BodyFormat::Json,
        environment_prefix: Some("PAN".into()),
        ..bare("pancloud")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_of_this_base() {
        let provider = pancloud();
        assert_eq!(
            provider.token_endpoint.unwrap().as_str(),
            "https://api.paloaltonetworks.com/api/oauth2/RequestToken"
        );
        assert_eq!(provider.developer_token_endpoint.unwrap().as_str(), DEVELOPER_TOKENS);
        let other = pancloud_at("http://127.0.0.1:1/", "http://127.0.0.1:1/authorize").unwrap();
        assert_eq!(
            other.revocation_endpoint.unwrap().as_str(),
            "http://127.0.0.1:1/api/oauth2/RevokeToken"
        );
        assert!(pancloud_at("http://api.example", AUTHORIZATION).is_err());
    }
}
