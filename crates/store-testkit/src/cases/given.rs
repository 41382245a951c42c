//! What the cases begin with, and how they look at a store.

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::{Hints, Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::{Lease, LeaseId, RemoveIf, StoreError, StoreErrorKind, TokenStore, WriteIf};
use std::time::Duration;

pub(crate) use crate::records::key;
use crate::refusals;

/// A value that must never be seen outside a record's body.
pub(crate) const CANARY: &str = "canary-7d1f-never-shown";

/// How long what a case lets end lives, and a time by which it has ended: whole
/// seconds, as some stores count.
pub(crate) const SHORT: Duration = Duration::from_secs(2);
pub(crate) const PAST_SHORT: Duration = Duration::from_millis(3_100);

/// The same for what must still live when the store has answered once more, on a busy
/// machine too.
pub(crate) const TTL: Duration = Duration::from_secs(4);
pub(crate) const PAST_TTL: Duration = Duration::from_millis(5_100);

/// The time to live of a lease that must not end in a case, however slowly a busy
/// machine answers: as long as a case may take.
const HELD: Duration = Duration::from_secs(600);

pub(crate) fn first(key: &Key, body: impl AsRef<[u8]>) -> Record {
    after(key, body, None)
}

pub(crate) fn after(key: &Key, body: impl AsRef<[u8]>, read: Option<Version>) -> Record {
    built(key, body, read, None, Hints::default())
}

pub(crate) fn until(key: &Key, body: impl AsRef<[u8]>, keep_until: Timestamp) -> Record {
    built(key, body, None, Some(keep_until), Hints::default())
}

pub(crate) fn built(
    key: &Key,
    body: impl AsRef<[u8]>,
    read: Option<Version>,
    keep_until: Option<Timestamp>,
    hints: Hints,
) -> Record {
    let body = SecretBytes::new(body.as_ref().to_vec());
    Record::from_parts(key.clone(), Version::after(read), keep_until, hints, body)
}

/// Stores a first record under the key and returns it.
pub(crate) async fn stored<S: TokenStore>(store: &S, key: &Key, body: impl AsRef<[u8]>) -> Record {
    let record = first(key, body);
    save(store, &record, WriteIf::Absent).await;
    record
}

pub(crate) async fn save<S: TokenStore>(store: &S, record: &Record, when: WriteIf) {
    let saved = store.save(record, when).await;
    saved.unwrap_or_else(|error| panic!("save of {} with {when:?} failed: {error}", record.key()));
}

pub(crate) async fn load<S: TokenStore>(store: &S, key: &Key) -> Option<Record> {
    let loaded = store.load(key).await;
    loaded.unwrap_or_else(|error| panic!("load of {key} failed: {error}"))
}

pub(crate) async fn remove<S: TokenStore>(store: &S, key: &Key, when: RemoveIf) -> bool {
    let removed = store.remove(key, when).await;
    removed.unwrap_or_else(|error| panic!("remove of {key} with {when:?} failed: {error}"))
}

pub(crate) async fn granted<S: TokenStore>(store: &S, key: &Key, id: &LeaseId) -> bool {
    granted_for(store, key, id, HELD).await
}

pub(crate) async fn granted_for<S: TokenStore>(store: &S, key: &Key, id: &LeaseId, ttl: Duration) -> bool {
    let lease = store.try_lease(key, id, ttl).await;
    match lease.unwrap_or_else(|error| panic!("lease on {key} failed: {error}")) {
        Lease::Granted => true,
        Lease::HeldElsewhere { retry_after } => {
            assert!(
                retry_after <= HELD,
                "retry_after is {retry_after:?}, past the lease's time to live"
            );
            false
        }
        other => panic!("a lease that this suite does not know: {other:?}"),
    }
}

pub(crate) async fn renewed<S: TokenStore>(store: &S, key: &Key, id: &LeaseId) -> bool {
    let renewed = store.renew(key, id, HELD).await;
    renewed.unwrap_or_else(|error| panic!("renewal of the lease on {key} failed: {error}"))
}

pub(crate) async fn release<S: TokenStore>(store: &S, key: &Key, id: &LeaseId) {
    let released = store.release(key, id).await;
    released.unwrap_or_else(|error| panic!("release of the lease on {key} failed: {error}"));
}

/// The error that was due, if it is of the kind that was due.
pub(crate) fn refused<T>(outcome: Result<T, StoreError>, kind: StoreErrorKind, what: &str) -> StoreError {
    match outcome {
        Ok(_) => panic!("{what}: succeeded, but {kind:?} was due"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{what}: {error}");
            refusals::asserted();
            error
        }
    }
}
