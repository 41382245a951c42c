//! A lease, held: extended by a heartbeat, given back at the end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::core::Core;
use super::engine;
use super::settings::Timing;
use crate::clock::Clock;
use crate::error::{TokenError, TokenErrorKind};
use crate::key::Key;
use crate::store::{Lease, LeaseEnd, LeaseId, StoreError, TokenStore};

const PAUSE_LEAST: Duration = Duration::from_millis(5);
const PAUSE_MOST: Duration = Duration::from_millis(100);

/// A lease that is held by this flight.
pub(crate) struct HeldLease {
    store: Arc<dyn TokenStore>,
    key: Key,
    id: LeaseId,
    ttl: Duration,
    heartbeat: Option<tokio::task::AbortHandle>,
    released: bool,
}

/// What came of waiting for a lease.
pub(crate) enum Waited<T> {
    Held(HeldLease),
    /// What was waited for came by itself.
    Met(T),
    /// The limit ran out.
    TimedOut,
}

/// Waits for the lease on a key, and looks by `meanwhile` before each further try
/// whether it is still needed.
pub(crate) async fn acquire<T, M, F>(
    core: &Core,
    key: &Key,
    limit: Duration,
    mut meanwhile: M,
) -> Result<Waited<T>, TokenError>
where
    M: FnMut() -> F,
    F: Future<Output = Result<Option<T>, TokenError>>,
{
    let clock = &core.options.clock;
    let (id, ttl) = (LeaseId::random(), core.options.timing.lease);
    let begun = clock.monotonic();
    loop {
        let lease = match core.store.try_lease(key, &id, ttl).await {
            Ok(lease) => lease,
            Err(error) => {
                // It may have been granted all the same.
                let _ = core.store.release(key, &id).await;
                return Err(TokenError::store(error, "lease"));
            }
        };
        let pause = match lease {
            Lease::Granted => {
                let timing = &core.options.timing;
                return Ok(Waited::Held(HeldLease::new(&core.store, clock, timing, key, id)));
            }
            Lease::HeldElsewhere { retry_after } => retry_after,
        };
        if clock.monotonic().saturating_sub(begun) >= limit {
            return Ok(Waited::TimedOut);
        }
        clock.sleep(jittered(pause)).await;
        if let Some(met) = meanwhile().await? {
            return Ok(Waited::Met(met));
        }
    }
}

impl HeldLease {
    /// Waits for the lease on a key; `None` if the limit ran out.
    pub(crate) async fn wait_for(
        store: &Arc<dyn TokenStore>,
        clock: &Arc<dyn Clock>,
        timing: &Timing,
        key: &Key,
    ) -> Result<Option<Self>, StoreError> {
        let id = LeaseId::random();
        let begun = clock.monotonic();
        loop {
            let pause = match store.try_lease(key, &id, timing.lease).await {
                Ok(Lease::Granted) => return Ok(Some(Self::new(store, clock, timing, key, id))),
                Ok(Lease::HeldElsewhere { retry_after }) => retry_after,
                Err(error) => {
                    // It may have been granted all the same.
                    let _ = store.release(key, &id).await;
                    return Err(error);
                }
            };
            if clock.monotonic().saturating_sub(begun) >= timing.lease_wait {
                return Ok(None);
            }
            clock.sleep(jittered(pause)).await;
        }
    }

    fn new(store: &Arc<dyn TokenStore>, clock: &Arc<dyn Clock>, timing: &Timing, key: &Key, id: LeaseId) -> Self {
        let (store, clock, ttl) = (store.clone(), clock.clone(), timing.lease);
        let by_time = store.capabilities().lease_end == LeaseEnd::ByTime;
        let heartbeat = by_time.then(|| {
            let beat = beat(store.clone(), clock, key.clone(), id.clone(), ttl, timing.heartbeat);
            tokio::spawn(beat).abort_handle()
        });
        Self {
            store,
            key: key.clone(),
            id,
            ttl,
            heartbeat,
            released: false,
        }
    }

    /// Extends the lease; an error if it is not held any more. Nothing may be sent
    /// then.
    pub(crate) async fn confirm(&self) -> Result<(), TokenError> {
        match self.store.renew(&self.key, &self.id, self.ttl).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(TokenError::new(TokenErrorKind::Timeout, "lease")),
            Err(error) => Err(TokenError::store(error, "lease")),
        }
    }

    /// Extends the lease; `false` if it is not held any more.
    pub(crate) async fn extend(&self) -> Result<bool, StoreError> {
        self.store.renew(&self.key, &self.id, self.ttl).await
    }

    /// Gives the lease back. A failure does no harm: its time, or its holder, ends.
    pub(crate) async fn release(mut self) {
        self.stop_heartbeat();
        self.released = true;
        let _ = self.store.release(&self.key, &self.id).await;
    }

    fn stop_heartbeat(&mut self) {
        if let Some(heartbeat) = self.heartbeat.take() {
            heartbeat.abort();
        }
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.stop_heartbeat();
        if !self.released {
            // The flight broke off: others need not wait for its end.
            let (store, key, id) = (self.store.clone(), self.key.clone(), self.id.clone());
            let _ = engine::spawn(async move { store.release(&key, &id).await });
        }
    }
}

async fn beat(
    store: Arc<dyn TokenStore>,
    clock: Arc<dyn Clock>,
    key: Key,
    id: LeaseId,
    ttl: Duration,
    every: Duration,
) {
    loop {
        clock.sleep(every).await;
        // An error may pass; a lost lease is found by `confirm` before anything is sent.
        let _ = store.renew(&key, &id, ttl).await;
    }
}

fn jittered(pause: Duration) -> Duration {
    let [random] = crate::random::bytes::<1>();
    pause
        .clamp(PAUSE_LEAST, PAUSE_MOST)
        .mul_f64(0.5 + f64::from(random) / 256.0)
}
