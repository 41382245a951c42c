//! The client registration as a record: what `init` writes and pancloud's files
//! hold.

use serde::{Deserialize, Serialize};

use super::format::option_secret;
use crate::client_auth::ClientAuthMethod;
use crate::provider::Provider;
use crate::secret::Secret;

/// A client registration as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClientRecord {
    /// The authorization server.
    pub provider: Provider,
    /// The client id.
    pub client_id: String,
    /// The client secret, where it is kept in the store.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// How the client authenticates, where it differs from the provider's way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authentication: Option<ClientAuthMethod>,
}

impl ClientRecord {
    /// A registration of this client at this provider.
    pub fn new(provider: Provider, client_id: impl Into<String>) -> Self {
        Self {
            provider,
            client_id: client_id.into(),
            client_secret: None,
            authentication: None,
        }
    }
}
