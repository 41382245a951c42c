//! The hardened way to the token endpoint.

mod answer;
mod builder;

use std::fmt;
use std::sync::OnceLock;

use async_trait::async_trait;
use auth_core::endpoint::EndpointUrl;
use auth_core::secret::SecretBytes;
use auth_core::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use bytes::Bytes;
use reqwest::header::AUTHORIZATION;

use self::answer::read_answer;
pub use self::builder::{HttpTransportBuilder, HttpTransportError};
use self::builder::{Route, Settings};

/// Sends requests to the endpoints of the authorization server over reqwest.
///
/// What a token endpoint needs, and a web client does not do by itself:
///
/// - Each request goes out once, over a connection of its own. On a connection
///   kept from before, a server's close may cross the request, and nobody could
///   say whether the refresh token in it was spent. One handshake per refresh
///   buys an exact line between "not sent" and "perhaps sent".
/// - No redirects, no referrer, no retries, no decompression, HTTP/1.1.
/// - The answer is read up to 1 MiB, whatever its status.
/// - https, or http to a loopback address, checked again for every request.
/// - 10 seconds to connect, 60 seconds for everything.
///
/// Proxies come from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`),
/// never for loopback addresses.
///
/// Constructing one costs nothing: the TLS client is built at the first request.
pub struct HttpTransport {
    settings: Settings,
    outward: OnceLock<Built>,
    loopback: OnceLock<Built>,
}

type Built = Result<reqwest::Client, HttpTransportError>;

impl HttpTransport {
    /// With the usual settings.
    pub fn new() -> Self {
        Self::with_settings(Settings::default())
    }

    /// With other settings.
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }

    /// Over the caller's own client: its roots, proxy, resolver and default
    /// headers stay; redirects, retries, compression, the pool and the time-outs
    /// become ours. Plain http to a loopback address does not use it, so that it
    /// never meets a proxy.
    ///
    /// # Errors
    /// [`HttpTransportError::Client`] if the client can't be built.
    pub fn from_builder(client: reqwest::ClientBuilder) -> Result<Self, HttpTransportError> {
        let settings = Settings::of_callers_client();
        let client = settings.harden(client).build().map_err(HttpTransportError::client)?;
        let transport = Self::with_settings(settings);
        Ok(Self {
            outward: OnceLock::from(Ok(client)),
            ..transport
        })
    }

    fn with_settings(settings: Settings) -> Self {
        Self {
            settings,
            outward: OnceLock::new(),
            loopback: OnceLock::new(),
        }
    }

    fn client(&self, endpoint: &EndpointUrl) -> Result<&reqwest::Client, TransportError> {
        let route = self.settings.route(endpoint);
        let slot = match route {
            Route::Loopback => &self.loopback,
            Route::Outward => &self.outward,
        };
        let build = || {
            tracing::debug!(target: "auth_http", ?route, "the HTTP client is built");
            self.settings.client(route)
        };
        slot.get_or_init(build)
            .as_ref()
            .map_err(|error| TransportError::not_sent("the HTTP client can't be built").with_source(error.clone()))
    }
}

impl Default for HttpTransport {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Transport for HttpTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let endpoint = EndpointUrl::new(&request.uri().to_string())
            .map_err(|error| TransportError::not_sent("nothing is sent to this endpoint").with_source(error))?;
        let client = self.client(&endpoint)?;
        let response = client.execute(into_reqwest(request, &endpoint)).await.map_err(failed)?;
        read_answer(response, self.settings.answer_limit).await
    }
}

fn into_reqwest(request: HttpRequest, endpoint: &EndpointUrl) -> reqwest::Request {
    let (parts, body) = request.into_parts();
    let mut request = reqwest::Request::new(parts.method, endpoint.as_url().clone());
    *request.headers_mut() = parts.headers;
    if let Some(value) = request.headers_mut().get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
    *request.body_mut() = Some(Bytes::from_owner(ZeroizedBody(body)).into());
    request
}

// Lends the secret bytes to reqwest without a copy; the last reader zeroizes them.
struct ZeroizedBody(SecretBytes);

impl AsRef<[u8]> for ZeroizedBody {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}

// Only a failed connection is surely "not sent": connections are never reused
// and requests never repeated, so no earlier bytes hide behind that error.
fn failed(error: reqwest::Error) -> TransportError {
    let timeout = error.is_timeout();
    let known = match (error.is_connect(), timeout) {
        (true, _) => TransportError::not_sent("no connection to the authorization server"),
        (false, true) => TransportError::ambiguous("the authorization server did not answer in time"),
        (false, false) => TransportError::ambiguous("the exchange with the authorization server broke off"),
    };
    let known = if timeout { known.timed_out() } else { known };
    known.with_source(error.without_url())
}
