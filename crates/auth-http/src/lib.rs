#![doc = include_str!("../README.md")]

mod attempt;
mod challenge;
mod client;
mod error;
#[cfg(feature = "middleware")]
mod middleware;
mod origin;
mod origins;
mod redirect;
#[cfg(feature = "tower")]
mod tower;
mod transport;

pub use client::{AuthorizedClient, AuthorizedClientBuilder, RequestBuilder};
pub use error::ClientError;
#[cfg(feature = "middleware")]
pub use middleware::TokenMiddleware;
pub use origin::{Origin, OriginError};
pub use redirect::within_origin;
#[cfg(feature = "tower")]
pub use tower::{CloneRequest, SendOnce, TokenLayer, TokenService, TryCloneRequest};
pub use transport::{HttpTransport, HttpTransportBuilder, HttpTransportError};
