#![doc = include_str!("../README.md")]

#[cfg(feature = "aws")]
mod aws;
mod cipher;
mod config;
mod data_keys;
mod envelope;
mod error;
mod key_file;
mod local;
mod provider;
mod rewrap;
mod rollback;
mod sealer;
mod service;
mod store;
mod witness;

#[cfg(feature = "aws")]
pub use aws::{AwsKms, AwsKmsBuilder};
pub use config::KmsStoreBuilder;
pub use local::{LocalKey, LocalKeys};
pub use provider::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};
pub use rewrap::{KeysInUse, RewrapReport, keys_in_use, rewrap};
pub use store::KmsStore;
