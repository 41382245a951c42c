//! The transport and the authorized client against real servers on loopback.

#[cfg(test)]
#[path = "http/raw.rs"]
mod raw;
