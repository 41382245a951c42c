//! The store: reads top-down as the contract does.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, SystemClock};
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::local::{Fault, Leases, Place, try_lock};
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    TokenStore, WriteIf,
};
use rusqlite::Connection;

use crate::config::SqliteConfig;
use crate::database::Database;
use crate::error::NAME;
use crate::patience::Asked;
use crate::worker::Worker;

/// Tokens in a SQLite database. Clones are the same handle: they share the
/// connections, their threads, and the leases held.
#[derive(Clone)]
pub struct SqliteStore {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    place: Arc<Place>,
    namespace: String,
    writer: Worker<Database>,
    /// Reads, and the locks of leases: they wait for no write.
    reader: Worker<Database>,
    /// Whether the writer has a connection of the caller's, and so the only one.
    is_given: bool,
    leases: Leases,
}

impl SqliteStore {
    /// The database at this path; made by the first write if there is none.
    ///
    /// Looks, but does not read or write.
    ///
    /// # Errors
    /// `Denied` for a symbolic link, something other than a plain file or a folder
    /// in which everybody may replace files; `Unsupported` on a network file
    /// system; `Invalid` if the path names no file.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, StoreError> {
        Self::with_config(&SqliteConfig::new(path))
    }

    /// The database that a URL names; see [`SqliteConfig::from_url`].
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Invalid` if the URL is.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(&SqliteConfig::from_url(url)?)
    }

    /// The database that a configuration names.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn with_config(config: &SqliteConfig) -> Result<Self, StoreError> {
        Self::start(config, None).map_err(|fault| fault.at(Operation::Open, NAME))
    }

    /// Through this connection to a database file, with what was set on it: a key for
    /// a SQLite that encrypts, a limit. How it waits, journals and syncs is set here.
    ///
    /// The store can't open it again: it ends when it is closed, or if the file is
    /// replaced or removed. Nor can it open another: reads wait for the writes before
    /// them here.
    ///
    /// # Errors
    /// As [`open`](Self::open), and `Invalid` if the database has no file.
    pub fn from_client(connection: Connection) -> Result<Self, StoreError> {
        let path = connection.path().filter(|path| !path.is_empty()).map(PathBuf::from);
        let path = path.ok_or_else(|| {
            Fault::invalid("a database without a file can't be shared: use the memory store").at(Operation::Open, NAME)
        })?;
        let config = SqliteConfig::new(path).create(false);
        Self::start(&config, Some(connection)).map_err(|fault| fault.at(Operation::Open, NAME))
    }

    /// The same, judging `keep_until` by this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Closes the database, which tidies up its log: before the file is copied or
    /// moved, say. The next call opens it again.
    ///
    /// # Errors
    /// `Unavailable` if a thread of it has ended.
    pub async fn close(&self) -> Result<(), StoreError> {
        for worker in [&self.inner.reader, &self.inner.writer] {
            let closed = run(worker, Operation::Open, |database| {
                database.close();
                Ok(())
            });
            closed.await?;
        }
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.inner.place.file
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.path())
            .field("namespace", &self.inner.namespace)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for SqliteStore {
    fn name(&self) -> &'static str {
        NAME
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::DurableNode, LeaseScope::Host, LeaseEnd::ByHolder)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (key, asked) = (key.clone(), self.asked());
        let found = run(self.reads(), Operation::Load, move |database| {
            database.read(asked, |records| records.load(&key))
        });
        Ok(found.await?.flatten())
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let (record, asked) = (record.clone(), self.asked());
        run(&self.inner.writer, Operation::Save, move |database| {
            database.write(asked, |records| records.save(&record, when))
        })
        .await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let (key, asked) = (key.clone(), self.asked());
        run(&self.inner.writer, Operation::Remove, move |database| {
            match database.read(asked, |records| records.version(&key))?.flatten() {
                None => Ok(false),
                Some(_) => database.write(asked, |records| records.remove(&key, when)),
            }
        })
        .await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let asked = self.asked();
        let listing = run(self.reads(), Operation::List, move |database| {
            database.read(asked, |records| records.list(&page))
        });
        Ok(listing.await?.unwrap_or_default())
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, _ttl: Duration) -> Result<Lease, StoreError> {
        if let Some(answer) = self.inner.leases.known(key, id) {
            return Ok(answer);
        }
        let (place, name) = (self.inner.place.clone(), self.lease_name(key));
        let locked = run(&self.inner.reader, Operation::Lease, move |_| {
            try_lock(&place.lease(&name)?)
        });
        Ok(self.inner.leases.keep(key, id, locked.await?))
    }

    async fn renew(&self, key: &Key, id: &LeaseId, _ttl: Duration) -> Result<bool, StoreError> {
        let file = self.inner.place.leases.join(self.lease_name(key));
        Ok(self.inner.leases.is_held(key, id, &file))
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.inner.leases.release(key, id);
        Ok(())
    }
}

impl SqliteStore {
    fn start(config: &SqliteConfig, given: Option<Connection>) -> Result<Self, Fault> {
        let place = Arc::new(Place::resolve(&config.file)?);
        let database = || Database::new(place.clone(), config.namespace.clone(), config.patience);
        let is_given = given.is_some();
        let written = match given {
            Some(connection) => database().given(connection),
            None => database(),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                namespace: config.namespace.clone(),
                writer: Worker::start(written)?,
                reader: Worker::start(database())?,
                is_given,
                leases: Leases::default(),
                place,
            }),
            clock: Arc::new(SystemClock),
        })
    }

    fn asked(&self) -> Asked {
        Asked::at(self.clock.now())
    }

    fn reads(&self) -> &Worker<Database> {
        if self.inner.is_given {
            &self.inner.writer
        } else {
            &self.inner.reader
        }
    }

    fn lease_name(&self, key: &Key) -> String {
        format!("{}.{}", self.inner.namespace, key.digest())
    }
}

async fn run<T, F>(worker: &Worker<Database>, operation: Operation, work: F) -> Result<T, StoreError>
where
    T: Send + 'static,
    F: FnOnce(&mut Database) -> Result<T, Fault> + Send + 'static,
{
    let outcome = worker.run(operation, work).await;
    outcome.map_err(|fault| fault.at(operation, NAME))
}
