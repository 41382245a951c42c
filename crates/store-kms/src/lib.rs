#![doc = include_str!("../README.md")]

mod provider;

pub use provider::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "aws")]
pub use aws::{AwsKms, AwsKmsBuilder};
