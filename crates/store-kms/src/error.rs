//! What keeps a record from being sealed or opened, in words that say what to do.

use auth_core::key::Key;
use auth_core::record::Version;
use auth_core::sealer::SealError;
use auth_core::store::{Operation, Retry, StoreError, StoreErrorKind};

use crate::data_keys::Locked;
use crate::envelope::Damage;
use crate::provider::{KeyError, KeyErrorKind, KeyId};

/// Trouble with one record, before it is known which operation it stopped.
#[derive(Debug)]
pub(crate) struct Trouble {
    kind: StoreErrorKind,
    message: String,
    source: Option<KeyError>,
    /// Whether a new login may take the record's place.
    replaceable: bool,
}

impl Trouble {
    /// What is stored is no envelope that can be opened.
    pub(crate) fn damage(damage: Damage, what: &str) -> Self {
        let (kind, message) = match damage {
            Damage::Plain => (
                StoreErrorKind::Corrupt,
                format!(
                    "{what} is not sealed, in a store that is: it was put there past the seal, and is not used. Log in \
                     again, or seal the store in place if it was plain until now"
                ),
            ),
            Damage::NewerFormat(format) => (
                StoreErrorKind::Unsupported,
                format!("{what} is sealed in format {format}, which this version does not know: update tokenkeep"),
            ),
            Damage::Algorithm(algorithm) => (
                StoreErrorKind::Corrupt,
                format!("{what} names algorithm {algorithm}, which is not accepted: restore a copy, or log in again"),
            ),
            Damage::Truncated | Damage::KeyId | Damage::Changed => (
                StoreErrorKind::Corrupt,
                format!(
                    "{what} was changed, cut off, or sealed for another name, version or namespace; it was kept: restore \
                     a copy, or log in again"
                ),
            ),
        };
        Self {
            kind,
            message,
            source: None,
            replaceable: !matches!(damage, Damage::NewerFormat(_)),
        }
    }

    /// There is no data key to open it with.
    pub(crate) fn locked(locked: Locked, key: &KeyId, what: &str) -> Self {
        match locked {
            Locked::UnknownKey => Self {
                kind: StoreErrorKind::Denied,
                message: format!(
                    "{what} is sealed under {key}, which is not configured: add it as a key for reading, or log in again"
                ),
                source: None,
                replaceable: true,
            },
            Locked::Key(error) => Self::key(error, key, what),
        }
    }

    /// The key service does not give a data key.
    pub(crate) fn key(error: KeyError, key: &KeyId, what: &str) -> Self {
        let (kind, why) = match error.kind() {
            KeyErrorKind::Config => (StoreErrorKind::Invalid, "the settings of the key are wrong"),
            KeyErrorKind::Denied => (StoreErrorKind::Denied, "this user may not use the key"),
            KeyErrorKind::Disabled => (
                StoreErrorKind::Denied,
                "the key is disabled: enable it, or log in again",
            ),
            KeyErrorKind::Invalid => (
                StoreErrorKind::Corrupt,
                "its data key was changed, or belongs to another key, namespace or partition: restore a copy, or log in again",
            ),
            KeyErrorKind::NotFound => (StoreErrorKind::Denied, "there is no such key (any more)"),
            KeyErrorKind::PendingDeletion => (
                StoreErrorKind::Denied,
                "the key waits for its deletion: cancel that, or log in again",
            ),
            KeyErrorKind::Throttled => (StoreErrorKind::Unavailable, "the key service is asked too often"),
            KeyErrorKind::Unavailable => (StoreErrorKind::Unavailable, "the key service can't be reached"),
        };
        let gone = matches!(
            error.kind(),
            KeyErrorKind::Disabled | KeyErrorKind::Invalid | KeyErrorKind::NotFound | KeyErrorKind::PendingDeletion
        );
        Self {
            kind,
            message: format!("{what}, under {key}: {why}"),
            source: Some(error),
            replaceable: gone,
        }
    }

    /// The library failed where it can't.
    pub(crate) fn out_of_order(what: &str) -> Self {
        Self {
            kind: StoreErrorKind::Unavailable,
            message: format!("{what}: the cryptographic library gives nothing"),
            source: None,
            replaceable: false,
        }
    }

    /// As an error of this store; `stored`: the version that is there.
    pub(crate) fn at(self, operation: Operation, store: &str, stored: Option<Version>) -> StoreError {
        let mut error = StoreError::new(self.kind, operation, store).with_message(self.message);
        if let Some(version) = stored.filter(|_| self.replaceable) {
            error = error.with_stored(version);
        }
        if let Some(after) = self.source.as_ref().and_then(KeyError::retry_after) {
            error = error.with_retry(Retry::After(after));
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }

    /// As an error of sealing alone.
    pub(crate) fn of_seal(self) -> SealError {
        let error = SealError::new(self.message).of_kind(self.kind);
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// The store shows an older state than was seen.
pub(crate) fn rolled_back(key: &Key, store: &str, stored: Version, seen: Version) -> StoreError {
    let message = format!(
        "{key} has generation {}, and generation {} was seen before: an old copy was put back, or writes were lost. Its \
         refresh token may be spent, so nothing is sent. Log in again, or accept this state (store accept)",
        stored.generation(),
        seen.generation()
    );
    StoreError::new(StoreErrorKind::RollbackSuspected, Operation::Load, store)
        .with_message(message)
        .with_stored(stored)
}
