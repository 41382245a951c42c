//! What happened to a login.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// One event in a grant's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When.
    pub at: Timestamp,
    /// What.
    pub outcome: Outcome,
    /// An error code or the like; no secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// On which host.
    pub host: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new login.
    LoggedIn,
    /// Tokens were forgotten.
    LoggedOut,
    /// The login came from another name or store, or went there.
    Moved,
    /// New tokens.
    Refreshed,
    /// A failure after which the refresh token is as good as before.
    Failed,
    /// The answer was lost: the refresh token may be spent.
    Ambiguous,
    /// The server refused the refresh token.
    Refused,
}
