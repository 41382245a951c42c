//! The authorization servers that the clients were made for.

use auth_core::Provider;
use auth_core::client_auth::ClientAuthMethod;
use auth_core::endpoint::{EndpointUrl, Issuer};
use auth_core::provider::{self, BodyFormat, Rotation};

use super::error::{FormatError, Problem};

pub(super) fn pancloud() -> Result<Provider, FormatError> {
    let mut provider = provider::with_endpoints(endpoint("https://api.paloaltonetworks.com/api/oauth2/RequestToken")?, None);
    provider.name = "pancloud".into();
    provider.body = BodyFormat::Json;
    provider.client_authentication = ClientAuthMethod::Post;
    Ok(provider)
}

/// The server of this token endpoint: a Foundry.
pub(super) fn foundry(token_uri: &str) -> Result<Provider, FormatError> {
    let mut provider = provider::with_endpoints(endpoint(token_uri)?, None);
    provider.name = "foundry".into();
    provider.client_authentication = ClientAuthMethod::Post;
    Ok(provider)
}

pub(super) fn globus() -> Result<Provider, FormatError> {
    let mut provider = provider::with_endpoints(endpoint("https://auth.globus.org/v2/oauth2/token")?, None);
    provider.name = "globus".into();
    Ok(provider)
}

/// Google's, which the defaults of yup-oauth2 are made for. Its refresh tokens stay the same.
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
    EndpointUrl::new(text).map_err(|_| FormatError::of_field("token_uri", Problem::Kind("https, or http to 127.0.0.1")))
}
