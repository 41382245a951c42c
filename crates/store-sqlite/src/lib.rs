#![doc = include_str!("../README.md")]

mod config;
mod database;
mod error;
mod format;
mod patience;
mod records;
mod store;
mod transaction;
mod worker;

pub use config::SqliteConfig;
pub use rusqlite;
pub use store::SqliteStore;
