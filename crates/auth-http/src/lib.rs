//! The token-endpoint transport and the authorized client of tokenkeep.

mod transport;

pub use transport::{HttpTransport, HttpTransportBuilder, HttpTransportError};
