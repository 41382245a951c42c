//! The authorization servers that the files do not name.

use auth_core::Provider;
use auth_core::client_auth::ClientAuthMethod;
use auth_core::endpoint::{EndpointUrl, Issuer};
use auth_core::provider::{self, Rotation};

use super::error::{FormatError, Problem};

/// The Foundry that has this token endpoint.
pub(super) fn foundry(token_uri: &str) -> Result<Provider, FormatError> {
    let endpoint = endpoint(token_uri)?;
    let mut provider = provider::foundry(&endpoint.origin()).map_err(|_| not_an_endpoint())?;
    provider.token_endpoint = Some(endpoint);
    Ok(provider)
}

/// Google's, which yup-oauth2 is made for. Its refresh tokens stay the same.
pub(super) fn google() -> Result<Provider, FormatError> {
    let mut provider = provider::with_endpoints(
        endpoint("https://oauth2.googleapis.com/token")?,
        Some(endpoint("https://accounts.google.com/o/oauth2/v2/auth")?),
    );
    provider.issuer = Issuer::new("https://accounts.google.com").ok();
    provider.revocation_endpoint = Some(endpoint("https://oauth2.googleapis.com/revoke")?);
    provider.client_authentication = ClientAuthMethod::Post;
    provider.rotation = Rotation::NonRotating;
    Ok(provider)
}

fn endpoint(text: &str) -> Result<EndpointUrl, FormatError> {
    EndpointUrl::new(text).map_err(|_| not_an_endpoint())
}

fn not_an_endpoint() -> FormatError {
    FormatError::of_field("token_uri", Problem::Kind("an https URL, or http to 127.0.0.1"))
}
