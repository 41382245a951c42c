#![doc = include_str!("../README.md")]

mod atomic_file;
mod config;
mod document;
mod entry;
mod error;
mod lock;
mod members;
mod pancloud;
mod shelf;
mod store;
mod writer;

pub use config::JsonConfig;
pub use store::JsonStore;
