//! One profile in one place.

use super::{Place, Transfer, TransferError};
use crate::clock::Timestamp;
use crate::key::Key;
use crate::profile::Profile;
use crate::record::{Contents, Record, Version};
use crate::refresh::lease::HeldLease;
use crate::store::{RemoveIf, StoreError, StoreErrorKind, TokenStore as _, WriteIf};

pub(super) struct Side<'a> {
    place: &'a Place,
    pub(super) profile: &'a Profile,
}

/// A record as it was read.
pub(super) struct Found {
    pub(super) version: Version,
    pub(super) keep_until: Option<Timestamp>,
    pub(super) contents: Contents,
}

impl<'a> Side<'a> {
    pub(super) fn new(place: &'a Place, profile: &'a Profile) -> Self {
        Self { place, profile }
    }

    /// Names it for people, and orders the leases.
    pub(super) fn place_name(&self) -> String {
        format!("{}, profile {}", self.place.label, self.profile)
    }

    pub(super) fn label(&self) -> String {
        self.place.label.clone()
    }

    pub(super) fn store(&self) -> &dyn crate::store::TokenStore {
        &*self.place.store
    }

    pub(super) async fn lease(&self, transfer: &Transfer) -> Result<HeldLease, TransferError> {
        let key = Key::grant(self.profile);
        let lease = HeldLease::wait_for(&self.place.store, &transfer.clock, &transfer.timing, &key).await;
        lease.map_err(|error| self.failed(error))?.ok_or_else(|| self.in_use())
    }

    pub(super) async fn find(&self, key: &Key) -> Result<Option<Found>, TransferError> {
        let record = self.place.store.load(key).await.map_err(|error| self.failed(error))?;
        record.map(|record| self.open(&record)).transpose()
    }

    /// Writes contents in the place of what was found, and returns the new version,
    /// which is later than the one given too.
    pub(super) async fn put(
        &self,
        key: &Key,
        contents: &Contents,
        keep_until: Option<Timestamp>,
        found: Option<Version>,
        after: Option<Version>,
    ) -> Result<Version, StoreError> {
        let latest = found
            .into_iter()
            .chain(after)
            .max_by_key(|version| version.generation());
        let record = Record::encode(key.clone(), Version::after(latest), keep_until, contents);
        self.place.store.save(&record, WriteIf::unchanged(found)).await?;
        Ok(record.version())
    }

    /// Reads back and compares.
    pub(super) async fn compare(&self, key: &Key, written: &Contents) -> Result<(), TransferError> {
        match self.find(key).await? {
            Some(found) if found.contents == *written => Ok(()),
            _ => Err(TransferError::Mismatch {
                name: key.to_string(),
                place: self.label(),
            }),
        }
    }

    /// Removes this version; `false` if another is stored meanwhile, which stays.
    pub(super) async fn remove(&self, key: &Key, version: Version) -> Result<bool, TransferError> {
        match self.place.store.remove(key, RemoveIf::Matches(version)).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    pub(super) fn failed(&self, error: StoreError) -> TransferError {
        TransferError::store(&self.place.label, error)
    }

    pub(super) fn in_use(&self) -> TransferError {
        TransferError::InUse {
            profile: self.profile.clone(),
            place: self.label(),
        }
    }

    pub(super) fn occupied(&self) -> TransferError {
        TransferError::Occupied {
            profile: self.profile.clone(),
            place: self.label(),
        }
    }

    fn open(&self, record: &Record) -> Result<Found, TransferError> {
        let contents = record.decode();
        let contents = contents.map_err(|error| self.failed(error.into_store_error(self.place.store.name())))?;
        Ok(Found {
            version: record.version(),
            keep_until: record.keep_until(),
            contents,
        })
    }
}
