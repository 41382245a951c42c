#![doc = include_str!("../README.md")]

mod config;
mod documents;
mod error;
mod home;
mod leases;
mod records;
mod server;
mod store;

pub use config::MongoConfig;
pub use store::MongoStore;

/// The driver, for [`MongoStore::from_client`].
pub use mongodb;
