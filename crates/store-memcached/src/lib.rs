#![doc = include_str!("../README.md")]

mod address;
mod config;
mod connection;
mod error;
mod idle;
mod meta;
mod node;
mod router;
mod store;

pub use address::NodeAddress;
pub use config::MemcachedConfig;
pub use store::MemcachedStore;
