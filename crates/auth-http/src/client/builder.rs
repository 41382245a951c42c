//! Sets up the authorized client.

use std::fmt;
use std::sync::Arc;

use reqwest::redirect::Policy;

use super::{AuthorizedClient, Inner};
use crate::attempt::Conduct;
use crate::error::ClientError;
use crate::origins::Origins;
use crate::redirect::within_origin;
use auth_core::TokenSource;

/// Sets up an [`AuthorizedClient`].
#[must_use]
pub struct AuthorizedClientBuilder {
    http: Http,
    origins: Origins,
    conduct: Conduct,
    error_for_status: bool,
}

enum Http {
    Builder(Box<reqwest::ClientBuilder>, Policy),
    Built(reqwest::Client),
}

impl AuthorizedClientBuilder {
    pub(super) fn new(http: reqwest::ClientBuilder) -> Self {
        Self::over(Http::Builder(Box::new(http), Policy::default()))
    }

    pub(super) fn with_own_redirects(http: reqwest::Client) -> Self {
        Self::over(Http::Built(http))
    }

    fn over(http: Http) -> Self {
        Self {
            http,
            origins: Origins::default(),
            conduct: Conduct::default(),
            error_for_status: false,
        }
    }

    /// Names an origin, and where its tokens come from. Naming it again replaces
    /// its source.
    ///
    /// # Errors
    /// [`ClientError::Origin`] if the text is not like `https://api.example`, or
    /// `http` to a loopback address.
    pub fn origin(mut self, origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        self.origins = self.origins.with(origin, source)?;
        Ok(self)
    }

    /// How redirects within an origin are followed; reqwest's default if not
    /// set. Redirects to another origin are not followed, whatever this says.
    /// Without effect on a client that was built already.
    pub fn redirect(mut self, policy: Policy) -> Self {
        if let Http::Builder(_, own) = &mut self.http {
            *own = policy;
        }
        self
    }

    /// Whether tokens are refreshed; on if not set. Off: the token that is in
    /// memory or in the store is sent while it is valid, else the call is
    /// [`ClientError::Token`]; a 401 is the caller's.
    pub fn auto_refresh(mut self, on: bool) -> Self {
        self.conduct.auto_refresh = on;
        self
    }

    /// Whether a request is sent once more with another token after a 401; on if
    /// not set. Off: the token is refreshed for the next call.
    pub fn auto_retry(mut self, on: bool) -> Self {
        self.conduct.auto_retry = on;
        self
    }

    /// Whether an answer of 400 or above is [`ClientError::Status`]; off if not set.
    pub fn error_for_status(mut self, on: bool) -> Self {
        self.error_for_status = on;
        self
    }

    /// The client.
    ///
    /// # Errors
    /// [`ClientError::Http`] if the caller's client can't be built.
    pub fn build(self) -> Result<AuthorizedClient, ClientError> {
        let http = match self.http {
            Http::Built(client) => client,
            Http::Builder(client, policy) => {
                let client = client.redirect(within_origin(policy));
                client.build().map_err(ClientError::http)?
            }
        };
        Ok(AuthorizedClient(Arc::new(Inner {
            http,
            origins: self.origins,
            conduct: self.conduct,
            error_for_status: self.error_for_status,
        })))
    }
}

impl fmt::Debug for AuthorizedClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedClientBuilder")
            .field("origins", &self.origins)
            .field("conduct", &self.conduct)
            .finish_non_exhaustive()
    }
}
