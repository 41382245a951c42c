//! A folder with a file for each record: everything that a store of one's own needs.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokenkeep::clock::Clock;
use tokenkeep::key::Key;
use tokenkeep::record::Record;
use tokenkeep::secret::SecretBytes;
use tokenkeep::store::{
    Capabilities, CasLease, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf,
    StoreError, StoreErrorKind, TokenStore, WriteIf,
};

/// Who reads or writes holds a lock on the folder, so that compare and swap is one step.
#[derive(Clone, Debug)]
pub(crate) struct FolderStore {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
}

impl FolderStore {
    pub(crate) fn open(folder: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = folder.into();
        fs::create_dir_all(&folder)?;
        Ok(Self { folder, clock })
    }

    /// Runs what blocks where blocking is fine, under the lock of the folder.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        let locked = move || {
            let lock = File::create(store.folder.join("lock"))?;
            lock.lock()?;
            work(&store)
        };
        let ended = tokio::task::spawn_blocking(locked).await;
        let ended = ended.unwrap_or_else(|_| Err(ErrorKind::Interrupted.into()));
        ended.map_err(|error| StoreError::new(kind_of(&error), operation, "folder").with_source(error))
    }

    /// The record in this file, if it lives; its name must be the file's.
    fn read(&self, name: &str) -> io::Result<Option<Record>> {
        let bytes = match fs::read(self.folder.join(name)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => SecretBytes::new(read?),
        };
        let record = Record::unpack(&bytes).filter(|record| record.key().digest() == name);
        let record = record.ok_or(ErrorKind::InvalidData)?;
        Ok(Some(record).filter(|record| !record.is_past(self.clock.now())))
    }

    fn write(&self, record: &Record) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(record.pack().expose())?;
        file.as_file().sync_all()?;
        file.persist(self.folder.join(record.key().digest()))?;
        File::open(&self.folder)?.sync_all()
    }
}

fn kind_of(error: &io::Error) -> StoreErrorKind {
    match error.kind() {
        ErrorKind::AlreadyExists => StoreErrorKind::Conflict,
        ErrorKind::InvalidData => StoreErrorKind::Corrupt,
        ErrorKind::PermissionDenied => StoreErrorKind::Denied,
        _ => StoreErrorKind::Ambiguous,
    }
}

#[async_trait]
impl TokenStore for FolderStore {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::DurableNode, LeaseScope::Host, LeaseEnd::ByTime)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let name = key.digest();
        self.run(Operation::Load, move |store| store.read(&name)).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let record = record.clone();
        let save = move |store: &Self| {
            let stored = store.read(&record.key().digest())?.map(|stored| stored.version());
            match stored {
                // The same save, sent again because an answer was lost.
                Some(version) if version == record.version() => Ok(()),
                _ if when.holds(stored) => store.write(&record),
                _ => Err(ErrorKind::AlreadyExists.into()),
            }
        };
        self.run(Operation::Save, save).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let name = key.digest();
        let remove = move |store: &Self| match store.read(&name)? {
            None => Ok(false),
            Some(stored) if when.holds(stored.version()) => fs::remove_file(store.folder.join(name)).map(|()| true),
            Some(_) => Err(ErrorKind::AlreadyExists.into()),
        };
        self.run(Operation::Remove, remove).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let list = move |store: &Self| {
            let mut listed = Vec::new();
            for file in fs::read_dir(&store.folder)? {
                let name = file?.file_name().to_string_lossy().into_owned();
                if name.len() == 64 {
                    listed.extend(store.read(&name)?.map(|record| record.listed()));
                }
            }
            listed.retain(|listed| !listed.key.is_lease());
            listed.sort_by_key(|listed| listed.key.to_string());
            Ok(Listing::of_sorted(listed.into_iter(), &page))
        };
        self.run(Operation::List, list).await
    }

    // No lease of its own: core makes one of compare and swap.
    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        CasLease::new(self.clock.clone()).try_lease(self, key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        CasLease::new(self.clock.clone()).renew(self, key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        CasLease::new(self.clock.clone()).release(self, key, id).await
    }
}

#[cfg(test)]
mod tests {
    use store_testkit::Subject;
    use tokenkeep::clock::ManualClock;

    use super::*;

    #[expect(clippy::unused_async, reason = "the suite awaits the opening")]
    async fn subject() -> Subject<FolderStore> {
        let (folder, clock) = (tempfile::tempdir().unwrap(), ManualClock::default());
        let store = FolderStore::open(folder.path(), Arc::new(clock.clone())).unwrap();
        let again = store.clone();
        Subject::new(store, clock)
            .reopening(move || std::future::ready(again.clone()))
            .keeping(folder)
    }

    store_testkit::conformance!(folder_store, subject());
}
