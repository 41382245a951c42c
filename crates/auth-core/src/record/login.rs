//! A login under way: what must be known again when the browser comes back.

use serde::{Deserialize, Serialize};

use super::Binding;
use super::format::{hash, option_hash, option_secret, secret};
use crate::clock::Timestamp;
use crate::secret::{Secret, SecretHash};
use crate::target::Target;

/// A login under way: single-use, ten minutes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LoginRecord {
    /// The profile that it is for; empty where whoever began it knows.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub profile: String,
    /// To whom the code will be sent.
    pub binding: Binding,
    /// The hash of the `state` parameter.
    #[serde(with = "hash")]
    pub state: SecretHash,
    /// The PKCE verifier (RFC 7636 section 4.1).
    #[serde(with = "secret")]
    pub verifier: Secret,
    /// The `nonce` of an OpenID login.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Secret>,
    /// Where the authorization server sends the browser back to.
    pub redirect_uri: String,
    /// What was asked for.
    pub target: Target,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// The hash of what binds it to one browser.
    #[serde(default, with = "option_hash", skip_serializing_if = "Option::is_none")]
    pub browser: Option<SecretHash>,
    /// Whether the answer must name its issuer (RFC 9207).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub issuer_required: bool,
}

impl LoginRecord {
    /// A login begun now with this `state` and verifier.
    pub fn new(
        binding: Binding,
        state: &Secret,
        verifier: Secret,
        redirect_uri: impl Into<String>,
        target: Target,
        begun_at: Timestamp,
    ) -> Self {
        Self {
            profile: String::new(),
            binding,
            state: state.hash(),
            verifier,
            nonce: None,
            redirect_uri: redirect_uri.into(),
            target,
            begun_at,
            browser: None,
            issuer_required: false,
        }
    }
}
