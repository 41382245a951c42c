//! Auth0: the issuer ends with a slash, clients post their secret, tokens are
//! asked for by `audience`, refresh tokens rotate only where the tenant says so.

use super::{Provider, generic::bare};
use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointError, EndpointUrl, Issuer};

/// An Auth0 tenant by its domain: `tenant.eu.auth0.com`, or its URL.
///
/// Rotation is a setting of the tenant, with an overlap that is 0 unless
/// configured, so it is taken as strict; set [`Provider::rotation`] to what the
/// tenant has.
///
/// Which API a token is for is said by the audience of the
/// [target](crate::Target::audience). An answer that does not say how long the token
/// lives means the token expiration that the API has in the tenant's settings: set
/// [`Provider::default_lifetime`] to that, or a little less.
///
/// # Errors
/// [`EndpointError`] if the domain makes no URL.
pub fn auth0(domain: &str) -> Result<Provider, EndpointError> {
    let base = domain.trim_end_matches('/');
    let base = if base.contains("://") {
        base.to_owned()
    } else {
        format!("https://{base}")
    };
    let endpoint = |path: &str| EndpointUrl::new(&format!("{base}{path}"));
    Ok(Provider {
        issuer: Some(Issuer::new(format!("{base}/"))?),
        authorization_endpoint: Some(endpoint("/authorize")?),
        token_endpoint: Some(endpoint("/oauth/token")?),
        revocation_endpoint: Some(endpoint("/oauth/revoke")?),
        client_authentication: ClientAuthMethod::Post,
        ..bare("auth0")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domain_or_url() {
        let provider = auth0("tenant.auth0.example").unwrap();
        assert_eq!(provider, auth0("https://tenant.auth0.example/").unwrap());
        assert_eq!(
            provider.token_endpoint.unwrap().as_str(),
            "https://tenant.auth0.example/oauth/token"
        );
        assert_eq!(provider.issuer.unwrap().as_str(), "https://tenant.auth0.example/");
        assert!(auth0("a b").is_err());
    }
}
