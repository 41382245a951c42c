//! What the server has seen so far.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// A consistent snapshot of everything the server counted since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Connections accepted, those to `/control/…` included.
    pub connections: u64,
    /// Requests that reached the token endpoint, also those that a fault then answered or dropped.
    pub token_requests: u64,
    /// The same by `grant_type`; a request without one counts as `""`.
    pub by_grant_type: BTreeMap<String, u64>,
    /// Refreshes that were granted, replays within the grace included.
    pub refreshes_granted: u64,
    /// Of these, the ones that spent a refresh token again within the grace.
    pub refreshes_replayed: u64,
    /// Errors answered by the token, revocation and authorization endpoints, by error code.
    pub refusals: BTreeMap<String, u64>,
    /// Spent refresh tokens presented again outside any grace.
    pub double_spends: u64,
    /// Logins (families of refresh tokens) that ended, for whatever reason.
    pub families_revoked: u64,
    /// Of these, the ones that reuse of a refresh token or of a code ended: nobody wanted that.
    pub logins_lost: u64,
    /// Logins granted.
    pub logins: u64,
    /// Requests to the authorization endpoint.
    pub authorization_requests: u64,
    /// Requests for the server's metadata.
    pub discovery_requests: u64,
    /// Requests to the revocation endpoint.
    pub revocations: u64,
    /// Requests to the service that redeems developer tokens.
    pub developer_token_requests: u64,
    /// Calls of the protected API with a live access token.
    pub api_ok: u64,
    /// Calls of the protected API without one.
    pub api_unauthorized: u64,
    /// Requests that an injected fault was applied to.
    pub faults_applied: u64,
}

impl Counters {
    /// Token requests with this `grant_type`.
    pub fn requests_of(&self, grant_type: &str) -> u64 {
        self.by_grant_type.get(grant_type).copied().unwrap_or_default()
    }

    /// Refusals with this error code.
    pub fn refusals_of(&self, error: &str) -> u64 {
        self.refusals.get(error).copied().unwrap_or_default()
    }

    /// The snapshot as JSON, one member per field: what `/control/counters` answers.
    pub fn to_json(&self) -> Value {
        json!({
            "connections": self.connections,
            "token_requests": self.token_requests,
            "by_grant_type": self.by_grant_type,
            "refreshes_granted": self.refreshes_granted,
            "refreshes_replayed": self.refreshes_replayed,
            "refusals": self.refusals,
            "double_spends": self.double_spends,
            "families_revoked": self.families_revoked,
            "logins_lost": self.logins_lost,
            "logins": self.logins,
            "authorization_requests": self.authorization_requests,
            "discovery_requests": self.discovery_requests,
            "revocations": self.revocations,
            "developer_token_requests": self.developer_token_requests,
            "api_ok": self.api_ok,
            "api_unauthorized": self.api_unauthorized,
            "faults_applied": self.faults_applied,
        })
    }

    pub(super) fn count_token_request(&mut self, grant_type: &str) {
        self.token_requests += 1;
        *self.by_grant_type.entry(grant_type.to_owned()).or_default() += 1;
    }

    pub(super) fn count_refusal(&mut self, error: &str) {
        *self.refusals.entry(error.to_owned()).or_default() += 1;
    }
}

/// One refresh token presented once at the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefreshSend {
    /// The first 16 hexadecimal digits of the SHA-256 of the refresh token.
    pub token: String,
    /// The server's time of handling, since the Unix epoch.
    pub at: Duration,
    /// What became of it.
    pub outcome: SendOutcome,
}

impl RefreshSend {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "token": self.token,
            "at_milliseconds": u64::try_from(self.at.as_millis()).unwrap_or(u64::MAX),
            "outcome": self.outcome.as_str(),
        })
    }
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendOutcome {
    /// First use; granted.
    Granted,
    /// Used again within the grace; granted.
    Replayed,
    /// Used again outside the grace; the whole family was revoked.
    Reused,
    /// Refused for another reason: unknown, expired, revoked, superseded or of another client.
    Refused,
}

impl SendOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Replayed => "replayed",
            Self::Reused => "reused",
            Self::Refused => "refused",
        }
    }
}
