//! The store: reads top-down as the contract does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, SystemClock};
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::local::{Leases, Place, try_lock};
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStore, WriteIf,
};

use crate::config::JsonConfig;
use crate::document::Document;
use crate::error::{Fault, NAME};
use crate::shelf::Shelf;
use crate::writer::{Change, Writer};

/// Tokens in one JSON file. Clones are the same handle: they share what was read
/// and the leases held.
#[derive(Clone)]
pub struct JsonStore {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    shelf: Arc<Shelf>,
    writer: Writer,
    leases: Leases,
}

impl JsonStore {
    /// The file at this path; made by the first write if there is none.
    ///
    /// Looks, but does not read or write.
    ///
    /// # Errors
    /// `Denied` for a symbolic link, something other than a plain file or a folder
    /// in which everybody may replace files; `Unsupported` on a network file
    /// system; `Invalid` if the path names no file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_config(&JsonConfig::new(path))
    }

    /// The file that a URL names; see [`JsonConfig::from_url`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Invalid` if the URL is.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(&JsonConfig::from_url(url)?)
    }

    /// The file that a configuration names.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_config(config: &JsonConfig) -> Result<Self, StoreError> {
        let place = Place::resolve(&config.file).map_err(|fault| fault.at(Operation::Open, NAME))?;
        let shelf = Arc::new(Shelf::new(place, config.layout));
        Ok(Self {
            inner: Arc::new(Inner {
                writer: Writer::new(shelf.clone()),
                shelf,
                leases: Leases::default(),
            }),
            clock: Arc::new(SystemClock),
        })
    }

    /// The same, judging `keep_until` by this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.shelf.place().file
    }

    /// How often this handle has read the file: for tests of what it costs.
    #[doc(hidden)]
    pub fn reads(&self) -> u64 {
        self.inner.shelf.reads()
    }

    /// How often this handle has replaced the file: for tests of what it costs.
    #[doc(hidden)]
    pub fn writes(&self) -> u64 {
        self.inner.shelf.writes()
    }
}

impl fmt::Debug for JsonStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonStore")
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for JsonStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::DurableNode, LeaseScope::Host, LeaseEnd::ByHolder)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let document = self.document(Operation::Load).await?;
        let record = document.record(key, self.clock.now());
        record.map_err(|damage| self.inner.shelf.damaged(key, damage).at(Operation::Load, NAME))
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let change = Change::Save(record.clone(), when);
        let saved = self.inner.writer.carry_out(change, self.clock.now()).await;
        saved.map(drop).map_err(|fault| fault.at(Operation::Save, NAME))
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let is_absent = self.document(Operation::Remove).await?.has_nothing(key, now);
        // What was removed before, but not from the disk, is gone when the writer says so.
        if is_absent && !self.inner.shelf.is_unsynced() {
            return Ok(false);
        }
        let removed = self
            .inner
            .writer
            .carry_out(Change::Remove(key.clone(), when), now)
            .await;
        removed.map_err(|fault| fault.at(Operation::Remove, NAME))
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let document = self.document(Operation::List).await?;
        Ok(Listing::of_sorted(document.listed(self.clock.now()), &page))
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, _ttl: Duration) -> Result<Lease, StoreError> {
        if let Some(answer) = self.inner.leases.known(key, id) {
            return Ok(answer);
        }
        let digest = key.digest();
        let locked = self
            .run(Operation::Lease, move |inner| {
                try_lock(&inner.shelf.place().lease(&digest)?)
            })
            .await?;
        Ok(self.inner.leases.keep(key, id, locked))
    }

    async fn renew(&self, key: &Key, id: &LeaseId, _ttl: Duration) -> Result<bool, StoreError> {
        let file = self.inner.shelf.place().leases.join(key.digest());
        Ok(self.inner.leases.is_held(key, id, &file))
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.inner.leases.release(key, id);
        Ok(())
    }
}

impl JsonStore {
    async fn document(&self, operation: Operation) -> Result<Arc<Document>, StoreError> {
        let known = self.inner.shelf.unchanged();
        match known.map_err(|fault| fault.at(operation, NAME))? {
            Some(document) => Ok(document),
            None => self.run(operation, |inner| inner.shelf.current()).await,
        }
    }

    /// Runs what blocks, and does not write, where blocking is fine. It runs to its
    /// end even if the future is dropped.
    async fn run<T, F>(&self, operation: Operation, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, Fault> + Send + 'static,
    {
        let inner = self.inner.clone();
        let outcome = match tokio::runtime::Handle::try_current() {
            Err(_) => work(&inner),
            Ok(runtime) => runtime
                .spawn_blocking(move || work(&inner))
                .await
                .unwrap_or_else(|_| Err(unfinished())),
        };
        outcome.map_err(|fault| fault.at(operation, NAME))
    }
}

fn unfinished() -> Fault {
    Fault::new(StoreErrorKind::Unavailable, "the runtime ended before it was done")
}
