//! What can go wrong in a call of an API.

use auth_core::error::TokenError;
use reqwest::StatusCode;

use crate::origin::OriginError;

/// Why a call has no answer.
///
/// `Display` prints this layer only; [`source`](std::error::Error::source) leads
/// to the cause. Neither shows a token or the URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The request has credentials of its own: an `Authorization` header, or a
    /// user name in the URL. Nothing was sent.
    #[error("the request has credentials of its own beside the access token")]
    ConflictingAuthorization,
    /// reqwest could not build or send the request, or could not read the answer.
    #[error("the request failed")]
    Http(#[source] reqwest::Error),
    /// An origin at setting up is none.
    #[error("not an origin; write it like https://api.example")]
    Origin(#[source] OriginError),
    /// The URL is of an origin that this client has no token for. Nothing was sent.
    #[error("no token for {0}")]
    OriginNotAllowed(String),
    /// The API answered with this status, 400 or above; only if
    /// `error_for_status` is on.
    #[error("the API answered {0}")]
    Status(StatusCode),
    /// There is no token. If this is from the first attempt, the API was not called.
    #[error("no access token")]
    Token(#[source] TokenError),
    /// The token is of a type that can't be presented as bearer token. Nothing was sent.
    #[error("an access token of type {0:?} can't be sent as a bearer token")]
    TokenType(String),
}

impl ClientError {
    /// The URL may hold what is not for logs.
    pub(crate) fn http(error: reqwest::Error) -> Self {
        Self::Http(error.without_url())
    }

    /// Why there is no token, if that is it.
    pub fn as_token_error(&self) -> Option<&TokenError> {
        match self {
            Self::Token(error) => Some(error),
            _ => None,
        }
    }
}
