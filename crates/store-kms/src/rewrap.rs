//! Moving every record to the key for writing, and saying which keys are in use.

use std::collections::BTreeMap;

use auth_core::key::Key;
use auth_core::record::{Record, Version};
use auth_core::store::{Page, StoreError, StoreErrorKind, TokenStore as _, WriteIf};

use crate::envelope::{Damage, Envelope};
use crate::provider::KeyId;
use crate::store::KmsStore;

/// How often a record that others keep writing is tried.
const TRIES: u32 = 64;

/// Under which keys the records of a store are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeysInUse {
    /// How many records each key seals.
    pub keys: BTreeMap<KeyId, u64>,
    /// How many records are not sealed.
    pub plain: u64,
    /// How many can't be told: damaged, or of a newer version of the software.
    pub unknown: u64,
}

/// What became of a [`rewrap`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RewrapReport {
    /// How many records were sealed anew.
    pub rewrapped: u64,
    /// How many were sealed under the key for writing already.
    pub current: u64,
    /// Records that could not be sealed anew, and why. They were kept.
    pub failed: Vec<(Key, StoreError)>,
    /// The keys that are in use now.
    pub remaining: KeysInUse,
}

impl KeysInUse {
    /// How many records another key than this one is needed for, or none is.
    pub fn besides(&self, key: &KeyId) -> u64 {
        let others = self.keys.iter().filter(|(other, _)| *other != key);
        others.map(|(_, count)| count).sum::<u64>() + self.plain + self.unknown
    }

    fn add(&mut self, stored: &Record) {
        match Envelope::parse(stored.body().expose()) {
            Ok(envelope) => *self.keys.entry(envelope.key).or_default() += 1,
            Err(Damage::Plain) => self.plain += 1,
            Err(_) => self.unknown += 1,
        }
    }
}

/// Under which keys the records of this store are sealed: reads them all, opens none.
///
/// # Errors
/// Those of listing and loading; `Unsupported` where the store can't list.
pub async fn keys_in_use(store: &KmsStore) -> Result<KeysInUse, StoreError> {
    let mut found = KeysInUse::default();
    let mut page = Page::first();
    loop {
        let listing = store.list(page).await?;
        for entry in listing.entries {
            match stored(store, &entry.key).await {
                Ok(Some(stored)) => found.add(&stored),
                Ok(None) => {}
                Err(error) if error.kind() == StoreErrorKind::Corrupt => found.unknown += 1,
                Err(error) => return Err(error),
            }
        }
        match listing.next {
            Some(next) => page = Page::after(next),
            None => return Ok(found),
        }
    }
}

/// Seals every record anew that is not sealed under the key for writing, by
/// compare-and-swap, while others read and write. `progress` is called after each page.
///
/// What is done is done: a run that was interrupted is gone on with by the next. A
/// record that can't be opened is reported and kept. When
/// [`remaining`](RewrapReport::remaining) shows no other key, and no process writes
/// under one any more, the old key can go.
///
/// With [`accept_plaintext`](crate::KmsStoreBuilder::accept_plaintext) it seals a store
/// that was plain.
///
/// # Errors
/// Those of listing; `Unsupported` where the store can't list. `Unavailable` if store
/// or key service are away: what was done is kept.
pub async fn rewrap(
    store: &KmsStore,
    mut progress: impl FnMut(&RewrapReport) + Send,
) -> Result<RewrapReport, StoreError> {
    let mut report = RewrapReport::default();
    let mut page = Page::first();
    loop {
        let listing = store.list(page).await?;
        for entry in listing.entries {
            match rewrap_one(store, &entry.key).await {
                Ok(Outcome::Rewrapped) => report.rewrapped += 1,
                Ok(Outcome::Current) => report.current += 1,
                Ok(Outcome::Gone) => {}
                Err(error) if error.kind() == StoreErrorKind::Unavailable => return Err(error),
                Err(error) => report.failed.push((entry.key, error)),
            }
        }
        progress(&report);
        match listing.next {
            Some(next) => page = Page::after(next),
            None => break,
        }
    }
    report.remaining = keys_in_use(store).await?;
    Ok(report)
}

enum Outcome {
    Rewrapped,
    Current,
    Gone,
}

async fn rewrap_one(store: &KmsStore, key: &Key) -> Result<Outcome, StoreError> {
    let shared = &*store.shared;
    let mut tries = 0;
    loop {
        let Some(stored) = stored(store, key).await? else {
            return Ok(Outcome::Gone);
        };
        if Envelope::parse(stored.body().expose()).is_ok_and(|envelope| envelope.key == *store.writing_key()) {
            return Ok(Outcome::Current);
        }
        let read = stored.version();
        let record = shared.open(&stored).await?;
        let next = shared.renumbered(&record, Version::after(Some(read)))?;
        match shared.save(&next, WriteIf::Matches(read)).await {
            Ok(()) => return Ok(Outcome::Rewrapped),
            Err(error)
                if matches!(error.kind(), StoreErrorKind::Conflict | StoreErrorKind::Ambiguous) && tries < TRIES =>
            {
                tries += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn stored(store: &KmsStore, key: &Key) -> Result<Option<Record>, StoreError> {
    let loaded = store.shared.inner.load(key).await;
    loaded.map_err(|error| store.shared.named(error))
}
