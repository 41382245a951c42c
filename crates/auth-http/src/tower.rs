//! The token as a layer of tower.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use auth_core::TokenSource;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Uri};
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use crate::attempt::{Attempt, Conduct, refuse_own_credentials};
use crate::error::ClientError;
use crate::origins::Origins;

type BoxError = Box<dyn Error + Send + Sync>;

/// Wraps HTTP clients that are tower services so that they bring the access token
/// along, by the rules of [`AuthorizedClient`](crate::AuthorizedClient).
///
/// - **Where tokens go.** A request whose URI has an authority is sent only if
///   that is of an origin named, else it is [`ClientError::OriginNotAllowed`].
///   A URI that is only a path goes where the inner service is connected to: it is
///   sent if one origin is named, which must then be that service's.
/// - **401.** As everywhere: another token, and the request once more, if a copy
///   of it could be made ([`TryCloneRequest`]).
/// - **Redirects.** A layer that follows them belongs outside of this one: then it
///   never has the token, and each of its requests is checked. Inside it would
///   carry the token to other origins.
/// - **Errors.** What is refused is a boxed [`ClientError`].
///
/// ```
/// # use auth_core::TokenSource;
/// use auth_http::{ClientError, TokenLayer, TokenService};
/// use tower_layer::Layer;
///
/// # fn example<Client>(source: TokenSource, client: Client) -> Result<TokenService<Client>, ClientError> {
/// Ok(TokenLayer::new("https://api.example", source)?.layer(client))
/// # }
/// ```
#[derive(Clone)]
pub struct TokenLayer<Copies = CloneRequest> {
    origins: Arc<Origins>,
    copies: Copies,
}

impl TokenLayer {
    /// For one origin, like `https://api.example`; requests are copied with `Clone`.
    ///
    /// # Errors
    /// [`ClientError::Origin`] if it is no origin.
    pub fn new(origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        let layer = Self {
            origins: Arc::default(),
            copies: CloneRequest,
        };
        layer.origin(origin, source)
    }
}

impl<Copies> TokenLayer<Copies> {
    /// Names one more origin. Naming one again replaces its source.
    ///
    /// # Errors
    /// As [`new`](TokenLayer::new).
    pub fn origin(self, origin: &str, source: TokenSource) -> Result<Self, ClientError> {
        let origins = Arc::unwrap_or_clone(self.origins).with(origin, source)?;
        Ok(Self {
            origins: Arc::new(origins),
            ..self
        })
    }

    /// How requests are copied for a second sending: [`SendOnce`], or a closure
    /// `Fn(&Request<B>) -> Option<Request<B>>`.
    pub fn copies<Other>(self, copies: Other) -> TokenLayer<Other> {
        TokenLayer {
            origins: self.origins,
            copies,
        }
    }
}

impl<S, Copies: Clone> Layer<S> for TokenLayer<Copies> {
    type Service = TokenService<S, Copies>;

    fn layer(&self, inner: S) -> Self::Service {
        TokenService {
            inner,
            layer: self.clone(),
        }
    }
}

impl<Copies> fmt::Debug for TokenLayer<Copies> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenLayer")
            .field("origins", &self.origins)
            .finish_non_exhaustive()
    }
}

/// A copy of a request for a second sending. It is made before the first one.
pub trait TryCloneRequest<B> {
    /// The copy, with the same body; `None` if that can't be had twice, as a
    /// stream can't: then the request is sent once, and a 401 is the caller's.
    fn try_clone_request(&self, request: &Request<B>) -> Option<Request<B>>;
}

/// Copies with `Clone`. The clone of a body must be the whole body: not for bodies
/// whose clones read from one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct CloneRequest;

impl<B: Clone> TryCloneRequest<B> for CloneRequest {
    fn try_clone_request(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }
}

/// Copies nothing: for bodies that are streams. After a 401 the token is renewed
/// for the next call.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendOnce;

impl<B> TryCloneRequest<B> for SendOnce {
    fn try_clone_request(&self, _: &Request<B>) -> Option<Request<B>> {
        None
    }
}

impl<B, F: Fn(&Request<B>) -> Option<Request<B>>> TryCloneRequest<B> for F {
    fn try_clone_request(&self, request: &Request<B>) -> Option<Request<B>> {
        self(request)
    }
}

/// A service that brings the token along; made by [`TokenLayer`].
#[derive(Clone)]
pub struct TokenService<S, Copies = CloneRequest> {
    inner: S,
    layer: TokenLayer<Copies>,
}

impl<S, Copies, B, R> Service<Request<B>> for TokenService<S, Copies>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    Copies: TryCloneRequest<B>,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that was polled ready is the one to call; its clone may not be ready.
        let clone = self.inner.clone();
        let ready = mem::replace(&mut self.inner, clone);
        let origins = Arc::clone(&self.layer.origins);
        let again = self.layer.copies.try_clone_request(&request);
        Box::pin(async move { exchange(ready, &origins, request, again).await })
    }
}

impl<S, Copies> fmt::Debug for TokenService<S, Copies> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenService")
            .field("layer", &self.layer)
            .finish_non_exhaustive()
    }
}

async fn exchange<S, B, R>(
    mut service: S,
    origins: &Origins,
    mut request: Request<B>,
    again: Option<Request<B>>,
) -> Result<Response<R>, BoxError>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    let source = source(origins, request.uri())?;
    let names_user = request.uri().authority().is_some_and(has_user);
    refuse_own_credentials(request.headers(), names_user)?;
    let attempt = Attempt::first(source, Conduct::default()).await?;
    attempt.attach(request.headers_mut())?;
    let response = service.call(request).await.map_err(Into::into)?;
    if !attempt.is_rejected(response.status(), response.headers()) {
        return Ok(response);
    }
    match (attempt.next().await?, again) {
        (Some(attempt), Some(mut request)) => {
            attempt.attach(request.headers_mut())?;
            poll_fn(|context| service.poll_ready(context))
                .await
                .map_err(Into::into)?;
            service.call(request).await.map_err(Into::into)
        }
        _ => Ok(response),
    }
}

fn source<'a>(origins: &'a Origins, uri: &Uri) -> Result<&'a TokenSource, ClientError> {
    match (uri.scheme(), uri.authority()) {
        (None, None) => origins.only().ok_or_else(|| refused("a path alone")),
        (Some(scheme), Some(authority)) => {
            let url = url(scheme, authority).ok_or_else(|| refused(authority.host()))?;
            origins.named(&url).map(|(_, source)| source)
        }
        _ => Err(refused("a URI without a scheme")),
    }
}

// The inner service connects to the host that `http` reads: where `url` reads
// another one, nothing may be concluded from it.
fn url(scheme: &Scheme, authority: &Authority) -> Option<Url> {
    let url = Url::parse(&format!("{scheme}://{authority}/")).ok()?;
    url.host_str()?.eq_ignore_ascii_case(authority.host()).then_some(url)
}

fn has_user(authority: &Authority) -> bool {
    authority.as_str().contains('@')
}

fn refused(place: &str) -> ClientError {
    ClientError::OriginNotAllowed(place.to_owned())
}
