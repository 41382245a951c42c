//! A store in this process's memory: for tests, for services that may log in
//! again after a restart, and as the plainest reading of the contract.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStore, WriteIf,
};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::key::Key;
use crate::record::Record;

/// A store in memory. Clones share the same records.
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<String, Record>,
    leases: HashMap<Key, (LeaseId, Duration)>,
    sweep_at: usize,
}

const SWEEP_LEAST: usize = 1_000;

impl State {
    /// Drops what is past its end, now and then: each time the number has doubled.
    fn sweep(&mut self, now: Timestamp) {
        if self.records.len() >= self.sweep_at {
            self.records.retain(|_, record| !record.is_past(now));
            self.sweep_at = SWEEP_LEAST.max(2 * self.records.len());
        }
    }
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store that reads this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Arc::default(),
            clock,
        }
    }

    // A panic elsewhere can't leave a map half-written: each change is one call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("records", &self.state().records.len())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for MemoryStore {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::Memory, LeaseScope::Process, LeaseEnd::ByTime)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let now = self.clock.now();
        Ok(self
            .state()
            .records
            .get(&key.to_string())
            .filter(|record| !record.is_past(now))
            .cloned())
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        state.sweep(now);
        let name = record.key().to_string();
        let stored = state
            .records
            .get(&name)
            .filter(|old| !old.is_past(now))
            .map(Record::version);
        if stored == Some(record.version()) {
            return Ok(());
        }
        if !when.holds(stored) {
            return Err(StoreError::new(StoreErrorKind::Conflict, Operation::Save, "memory"));
        }
        state.records.insert(name, record.clone());
        Ok(())
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut state = self.state();
        let name = key.to_string();
        match state.records.get(&name).filter(|record| !record.is_past(now)) {
            None => Ok(false),
            Some(record) if when.holds(record.version()) => Ok(state.records.remove(&name).is_some()),
            Some(_) => Err(StoreError::new(StoreErrorKind::Conflict, Operation::Remove, "memory")),
        }
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let now = self.clock.now();
        let state = self.state();
        let live = state
            .records
            .values()
            .filter(|record| !record.is_past(now) && !record.key().is_lease())
            .map(Record::listed);
        Ok(Listing::of_sorted(live, &page))
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        let now = self.clock.monotonic();
        let mut state = self.state();
        match state.leases.get(key) {
            Some((holder, until)) if holder != id && *until > now => Ok(Lease::HeldElsewhere {
                retry_after: until.saturating_sub(now).min(Duration::from_millis(50)),
            }),
            _ => {
                state.leases.insert(key.clone(), (id.clone(), now + ttl));
                Ok(Lease::Granted)
            }
        }
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        let now = self.clock.monotonic();
        match self.state().leases.get_mut(key) {
            Some((holder, until)) if holder == id && *until > now => {
                *until = now + ttl;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.leases.get(key).is_some_and(|(holder, _)| holder == id) {
            state.leases.remove(key);
        }
        Ok(())
    }
}
