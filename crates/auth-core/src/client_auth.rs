//! How a client authenticates to the token endpoint (RFC 6749 section 2.3).
//!
//! Each way is one file that says what goes where; exactly one way is used per
//! request. Later ones (`private_key_jwt`, mTLS) are further files.

mod basic;
mod none;
mod post;

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// How a client authenticates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuthMethod {
    /// HTTP Basic; id and secret form-encoded first, as RFC 6749 section 2.3.1
    /// has it (`client_secret_basic`).
    #[default]
    Basic,
    /// HTTP Basic with id and secret as they are: what some servers and clients
    /// took the RFC to mean.
    BasicRaw,
    /// No secret: a public client names itself in the body (`none`).
    None,
    /// Id and secret in the body (`client_secret_post`).
    Post,
}

impl ClientAuthMethod {
    /// The name by which people pick it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::BasicRaw => "basic-raw",
            Self::None => "none",
            Self::Post => "post",
        }
    }

    /// Whether it needs a client secret.
    pub fn needs_secret(self) -> bool {
        self != Self::None
    }

    pub(crate) fn authentication(self, client_id: &str, secret: Option<&Secret>) -> Option<Authentication> {
        match self {
            Self::Basic => basic::encoded(secret),
            Self::BasicRaw => basic::raw(client_id, secret),
            Self::None => Some(none::authentication()),
            Self::Post => post::authentication(secret),
        }
    }
}

impl fmt::Display for ClientAuthMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClientAuthMethod {
    type Err = ClientAuthMethodError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "basic" | "client_secret_basic" => Ok(Self::Basic),
            "basic-raw" => Ok(Self::BasicRaw),
            "none" => Ok(Self::None),
            "post" | "client_secret_post" => Ok(Self::Post),
            _ => Err(ClientAuthMethodError),
        }
    }
}

/// The text names no way to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("client authentication is one of: basic, basic-raw, post, none")]
pub struct ClientAuthMethodError;

/// What a way to authenticate puts where.
pub(crate) struct Authentication {
    pub(crate) placement: Placement,
    /// Further parameters of the body.
    pub(crate) parameters: Vec<(String, Secret)>,
    /// Takes the place of the `Authorization` header.
    pub(crate) authorization: Option<HeaderValue>,
}

/// Where the client's id and secret go.
pub(crate) enum Placement {
    /// Into the `Authorization` header.
    Header(Secret),
    /// The id into the body, no secret.
    IdOnly,
    /// Both into the body.
    Body(Secret),
}

impl Authentication {
    fn placed(placement: Placement) -> Self {
        Self {
            placement,
            parameters: Vec::new(),
            authorization: None,
        }
    }
}
