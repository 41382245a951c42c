#![doc = include_str!("../README.md")]

mod provider;

pub use provider::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};
