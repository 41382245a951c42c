//! Any authorization server that keeps to the standards.

use super::{BodyFormat, Provider, Redirects, Rotation, StepAuthentication};
use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointUrl, Issuer};

/// A provider that is known by its issuer only; its endpoints come from
/// [`discovery`](crate::discovery).
pub fn generic(issuer: Issuer) -> Provider {
    Provider {
        issuer: Some(issuer),
        ..bare("generic")
    }
}

/// A provider that is known by its token endpoint, for servers without metadata.
pub fn with_endpoints(token_endpoint: EndpointUrl, authorization_endpoint: Option<EndpointUrl>) -> Provider {
    Provider {
        token_endpoint: Some(token_endpoint),
        authorization_endpoint,
        ..bare("generic")
    }
}

/// Nothing is known of the provider: whatever is to be sent is an error.
pub(crate) fn unknown() -> Provider {
    bare("unknown")
}

pub(super) fn bare(name: &str) -> Provider {
    Provider {
        name: name.into(),
        issuer: None,
        authorization_endpoint: None,
        token_endpoint: None,
        revocation_endpoint: None,
        client_authentication: ClientAuthMethod::Basic,
        step_authentication: StepAuthentication::default(),
        body: BodyFormat::Form,
        rotation: Rotation::Strict,
        default_lifetime: None,
        refresh_revokes_access_tokens: false,
        issuer_in_callback: false,
        default_scopes: Vec::new(),
        authorization_parameters: Vec::new(),
        redirects: Redirects::default(),
        developer_token_endpoint: None,
        transient_errors: Vec::new(),
        environment_prefix: None,
    }
}
