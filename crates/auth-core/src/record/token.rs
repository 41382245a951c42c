//! Token records: one access token each; they may be lost.

use serde::{Deserialize, Serialize};

use super::format::{option_secret, secret};
use super::{Hints, LoginId, RecordState};
use crate::clock::Timestamp;
use crate::secret::{Secret, SecretHash};
use crate::target::Target;

/// One access token, for one target, of one login.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TokenRecord {
    /// The login that it belongs to; `None` for tokens that need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login_id: Option<LoginId>,
    /// To whom it belongs.
    pub binding: super::Binding,
    /// The name of the grant by which it came.
    pub grant: String,
    /// The hash of the secret that it was asked for with, where that is not the
    /// client's own: a developer token.
    #[serde(
        default,
        with = "super::format::option_hash",
        skip_serializing_if = "Option::is_none"
    )]
    pub asked_with: Option<SecretHash>,
    /// What it is for, in full: the key has only a hash.
    pub target: Target,
    /// The token.
    pub access: AccessEntry,
    /// When a new one was last fetched because of a 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_refresh_at: Option<Timestamp>,
}

impl TokenRecord {
    /// An access token got by this grant.
    pub fn new(binding: super::Binding, grant: impl Into<String>, target: Target, access: AccessEntry) -> Self {
        Self {
            login_id: None,
            binding,
            grant: grant.into(),
            asked_with: None,
            target,
            access,
            rejected_refresh_at: None,
        }
    }

    pub(crate) fn hints(&self) -> Hints {
        Hints {
            access_expires_at: self.access.expires_at,
            grant: Some(self.grant.clone()),
            refreshable: false,
            state: Some(RecordState::Active),
        }
    }
}

/// An access token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccessEntry {
    /// The token.
    #[serde(with = "secret")]
    pub token: Secret,
    /// Its type, as the server wrote it (RFC 6749 section 7.1).
    pub token_type: String,
    /// When it was got.
    pub issued_at: Timestamp,
    /// When it expires; `None`: not known, good until a 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The scopes granted, if the server said or we asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The resource server that it is for, where the server said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_server: Option<String>,
    /// The ID token that came with it; kept, not verified.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
}

impl AccessEntry {
    /// A bearer token (RFC 6750) without further details.
    pub fn bearer(token: Secret, issued_at: Timestamp, expires_at: Option<Timestamp>) -> Self {
        Self {
            token,
            token_type: "Bearer".into(),
            issued_at,
            expires_at,
            scopes: Vec::new(),
            resource_server: None,
            id_token: None,
        }
    }
}
