//! The rules of a call, whatever sends it: what is attached, and whether an
//! answer is worth a second attempt.

use auth_core::TokenSource;
use auth_core::error::{TokenError, TokenErrorKind};
use auth_core::token::AccessToken;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};

use crate::challenge::rejects_token;
use crate::error::ClientError;

/// What may be done for a call beside sending it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conduct {
    pub(crate) auto_refresh: bool,
    pub(crate) auto_retry: bool,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            auto_refresh: true,
            auto_retry: true,
        }
    }
}

/// One sending of a request, with its token.
pub(crate) struct Attempt<'a> {
    source: &'a TokenSource,
    conduct: Conduct,
    token: AccessToken,
}

impl<'a> Attempt<'a> {
    pub(crate) async fn first(source: &'a TokenSource, conduct: Conduct) -> Result<Self, ClientError> {
        let token = if conduct.auto_refresh {
            source.token().await
        } else {
            source.current().await
        };
        Ok(Self {
            source,
            conduct,
            token: token.map_err(ClientError::Token)?,
        })
    }

    /// Whether there may be a second attempt, for which to keep the request.
    pub(crate) fn may_repeat(&self) -> bool {
        self.conduct.auto_refresh && self.conduct.auto_retry
    }

    pub(crate) fn attach(&self, headers: &mut HeaderMap) -> Result<(), ClientError> {
        let Some(value) = self.token.authorization() else {
            return Err(ClientError::TokenType(self.token.token_type().to_owned()));
        };
        headers.insert(AUTHORIZATION, value.clone());
        Ok(())
    }

    /// Whether this answer says that the token is to be replaced.
    pub(crate) fn is_rejected(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        self.conduct.auto_refresh && rejects_token(status, headers)
    }

    /// The attempt after a rejection; `None` if there is no other token for now.
    /// To be asked although the request can't be repeated: the next call is better
    /// off with another token.
    pub(crate) async fn next(self) -> Result<Option<Self>, ClientError> {
        match self.source.after_rejection(&self.token).await {
            Ok(token) if token == self.token => Ok(None),
            Ok(token) => Ok(Some(Self { token, ..self })),
            Err(error) if is_transient(&error) => Ok(None),
            Err(error) => Err(ClientError::Token(error)),
        }
    }
}

/// Two credentials in one request: whichever won, the caller would be surprised.
pub(crate) fn refuse_own_credentials(headers: &HeaderMap, url_has_user: bool) -> Result<(), ClientError> {
    if url_has_user || headers.contains_key(AUTHORIZATION) {
        return Err(ClientError::ConflictingAuthorization);
    }
    Ok(())
}

// The API's own answer is worth more than "try again later".
fn is_transient(error: &TokenError) -> bool {
    matches!(error.kind(), TokenErrorKind::Network | TokenErrorKind::Timeout)
}
