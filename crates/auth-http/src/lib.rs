#![doc = include_str!("../README.md")]

mod origin;
mod redirect;
mod transport;

pub use origin::{Origin, OriginError};
pub use redirect::within_origin;
pub use transport::{HttpTransport, HttpTransportBuilder, HttpTransportError};
