//! store-testkit
#[cfg(feature = "process")]
pub mod process;
#[cfg(feature = "server")]
pub mod server;
