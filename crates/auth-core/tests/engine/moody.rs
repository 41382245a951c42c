//! A store that is slow, hesitates, or fails to write, on demand.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::{
    Capabilities, Lease, LeaseId, Listing, Operation, Page, RemoveIf, StoreError, StoreErrorKind, WriteIf,
};
use auth_core::{MemoryStore, TokenStore};
use tokio::sync::oneshot;

use crate::clock::ShiftedClock;

/// A store that fails, waits and hesitates as it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Moody {
    pub(crate) inner: MemoryStore,
    failing: Arc<Mutex<Vec<StoreErrorKind>>>,
    slow: Arc<Mutex<Slow>>,
    held: Arc<Mutex<Option<Hold>>>,
    leases_are_lost: Arc<AtomicBool>,
}

/// How long things take, by this clock.
#[derive(Debug, Default)]
struct Slow {
    clock: ShiftedClock,
    renewal: Duration,
    save: Duration,
}

#[derive(Debug)]
struct Hold {
    reached: oneshot::Sender<()>,
    let_go: oneshot::Receiver<()>,
}

/// A load that has read, and has not said what.
pub(crate) struct HeldLoad {
    reached: oneshot::Receiver<()>,
    let_go: oneshot::Sender<()>,
}

impl HeldLoad {
    /// Waits until the load has read.
    pub(crate) async fn reached(&mut self) {
        (&mut self.reached).await.unwrap();
    }

    /// Lets it say what it read.
    pub(crate) fn let_go(self) {
        self.let_go.send(()).unwrap();
    }
}

impl Moody {
    /// The next saves fail like this, the first one first.
    pub(crate) fn fail_saves(&self, kinds: &[StoreErrorKind]) {
        self.failing.lock().unwrap().extend(kinds.iter().rev());
    }

    pub(crate) fn stop_failing(&self) {
        self.failing.lock().unwrap().clear();
    }

    /// To extend a lease takes this long from now on.
    pub(crate) fn slow_renewals(&self, clock: &ShiftedClock, takes: Duration) {
        let mut slow = self.slow.lock().unwrap();
        (slow.clock, slow.renewal) = (clock.clone(), takes);
    }

    /// To save takes this long from now on.
    pub(crate) fn slow_saves(&self, clock: &ShiftedClock, takes: Duration) {
        let mut slow = self.slow.lock().unwrap();
        (slow.clock, slow.save) = (clock.clone(), takes);
    }

    /// Whether leases end as soon as they are granted.
    pub(crate) fn lose_leases(&self, lose: bool) {
        self.leases_are_lost.store(lose, Ordering::SeqCst);
    }

    /// Holds the next load once it has read.
    pub(crate) fn hold_next_load(&self) -> HeldLoad {
        let (reached, told) = oneshot::channel();
        let (let_go, gone) = oneshot::channel();
        *self.held.lock().unwrap() = Some(Hold { reached, let_go: gone });
        HeldLoad { reached: told, let_go }
    }

    fn next_failure(&self) -> Option<StoreErrorKind> {
        self.failing.lock().unwrap().pop()
    }
}

#[async_trait]
impl TokenStore for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let record = self.inner.load(key).await;
        let hold = self.held.lock().unwrap().take();
        if let Some(hold) = hold {
            hold.reached.send(()).unwrap();
            hold.let_go.await.unwrap();
        }
        record
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        {
            let slow = self.slow.lock().unwrap();
            slow.clock.advance(slow.save);
        }
        match self.next_failure() {
            // Written, but nobody can know.
            Some(StoreErrorKind::Ambiguous) => {
                self.inner.save(record, when).await?;
                Err(StoreError::new(StoreErrorKind::Ambiguous, Operation::Save, "moody"))
            }
            Some(kind) => Err(StoreError::new(kind, Operation::Save, "moody")),
            None => self.inner.save(record, when).await,
        }
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.inner.remove(key, when).await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(page).await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.inner.try_lease(key, id, ttl).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        {
            let slow = self.slow.lock().unwrap();
            slow.clock.advance(slow.renewal);
        }
        if self.leases_are_lost.load(Ordering::SeqCst) {
            self.inner.release(key, id).await?;
        }
        self.inner.renew(key, id, ttl).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.inner.release(key, id).await
    }
}
