//! The way out to the network: one trait, no HTTP client of our own.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::secret::SecretBytes;

/// A request to an endpoint of the authorization server.
///
/// Its body and its `Authorization` header are secret; `Debug` of the header is
/// redacted (`HeaderValue::set_sensitive`), of the body by [`SecretBytes`].
pub type HttpRequest = http::Request<SecretBytes>;

/// An answer from an endpoint of the authorization server.
pub type HttpResponse = http::Response<SecretBytes>;

/// Sends one request, once.
///
/// An implementation follows no redirects, decompresses nothing, retries
/// nothing, and bounds the size of the answer: those decisions are the
/// engine's, which must know what the authorization server has seen.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends the request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`TransportError`] says whether the server may have seen the request:
    /// [`Delivery::NotSent`] only if it surely has not.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError>;
}

/// Whether the server may have seen a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Delivery {
    /// Part of the request may have left: the server may have acted on it.
    Ambiguous,
    /// No byte of the request was written: name look-up, connect, TLS.
    NotSent,
}

/// Why there is no whole answer.
#[derive(Clone, Debug)]
pub struct TransportError {
    delivery: Delivery,
    timeout: bool,
    message: &'static str,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl TransportError {
    /// No byte of the request was written.
    pub fn not_sent(message: &'static str) -> Self {
        Self {
            delivery: Delivery::NotSent,
            timeout: false,
            message,
            source: None,
        }
    }

    /// The server may have seen the request.
    pub fn ambiguous(message: &'static str) -> Self {
        Self {
            delivery: Delivery::Ambiguous,
            timeout: false,
            message,
            source: None,
        }
    }

    /// It was a limit of time that ran out.
    pub fn timed_out(mut self) -> Self {
        self.timeout = true;
        self
    }

    /// With the error underneath, which must hold no secret and no query of a URL.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// Whether the server may have seen the request.
    pub fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Whether a limit of time ran out.
    pub fn is_timeout(&self) -> bool {
        self.timeout
    }
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl Error for TransportError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
