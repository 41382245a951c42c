//! The token as a middleware of reqwest-middleware.

use async_trait::async_trait;
use auth_core::TokenSource;
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next};

use crate::attempt::{Attempt, Conduct, refuse_own_credentials};
use crate::error::ClientError;
use crate::origin::has_user;
use crate::origins::Origins;

/// Brings the access token along in a chain of
/// [reqwest-middleware](https://docs.rs/reqwest-middleware), by the rules of
/// [`AuthorizedClient`](crate::AuthorizedClient): only to the origins named, and
/// after a 401 once more with another token, if the body can be replayed.
///
/// What it refuses is a [`ClientError`] in
/// [`Error::Middleware`](reqwest_middleware::Error::Middleware).
///
/// - **Redirects** are followed by the client beneath, whose policy can't be
///   changed any more. reqwest's own may show the token to another origin: build
///   that client with `.redirect(within_origin(policy))`, see
///   [`within_origin`](crate::within_origin).
/// - **Order.** The middlewares added after this one see the token, and see a
///   repeated request twice; those added before it see neither.
///
/// ```no_run
/// # use auth_core::TokenSource;
/// use auth_http::{TokenMiddleware, within_origin};
/// use reqwest::redirect::Policy;
/// use reqwest_middleware::ClientBuilder;
///
/// # async fn example(source: TokenSource) -> Result<(), Box<dyn std::error::Error>> {
/// let http = reqwest::Client::builder()
///     .redirect(within_origin(Policy::default()))
///     .build()?;
/// let api = ClientBuilder::new(http)
///     .with(TokenMiddleware::new("https://api.example", source)?)
///     .build();
/// let answer = api.get("https://api.example/v1/things").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenMiddleware(Origins);

impl TokenMiddleware {
    /// For one origin, like `https://api.example`. A request to any other is
    /// refused with [`ClientError::OriginNotAllowed`].
    ///
    /// # Errors
    /// [`ClientError::Origin`] if it is no origin.
    pub fn new(origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        Self(Origins::default()).origin(origin, source)
    }

    /// Names one more origin. Naming one again replaces its source.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn origin(self, origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        self.0.with(origin, source).map(Self)
    }
}

#[async_trait]
impl Middleware for TokenMiddleware {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response, Error> {
        let (origin, source) = self.0.named(request.url()).map_err(Error::middleware)?;
        refuse_own_credentials(request.headers(), has_user(request.url())).map_err(Error::middleware)?;
        let attempt = Attempt::first(source, Conduct::default())
            .await
            .map_err(Error::middleware)?;
        let again = request.try_clone();
        attempt.attach(request.headers_mut()).map_err(Error::middleware)?;
        let response = next.clone().run(request, extensions).await?;
        if !attempt.is_rejected(response.status(), response.headers()) || !origin.holds(response.url()) {
            return Ok(response);
        }
        match (attempt.next().await.map_err(Error::middleware)?, again) {
            (Some(attempt), Some(mut request)) => {
                attempt.attach(request.headers_mut()).map_err(Error::middleware)?;
                next.run(request, extensions).await
            }
            _ => Ok(response),
        }
    }
}
