//! A reqwest client that brings the access token along.

mod builder;
mod exchange;
mod request;

use std::fmt;
use std::sync::Arc;

use reqwest::{Method, Response};

pub use self::builder::AuthorizedClientBuilder;
use self::exchange::Exchange;
pub use self::request::RequestBuilder;
use crate::attempt::Conduct;
use crate::error::ClientError;
use crate::origins::Origins;
use auth_core::TokenSource;

/// Calls APIs with access tokens: each call takes a valid token from the source of
/// its origin, attaches it, and where the API rejects the token gets another and
/// sends once more.
///
/// - **Where tokens go.** Only to the origins named, each with its own source.
///   Any other URL is [`ClientError::OriginNotAllowed`], and nothing is sent.
///   A redirect to another origin is not followed; its 3xx is the answer.
/// - **No token.** If the source has none, the call is [`ClientError::Token`]
///   and the API is not called.
/// - **401.** It counts only against the token that was sent. If meanwhile
///   another one is in memory or in the store, that one is used, else there is
///   one refresh, shared with all who wait for it. The request is sent once
///   more; the second answer is the caller's, whatever it is. A 401 that asks
///   for another scheme than `Bearer`, or for a wider scope, is the caller's at
///   once, as is a 403.
/// - **401 and no other token.** If the refresh fails for now (network, time),
///   or there is no other token, the 401 is the answer. If only a person or a
///   change of settings can help, the call is [`ClientError::Token`].
/// - **Bodies.** A body that can't be sent twice (a stream) is sent once: after
///   a 401 the token is refreshed for the next call and the 401 is the answer.
/// - **Own credentials.** A request with an `Authorization` header or a user
///   name in its URL is [`ClientError::ConflictingAuthorization`]; such a header
///   among the client's default headers is replaced by the token.
///
/// Cheap to clone; the clones share the connections.
#[derive(Clone)]
pub struct AuthorizedClient(Arc<Inner>);

struct Inner {
    http: reqwest::Client,
    origins: Origins,
    conduct: Conduct,
    error_for_status: bool,
}

impl AuthorizedClient {
    /// With reqwest's usual settings, for one origin: `https://api.example`.
    ///
    /// # Errors
    /// [`ClientError::Origin`] if it is no origin, [`ClientError::Http`] if the
    /// TLS client can't be built.
    pub fn for_origin(origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        Self::builder(reqwest::Client::builder())
            .origin(origin, source)?
            .build()
    }

    /// Over the caller's own client: its headers, cookies, proxy, certificates
    /// and time-outs stay. Redirects are set with
    /// [`redirect`](AuthorizedClientBuilder::redirect).
    pub fn builder(http: reqwest::ClientBuilder) -> AuthorizedClientBuilder {
        AuthorizedClientBuilder::new(http)
    }

    /// Over a client that is built already, whose redirects can't be set any more.
    ///
    /// reqwest's own policy may show the token to another origin after two
    /// redirects (see [`within_origin`](crate::within_origin)): build that client
    /// with `.redirect(within_origin(policy))`, or with `Policy::none()`.
    pub fn builder_with_own_redirects(http: reqwest::Client) -> AuthorizedClientBuilder {
        AuthorizedClientBuilder::with_own_redirects(http)
    }

    /// `GET`.
    pub fn get(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// `POST`.
    pub fn post(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// `PUT`.
    pub fn put(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// `PATCH`.
    pub fn patch(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// `DELETE`.
    pub fn delete(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// `HEAD`.
    pub fn head(&self, url: impl reqwest::IntoUrl) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// Any method. What is wrong with the URL shows at
    /// [`send`](RequestBuilder::send), as in reqwest.
    pub fn request(&self, method: Method, url: impl reqwest::IntoUrl) -> RequestBuilder {
        RequestBuilder::new(self.clone(), self.0.http.request(method, url), self.0.conduct)
    }

    /// Sends a request made elsewhere.
    ///
    /// # Errors
    /// [`ClientError`]; the cases are at [`AuthorizedClient`].
    pub async fn execute(&self, request: reqwest::Request) -> Result<Response, ClientError> {
        self.send(request, None, self.0.conduct).await
    }

    async fn send(
        &self,
        request: reqwest::Request,
        source: Option<&TokenSource>,
        conduct: Conduct,
    ) -> Result<Response, ClientError> {
        let (origin, named) = self.0.origins.named(request.url())?;
        let exchange = Exchange {
            http: &self.0.http,
            origin,
            source: source.unwrap_or(named),
            conduct,
        };
        let response = exchange.run(request).await?;
        let status = response.status();
        if self.0.error_for_status && (status.is_client_error() || status.is_server_error()) {
            return Err(ClientError::Status(status));
        }
        Ok(response)
    }
}

impl fmt::Debug for AuthorizedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizedClient")
            .field("origins", &self.0.origins)
            .field("conduct", &self.0.conduct)
            .field("error_for_status", &self.0.error_for_status)
            .finish_non_exhaustive()
    }
}
