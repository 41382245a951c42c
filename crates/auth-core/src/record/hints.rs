//! Hints: what a list may show without opening a record.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What may be known of a record without reading it; holds no secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Hints {
    /// When the access token in the record expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_expires_at: Option<Timestamp>,
    /// The name of the grant by which its tokens came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grant: Option<String>,
    /// Whether the record holds a refresh token.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refreshable: bool,
    /// In what state the grant is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<RecordState>,
}

/// In what state a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Tokens can be had.
    Active,
    /// A refresh is under way, or was interrupted.
    Marked,
    /// The refresh token was refused: a person must log in.
    Refused,
    /// Logged out; the record is a tombstone.
    LoggedOut,
}
