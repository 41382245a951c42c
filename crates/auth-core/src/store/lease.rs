//! A lease made of compare-and-swap, for stores without a primitive of their own.

use std::sync::Arc;
use std::time::Duration;

use super::{Lease, LeaseId, Operation, RemoveIf, StoreError, StoreErrorKind, TokenStore, WriteIf};
use crate::clock::Clock;
use crate::key::Key;
use crate::record::{Hints, Record, Version};
use crate::secret::SecretBytes;

/// A lease kept as a record whose `keep_until` is the lease's end.
///
/// An adapter without a primitive calls these from its own `try_lease`, `renew`
/// and `release`. The end is judged by the clocks of the processes that use the
/// store, so it is only as exact as those agree: a store with a lock, or with
/// time of its own, does better.
#[derive(Clone, Debug)]
pub struct CasLease {
    clock: Arc<dyn Clock>,
}

impl CasLease {
    /// Judged by this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }

    /// As [`TokenStore::try_lease`].
    ///
    /// # Errors
    /// What `load` and `save` of the store answer.
    pub async fn try_lease<S: TokenStore + ?Sized>(
        &self,
        store: &S,
        key: &Key,
        id: &LeaseId,
        ttl: Duration,
    ) -> Result<Lease, StoreError> {
        let name = key.lease_record();
        let held = store.load(&name).await?;
        if let Some(record) = held.as_ref().filter(|record| !is_mine(record, id)) {
            return Ok(Lease::HeldElsewhere {
                retry_after: self.time_left(record).min(Duration::from_millis(200)),
            });
        }
        match store
            .save(
                &self.lease_record(name, id, ttl, held.as_ref()),
                WriteIf::unchanged(held.map(|r| r.version())),
            )
            .await
        {
            Ok(()) => Ok(Lease::Granted),
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(Lease::HeldElsewhere {
                retry_after: Duration::from_millis(20),
            }),
            Err(error) => Err(error),
        }
    }

    /// As [`TokenStore::renew`].
    ///
    /// # Errors
    /// What `load` and `save` of the store answer.
    pub async fn renew<S: TokenStore + ?Sized>(
        &self,
        store: &S,
        key: &Key,
        id: &LeaseId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let name = key.lease_record();
        let Some(held) = store.load(&name).await?.filter(|record| is_mine(record, id)) else {
            return Ok(false);
        };
        let next = self.lease_record(name, id, ttl, Some(&held));
        match store.save(&next, WriteIf::Matches(held.version())).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// As [`TokenStore::release`].
    ///
    /// # Errors
    /// What `load` and `remove` of the store answer.
    pub async fn release<S: TokenStore + ?Sized>(&self, store: &S, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        let name = key.lease_record();
        let Some(held) = store.load(&name).await?.filter(|record| is_mine(record, id)) else {
            return Ok(());
        };
        match store.remove(&name, RemoveIf::Matches(held.version())).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == StoreErrorKind::Conflict && error.operation() == Operation::Remove => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn lease_record(&self, name: Key, id: &LeaseId, ttl: Duration, before: Option<&Record>) -> Record {
        let body = SecretBytes::new(id.as_str().as_bytes().to_vec());
        let version = Version::after(before.map(Record::version));
        Record::from_parts(name, version, Some(self.clock.now().plus(ttl)), Hints::default(), body)
    }

    fn time_left(&self, record: &Record) -> Duration {
        record
            .keep_until()
            .map_or(Duration::ZERO, |until| until.since(self.clock.now()))
    }
}

fn is_mine(record: &Record, id: &LeaseId) -> bool {
    record.body().expose() == id.as_str().as_bytes()
}
