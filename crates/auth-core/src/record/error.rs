//! Why a record can't be decoded.

use std::fmt;

use crate::key::Key;
use crate::store::{Operation, StoreError, StoreErrorKind};

/// Why a record can't be decoded. Shows no value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub(super) key: Key,
    pub(super) kind: RecordErrorKind,
}

/// What is wrong with the body of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// It can't be read, from this line and column on.
    Corrupt {
        /// From 1; 0 where there is none.
        line: usize,
        /// From 1; 0 where there is none.
        column: usize,
    },
    /// A newer version of the software wrote it, in this format.
    NewerFormat {
        /// Its number.
        format: u64,
    },
    /// It is sealed, and was read without the seal.
    Sealed,
    /// It was written for another key or as another version.
    WrongName,
}

impl RecordError {
    /// What is wrong.
    pub fn kind(&self) -> RecordErrorKind {
        self.kind
    }

    /// The key under which it is stored.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// As an error of the store that it was read from.
    pub fn into_store_error(self, store: &str) -> StoreError {
        let kind = match self.kind {
            RecordErrorKind::NewerFormat { .. } | RecordErrorKind::Sealed => StoreErrorKind::Unsupported,
            RecordErrorKind::Corrupt { .. } | RecordErrorKind::WrongName => StoreErrorKind::Corrupt,
        };
        StoreError::new(kind, Operation::Load, store).with_message(self.to_string())
    }
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match self.kind {
            RecordErrorKind::Corrupt { line, column } => {
                write!(
                    f,
                    "record {key} can't be read (line {line}, column {column}); it was kept: restore a copy, or log in again"
                )
            }
            RecordErrorKind::NewerFormat { format } => {
                write!(
                    f,
                    "record {key} has format {format}, this version reads up to {}; it was kept: update tokenkeep",
                    super::FORMAT
                )
            }
            RecordErrorKind::Sealed => {
                write!(f, "record {key} is sealed: open the store with its seal; it was kept")
            }
            RecordErrorKind::WrongName => {
                write!(
                    f,
                    "record {key} was written under another name or version; it was kept: restore a copy, or log in again"
                )
            }
        }
    }
}

impl std::error::Error for RecordError {}
