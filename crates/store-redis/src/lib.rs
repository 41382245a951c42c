#![doc = include_str!("../README.md")]

mod config;
mod durability;
mod entry;
mod error;
mod link;
mod list;
mod origin;
mod scripts;
mod store;
mod thread;
mod tls;
mod url;

pub use config::{RedisConfig, RedisOptions};
pub use store::RedisStore;
