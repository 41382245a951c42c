//! A request under construction.

use std::fmt;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Response, Version};

use super::AuthorizedClient;
use crate::attempt::Conduct;
use crate::error::ClientError;
use auth_core::TokenSource;

/// As reqwest's [`RequestBuilder`](reqwest::RequestBuilder), with what concerns
/// the token of this one request: `source`, `auto_refresh` and `auto_retry` beat
/// the client's settings and don't outlive the request.
#[must_use = "nothing is sent before `send`"]
pub struct RequestBuilder {
    client: AuthorizedClient,
    request: reqwest::RequestBuilder,
    source: Option<TokenSource>,
    conduct: Conduct,
}

impl RequestBuilder {
    pub(super) fn new(client: AuthorizedClient, request: reqwest::RequestBuilder, conduct: Conduct) -> Self {
        Self {
            client,
            request,
            source: None,
            conduct,
        }
    }

    /// Adds a header.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K>,
        <HeaderName as TryFrom<K>>::Error: Into<http::Error>,
        HeaderValue: TryFrom<V>,
        <HeaderValue as TryFrom<V>>::Error: Into<http::Error>,
    {
        self.edit(|request| request.header(name, value))
    }

    /// Sets these headers, in place of any of the same names.
    pub fn headers(self, headers: HeaderMap) -> Self {
        self.edit(|request| request.headers(headers))
    }

    /// Sets the body. A stream can't be sent twice: see [`AuthorizedClient`].
    pub fn body(self, body: impl Into<Body>) -> Self {
        self.edit(|request| request.body(body))
    }

    /// The time from connecting to the end of the answer, of each sending; the
    /// client's if not set. Getting a token is not in it.
    pub fn timeout(self, limit: Duration) -> Self {
        self.edit(|request| request.timeout(limit))
    }

    /// The version of HTTP.
    pub fn version(self, version: Version) -> Self {
        self.edit(|request| request.version(version))
    }

    /// Adds to the query of the URL.
    #[cfg(feature = "query")]
    pub fn query<T: serde::Serialize + ?Sized>(self, query: &T) -> Self {
        self.edit(|request| request.query(query))
    }

    /// Sets the body to a form, and its `Content-Type`.
    #[cfg(feature = "form")]
    pub fn form<T: serde::Serialize + ?Sized>(self, form: &T) -> Self {
        self.edit(|request| request.form(form))
    }

    /// Sets the body to JSON, and its `Content-Type`.
    #[cfg(feature = "json")]
    pub fn json<T: serde::Serialize + ?Sized>(self, json: &T) -> Self {
        self.edit(|request| request.json(json))
    }

    /// Takes the token of this request from here, not from the origin's source.
    /// The origin must be named all the same.
    pub fn source(mut self, source: TokenSource) -> Self {
        self.source = Some(source);
        self
    }

    /// As [`auto_refresh`](super::AuthorizedClientBuilder::auto_refresh), for this request.
    pub fn auto_refresh(mut self, on: bool) -> Self {
        self.conduct.auto_refresh = on;
        self
    }

    /// As [`auto_retry`](super::AuthorizedClientBuilder::auto_retry), for this request.
    pub fn auto_retry(mut self, on: bool) -> Self {
        self.conduct.auto_retry = on;
        self
    }

    /// Sends it.
    ///
    /// # Errors
    /// [`ClientError`]; the cases are at [`AuthorizedClient`].
    pub async fn send(self) -> Result<Response, ClientError> {
        let request = self.request.build().map_err(ClientError::http)?;
        self.client.send(request, self.source.as_ref(), self.conduct).await
    }

    fn edit(self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        Self {
            request: change(self.request),
            ..self
        }
    }
}

// Not the request: its URL and headers are the caller's, and may be secret.
impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder")
            .field("conduct", &self.conduct)
            .finish_non_exhaustive()
    }
}
