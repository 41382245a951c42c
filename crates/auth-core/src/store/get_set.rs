//! A store out of any object that can get and set: a framework's cache, a
//! dictionary service.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, MemoryStore, Operation, Page, Persistence, RemoveIf,
    StoreError, StoreErrorKind, TokenStore, WriteIf,
};
use crate::clock::{Clock, SystemClock};
use crate::key::Key;
use crate::record::Record;
use crate::secret::SecretBytes;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What [`GetSetStore`] needs: get, set with a time to live, delete.
#[async_trait]
pub trait GetSet: Send + Sync + 'static {
    /// The value under this name, if there is one.
    ///
    /// # Errors
    /// Whatever keeps it from answering; it must quote no values.
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, BoxError>;

    /// Puts a value under this name, for `ttl` where given.
    ///
    /// # Errors
    /// Whatever keeps it from doing so; it must quote no values.
    async fn set(&self, name: &str, value: &[u8], ttl: Option<Duration>) -> Result<(), BoxError>;

    /// Removes what is under this name.
    ///
    /// # Errors
    /// Whatever keeps it from doing so.
    async fn delete(&self, name: &str) -> Result<(), BoxError>;
}

/// A store for tokens that can be asked for again, over any [`GetSet`].
///
/// Get and set can't compare and swap: conditions are checked before the write,
/// not with it, and leases hold within this process. That is enough for renewable
/// tokens. Its persistence is [`Persistence::Evictable`], so refresh tokens are
/// refused unless volatile ones are allowed by name.
pub struct GetSetStore<T> {
    inner: T,
    leases: MemoryStore,
    clock: Arc<dyn Clock>,
}

impl<T: GetSet> GetSetStore<T> {
    /// A store over this object.
    pub fn new(inner: T) -> Self {
        Self::with_clock(inner, Arc::new(SystemClock))
    }

    /// A store over this object that reads this clock.
    pub fn with_clock(inner: T, clock: Arc<dyn Clock>) -> Self {
        Self {
            inner,
            leases: MemoryStore::with_clock(clock.clone()),
            clock,
        }
    }

    async fn read(&self, key: &Key, operation: Operation) -> Result<Option<Record>, StoreError> {
        let Some(bytes) = self
            .inner
            .get(&key.to_string())
            .await
            .map_err(|error| unavailable(operation, error))?
        else {
            return Ok(None);
        };
        let record = Record::unpack_as(key, SecretBytes::new(bytes).expose()).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Corrupt, operation, "get-set")
                .with_message(format!("what is kept for {key} is no record of it"))
        })?;
        Ok(Some(record).filter(|record| !record.is_past(self.clock.now())))
    }
}

impl<T> fmt::Debug for GetSetStore<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetSetStore").finish_non_exhaustive()
    }
}

#[async_trait]
impl<T: GetSet> TokenStore for GetSetStore<T> {
    fn name(&self) -> &'static str {
        "get-set"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::Evictable, LeaseScope::Process, LeaseEnd::ByTime).without_list()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.read(key, Operation::Load).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let stored = self
            .read(record.key(), Operation::Save)
            .await?
            .map(|stored| stored.version());
        if stored == Some(record.version()) {
            return Ok(());
        }
        if !when.holds(stored) {
            return Err(StoreError::new(StoreErrorKind::Conflict, Operation::Save, "get-set"));
        }
        let ttl = record.keep_until().map(|until| until.since(self.clock.now()));
        let packed = record.pack();
        let set = self.inner.set(&record.key().to_string(), packed.expose(), ttl).await;
        set.map_err(|error| StoreError::new(StoreErrorKind::Ambiguous, Operation::Save, "get-set").with_source(error))
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let Some(stored) = self.read(key, Operation::Remove).await? else {
            return Ok(false);
        };
        if !when.holds(stored.version()) {
            return Err(StoreError::new(StoreErrorKind::Conflict, Operation::Remove, "get-set"));
        }
        self.inner
            .delete(&key.to_string())
            .await
            .map_err(|error| unavailable(Operation::Remove, error))?;
        Ok(true)
    }

    async fn list(&self, _page: Page) -> Result<Listing, StoreError> {
        Err(StoreError::new(StoreErrorKind::Unsupported, Operation::List, "get-set")
            .with_message("get and set can't list"))
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.leases.try_lease(key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.leases.renew(key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.leases.release(key, id).await
    }
}

fn unavailable(operation: Operation, error: BoxError) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, operation, "get-set").with_source(error)
}
