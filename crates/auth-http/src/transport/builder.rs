//! The settings of the transport, and the clients made from them.

use std::sync::Arc;
use std::time::Duration;

use auth_core::endpoint::EndpointUrl;
use reqwest::{Certificate, ClientBuilder, Proxy};
use url::Host;

use super::HttpTransport;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const BUDGET: Duration = Duration::from_secs(60);
const SHORTEST_BUDGET: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("tokenkeep/", env!("CARGO_PKG_VERSION"));

/// Why there is no transport.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpTransportError {
    /// The budget is shorter than 30 seconds: a server that answers after that
    /// has spent the refresh token all the same.
    #[error("a token request needs a budget of 30 seconds or more")]
    BudgetTooShort,
    /// The root certificates can't be read.
    #[error("the root certificates can't be read")]
    Certificates(#[source] Arc<reqwest::Error>),
    /// There is no certificate where root certificates should be.
    #[error("there is no certificate in the root certificates")]
    NoCertificate,
    /// The client can't be built.
    #[error("the HTTP client can't be built")]
    Client(#[source] Arc<reqwest::Error>),
}

impl HttpTransportError {
    pub(super) fn client(error: reqwest::Error) -> Self {
        Self::Client(Arc::new(error.without_url()))
    }

    fn certificates(error: reqwest::Error) -> Self {
        Self::Certificates(Arc::new(error.without_url()))
    }
}

/// Sets up an [`HttpTransport`].
#[derive(Debug, Default)]
pub struct HttpTransportBuilder(Settings);

impl HttpTransportBuilder {
    /// The time to connect, TLS included; 10 seconds if not set.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.0.connect_timeout = limit;
        self
    }

    /// The time for everything from the name look-up to the last byte of the
    /// answer; 60 seconds if not set, 30 at least.
    pub fn budget(mut self, limit: Duration) -> Self {
        self.0.budget = limit;
        self
    }

    /// The largest answer in bytes; 1 MiB if not set.
    pub fn answer_limit(mut self, bytes: usize) -> Self {
        self.0.answer_limit = bytes;
        self
    }

    /// Root certificates to trust beside those of the system, in PEM. Whether
    /// the certificates themselves are sound shows at the first request.
    ///
    /// # Errors
    /// [`HttpTransportError::Certificates`] if the text is not PEM,
    /// [`HttpTransportError::NoCertificate`] if none is in it.
    pub fn root_certificates(mut self, pem: &[u8]) -> Result<Self, HttpTransportError> {
        let roots = Certificate::from_pem_bundle(pem).map_err(HttpTransportError::certificates)?;
        if roots.is_empty() {
            return Err(HttpTransportError::NoCertificate);
        }
        self.0.roots.extend(roots);
        Ok(self)
    }

    /// This proxy, in place of those in the environment. Loopback addresses are
    /// reached without it.
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.0.proxy = ProxyChoice::This(Box::new(proxy));
        self
    }

    /// No proxy, whatever the environment says.
    pub fn no_proxy(mut self) -> Self {
        self.0.proxy = ProxyChoice::Never;
        self
    }

    /// Another `User-Agent` than `tokenkeep/VERSION`.
    pub fn user_agent(mut self, name: reqwest::header::HeaderValue) -> Self {
        self.0.user_agent = name;
        self
    }

    /// The transport. The TLS client is built at its first request.
    ///
    /// # Errors
    /// [`HttpTransportError::BudgetTooShort`].
    pub fn build(self) -> Result<HttpTransport, HttpTransportError> {
        if self.0.budget < SHORTEST_BUDGET {
            return Err(HttpTransportError::BudgetTooShort);
        }
        Ok(HttpTransport::with_settings(self.0))
    }
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    connect_timeout: Duration,
    budget: Duration,
    pub(super) answer_limit: usize,
    roots: Vec<Certificate>,
    proxy: ProxyChoice,
    user_agent: reqwest::header::HeaderValue,
    secure_loopback_is_outward: bool,
}

#[derive(Clone, Debug)]
enum ProxyChoice {
    Environment,
    Never,
    This(Box<Proxy>),
}

/// Which of the two clients: the one that never meets a proxy, or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Loopback,
    Outward,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            connect_timeout: CONNECT_TIMEOUT,
            budget: BUDGET,
            answer_limit: ANSWER_LIMIT,
            roots: Vec::new(),
            proxy: ProxyChoice::Environment,
            user_agent: reqwest::header::HeaderValue::from_static(USER_AGENT),
            secure_loopback_is_outward: false,
        }
    }
}

impl Settings {
    pub(super) fn of_callers_client() -> Self {
        Self {
            secure_loopback_is_outward: true,
            ..Self::default()
        }
    }

    pub(super) fn route(&self, endpoint: &EndpointUrl) -> Route {
        let url = endpoint.as_url();
        let loopback = match url.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            _ => false,
        };
        let secure = url.scheme() == "https";
        if loopback && !(secure && self.secure_loopback_is_outward) {
            Route::Loopback
        } else {
            Route::Outward
        }
    }

    pub(super) fn client(&self, route: Route) -> Result<reqwest::Client, HttpTransportError> {
        let client = ClientBuilder::new()
            .user_agent(self.user_agent.clone())
            .tls_certs_merge(self.roots.iter().cloned());
        let client = match (&self.proxy, route) {
            (ProxyChoice::Environment, Route::Outward) => client,
            (ProxyChoice::This(proxy), Route::Outward) => client.proxy((**proxy).clone()),
            _ => client.no_proxy(),
        };
        self.harden(client).build().map_err(HttpTransportError::client)
    }

    // The `no_*` calls guard against features that another crate switches on.
    pub(super) fn harden(&self, client: ClientBuilder) -> ClientBuilder {
        client
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(self.connect_timeout)
            .timeout(self.budget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_budget_is_refused() {
        let build = |seconds| HttpTransport::builder().budget(Duration::from_secs(seconds)).build();
        assert!(matches!(build(29), Err(HttpTransportError::BudgetTooShort)));
        assert!(build(30).is_ok());
    }

    #[test]
    fn what_is_not_pem_is_refused() {
        let read = |pem: &[u8]| HttpTransport::builder().root_certificates(pem).map(drop);
        let bad = b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----";
        assert!(matches!(read(bad), Err(HttpTransportError::Certificates(_))));
        assert!(matches!(read(b"hello"), Err(HttpTransportError::NoCertificate)));
    }

    #[test]
    fn loopback_addresses_never_meet_a_proxy() {
        let route = |callers: bool, url: &str| {
            let settings = if callers {
                Settings::of_callers_client()
            } else {
                Settings::default()
            };
            settings.route(&EndpointUrl::new(url).unwrap())
        };
        for url in ["http://127.0.0.1/t", "https://127.1.2.3/t", "http://[::1]:80/t"] {
            assert_eq!(route(false, url), Route::Loopback, "{url}");
        }
        assert_eq!(route(false, "https://a.example/t"), Route::Outward);
        assert_eq!(route(true, "http://127.0.0.1/t"), Route::Loopback);
        assert_eq!(route(true, "https://127.0.0.1/t"), Route::Outward);
    }
}
