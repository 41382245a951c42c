//! A store without a lease of its own, as an adapter would write it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::ManualClock;
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::{
    Capabilities, CasLease, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, MemoryStore, Page, Persistence, RemoveIf,
    StoreError, TokenStore, WriteIf,
};

#[derive(Clone, Debug)]
pub(crate) struct CasLeaseStore {
    records: MemoryStore,
    leases: CasLease,
}

impl CasLeaseStore {
    pub(crate) fn new(clock: &ManualClock) -> Self {
        Self {
            records: MemoryStore::with_clock(Arc::new(clock.clone())),
            leases: CasLease::new(Arc::new(clock.clone())),
        }
    }
}

#[async_trait]
impl TokenStore for CasLeaseStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        // Clones stand for the servers that share it.
        Capabilities::new(Persistence::UntilRestart, LeaseScope::Shared, LeaseEnd::ByTime)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.records.load(key).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        self.records.save(record, when).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.records.remove(key, when).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        self.records.list(page).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.leases.try_lease(&self.records, key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.leases.renew(&self.records, key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.leases.release(&self.records, key, id).await
    }
}
