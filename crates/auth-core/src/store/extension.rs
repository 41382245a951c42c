//! Conveniences over the contract.

use async_trait::async_trait;

use super::{Listed, Page, StoreError, StoreErrorKind, TokenStore, WriteIf};
use crate::clock::Timestamp;
use crate::key::Key;
use crate::record::{Contents, Record, Version};

/// Conveniences for everyone who holds a store; implemented once, for all.
#[async_trait]
pub trait TokenStoreExt: TokenStore {
    /// Loads and decodes a record, with its version.
    ///
    /// # Errors
    /// Those of [`TokenStore::load`], and `Corrupt`, `Unsupported` (a newer
    /// format) or `WrongBinding` from decoding.
    async fn load_contents(&self, key: &Key) -> Result<Option<(Version, Contents)>, StoreError> {
        match self.load(key).await? {
            None => Ok(None),
            Some(record) => {
                let contents = record.decode().map_err(|error| error.into_store_error(self.name()))?;
                Ok(Some((record.version(), contents)))
            }
        }
    }

    /// The version of what is stored, also of a record that can't be used but can be
    /// replaced.
    ///
    /// # Errors
    /// Those of [`TokenStore::load`].
    async fn load_version(&self, key: &Key) -> Result<Option<Version>, StoreError> {
        match self.load(key).await {
            Ok(record) => Ok(record.map(|record| record.version())),
            Err(error) => error.stored().map(Some).ok_or(error),
        }
    }

    /// Encodes and saves contents as the successor of the version read, and
    /// returns the new version.
    ///
    /// # Errors
    /// Those of [`TokenStore::save`].
    async fn save_contents(
        &self,
        key: &Key,
        contents: &Contents,
        read: Option<Version>,
        keep_until: Option<Timestamp>,
    ) -> Result<Version, StoreError> {
        let record = Record::encode(key.clone(), Version::after(read), keep_until, contents);
        self.save(&record, WriteIf::unchanged(read)).await?;
        Ok(record.version())
    }

    /// Puts contents in place of whatever is stored, by compare-and-swap, and
    /// returns the new version. A record that can't be used is replaced too, where
    /// the store says which version [is stored](StoreError::stored).
    ///
    /// # Errors
    /// Those of [`TokenStore::load`] and [`TokenStore::save`]; `Conflict` only if
    /// others kept writing 32 times.
    async fn replace_contents(
        &self,
        key: &Key,
        contents: &Contents,
        keep_until: Option<Timestamp>,
    ) -> Result<Version, StoreError> {
        let mut tries = 0;
        loop {
            let read = self.load_version(key).await?;
            match self.save_contents(key, contents, read, keep_until).await {
                Err(error) if error.kind() == StoreErrorKind::Conflict && tries < 32 => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// Every entry of the list, page after page.
    ///
    /// # Errors
    /// Those of [`TokenStore::list`].
    async fn list_all(&self) -> Result<Vec<Listed>, StoreError> {
        let mut all = Vec::new();
        let mut page = Page::first();
        loop {
            let listing = self.list(page).await?;
            all.extend(listing.entries);
            match listing.next {
                Some(next) => page = Page::after(next),
                None => return Ok(all),
            }
        }
    }
}

impl<T: TokenStore + ?Sized> TokenStoreExt for T {}
