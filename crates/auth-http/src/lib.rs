#![doc = include_str!("../README.md")]

mod challenge;
mod client;
mod error;
mod origin;
mod redirect;
mod transport;

pub use client::{AuthorizedClient, AuthorizedClientBuilder, RequestBuilder};
pub use error::ClientError;
pub use origin::{Origin, OriginError};
pub use redirect::within_origin;
pub use transport::{HttpTransport, HttpTransportBuilder, HttpTransportError};
