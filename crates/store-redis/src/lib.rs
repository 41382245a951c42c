#![doc = include_str!("../README.md")]

mod cause;
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
mod waiting;

pub use config::{RedisConfig, RedisOptions};
pub use store::RedisStore;
