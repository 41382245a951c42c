//! One call: attach, send, and after a rejection send once more.

use auth_core::error::{TokenError, TokenErrorKind};
use auth_core::token::AccessToken;
use reqwest::header::AUTHORIZATION;
use reqwest::{Request, Response};

use crate::challenge::rejects_token;
use crate::error::ClientError;
use crate::origin::Origin;
use auth_core::TokenSource;

/// What may be done for a call beside sending it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conduct {
    pub(super) auto_refresh: bool,
    pub(super) auto_retry: bool,
}

impl Default for Conduct {
    fn default() -> Self {
        Self {
            auto_refresh: true,
            auto_retry: true,
        }
    }
}

pub(super) struct Exchange<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) origin: &'a Origin,
    pub(super) source: &'a TokenSource,
    pub(super) conduct: Conduct,
}

impl Exchange<'_> {
    pub(super) async fn run(&self, request: Request) -> Result<Response, ClientError> {
        refuse_own_credentials(&request)?;
        let token = self.first_token().await.map_err(ClientError::Token)?;
        let again = self.copy(&request);
        let response = self.send(request, &token).await?;
        let counts = rejects_token(response.status(), response.headers()) && self.origin.holds(response.url());
        if !self.conduct.auto_refresh || !counts {
            return Ok(response);
        }
        let other = match self.source.after_rejection(&token).await {
            Ok(other) => other,
            Err(error) if is_transient(&error) => return Ok(response),
            Err(error) => return Err(ClientError::Token(error)),
        };
        match again {
            Some(request) if other != token => self.send(request, &other).await,
            _ => Ok(response),
        }
    }

    async fn first_token(&self) -> Result<AccessToken, TokenError> {
        if self.conduct.auto_refresh {
            self.source.token().await
        } else {
            self.source.current().await
        }
    }

    // `None` where there is no second time, or the body can't be had twice.
    fn copy(&self, request: &Request) -> Option<Request> {
        let Conduct {
            auto_refresh,
            auto_retry,
        } = self.conduct;
        (auto_refresh && auto_retry).then(|| request.try_clone()).flatten()
    }

    async fn send(&self, mut request: Request, token: &AccessToken) -> Result<Response, ClientError> {
        let Some(value) = token.authorization() else {
            return Err(ClientError::TokenType(token.token_type().to_owned()));
        };
        request.headers_mut().insert(AUTHORIZATION, value.clone());
        self.http.execute(request).await.map_err(ClientError::http)
    }
}

// Two credentials in one request: whichever won, the caller would be surprised.
fn refuse_own_credentials(request: &Request) -> Result<(), ClientError> {
    let url = request.url();
    let own = request.headers().contains_key(AUTHORIZATION) || !url.username().is_empty() || url.password().is_some();
    if own {
        return Err(ClientError::ConflictingAuthorization);
    }
    Ok(())
}

// The API's own answer is worth more than "try again later".
fn is_transient(error: &TokenError) -> bool {
    matches!(error.kind(), TokenErrorKind::Network | TokenErrorKind::Timeout)
}
