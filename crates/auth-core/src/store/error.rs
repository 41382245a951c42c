//! What can go wrong with a store: a kind to match on, whether to try again, and
//! where it happened.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::record::Version;

/// An error of a store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StoreError(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    kind: StoreErrorKind,
    operation: Operation,
    store: String,
    retry: Retry,
    message: Option<String>,
    stored: Option<Version>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl StoreError {
    /// An error of this kind in this operation of this store.
    pub fn new(kind: StoreErrorKind, operation: Operation, store: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            kind,
            operation,
            store: store.into(),
            retry: kind.usual_retry(),
            message: None,
            stored: None,
            source: None,
        }))
    }

    /// With what is wrong, where, and what to do next. Must hold no secret, no
    /// value from a record, and no URL with user information.
    pub fn with_message(self, message: impl Into<String>) -> Self {
        self.edit(|inner| inner.message = Some(message.into()))
    }

    /// With the error underneath, scrubbed of values and passwords: drivers and
    /// parsers quote them.
    pub fn with_source(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.edit(|inner| inner.source = Some(source.into()))
    }

    /// With another hint than the kind's usual one.
    pub fn with_retry(self, retry: Retry) -> Self {
        self.edit(|inner| inner.retry = retry)
    }

    /// With the version that is stored, of a record that can't be used: a new login
    /// may take its place, by compare-and-swap.
    pub fn with_stored(self, version: Version) -> Self {
        self.edit(|inner| inner.stored = Some(version))
    }

    /// As an error of the store around the one that made it.
    pub fn of_store(self, store: impl Into<String>) -> Self {
        self.edit(|inner| inner.store = store.into())
    }

    /// What to match on.
    pub fn kind(&self) -> StoreErrorKind {
        self.0.kind
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What was being done.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }

    /// The [`name`](super::TokenStore::name) of the store.
    pub fn store(&self) -> &str {
        &self.0.store
    }

    /// The version that is stored, where the record can't be used but can be replaced.
    pub fn stored(&self) -> Option<Version> {
        self.0.stored
    }

    fn edit(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Arc::try_unwrap(self.0).unwrap_or_else(|shared| Inner {
            kind: shared.kind,
            operation: shared.operation,
            store: shared.store.clone(),
            retry: shared.retry,
            message: shared.message.clone(),
            stored: shared.stored,
            source: None,
        });
        change(&mut inner);
        Self(Arc::new(inner))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} store: {}: {}", self.0.store, self.0.operation, self.0.kind)?;
        match &self.0.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// It can't be known whether the write happened.
    Ambiguous,
    /// The condition of a write did not hold; nothing was changed.
    Conflict,
    /// What is stored can't be read; it is kept as it is.
    Corrupt,
    /// The store refuses this user.
    Denied,
    /// What was asked makes no sense: a bad URL, a bad option.
    Invalid,
    /// The store shows an older state than this process has seen.
    RollbackSuspected,
    /// The record is larger than the store takes; nothing was changed.
    TooLarge,
    /// The store can't be reached or can't write now; nothing was changed.
    Unavailable,
    /// The store, or this version of the software, can't do that.
    Unsupported,
    /// The record belongs to another issuer or client.
    WrongBinding,
}

impl StoreErrorKind {
    fn usual_retry(self) -> Retry {
        match self {
            Self::Ambiguous | Self::Conflict => Retry::Now,
            Self::Unavailable => Retry::After(Duration::from_secs(1)),
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for StoreErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ambiguous => "not known whether it was written",
            Self::Conflict => "another version is stored",
            Self::Corrupt => "can't be read, kept as it is",
            Self::Denied => "not allowed",
            Self::Invalid => "invalid",
            Self::RollbackSuspected => "an older state than was seen before",
            Self::TooLarge => "record too large",
            Self::Unavailable => "unavailable",
            Self::Unsupported => "not supported",
            Self::WrongBinding => "belongs to another issuer or client",
        })
    }
}

/// Whether trying again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Retry {
    /// Not before something is changed.
    Never,
    /// At once, after reading again.
    Now,
    /// After this long.
    After(Duration),
}

/// What was being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Taking, renewing or releasing a lease.
    Lease,
    /// Listing.
    List,
    /// Reading a record.
    Load,
    /// Opening the store.
    Open,
    /// Removing a record.
    Remove,
    /// Writing a record.
    Save,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lease => "lease",
            Self::List => "list",
            Self::Load => "load",
            Self::Open => "open",
            Self::Remove => "remove",
            Self::Save => "save",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_layer() {
        let error = StoreError::new(StoreErrorKind::Unavailable, Operation::Save, "json")
            .with_message("the folder is read-only")
            .with_source(std::io::Error::from_raw_os_error(30));
        assert_eq!(
            error.to_string(),
            "json store: save: unavailable: the folder is read-only"
        );
        assert!(error.source().is_some());
        assert_eq!(error.retry(), Retry::After(Duration::from_secs(1)));
    }
}
