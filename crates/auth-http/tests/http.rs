//! The transport and the authorized client against real servers on loopback.

#[path = "http/raw.rs"]
mod raw;
#[path = "http/transport.rs"]
mod transport;
