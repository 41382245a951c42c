//! The store contract: what every place that keeps tokens must do.
//!
//! [`TokenStore`] is required in full: a safety-relevant method with a default
//! body would be one that a store can forget. What is only convenient lives in
//! [`TokenStoreExt`].

mod capability;
mod error;
mod extension;
mod forward;
mod get_set;
mod lease;
#[cfg(unix)]
pub mod local;
mod memory;
mod types;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use capability::{Capabilities, LeaseEnd, LeaseScope, Persistence};
pub use error::{Operation, Retry, StoreError, StoreErrorKind};
pub use extension::TokenStoreExt;
pub use get_set::{GetSet, GetSetStore};
pub use lease::CasLease;
pub use memory::MemoryStore;
pub use types::{Lease, LeaseId, Listed, Listing, Page, RemoveIf, WriteIf};

use crate::key::Key;
use crate::record::Record;
use crate::sealer::Sealer;

/// A place that keeps records, safe between tasks, processes and, where its
/// [`LeaseScope`] says so, servers.
///
/// Every method may be cancelled by dropping its future: the record is then the
/// old or the new one, never a mixture.
#[async_trait]
pub trait TokenStore: fmt::Debug + Send + Sync + 'static {
    /// The kind of store, for messages: `json`, `redis`, `kms+redis`.
    fn name(&self) -> &str;

    /// What this store can do and promises.
    fn capabilities(&self) -> Capabilities;

    /// The sealer of a store that [seals](Capabilities::sealed) what it keeps: a
    /// manager over it demands a data key before it spends anything.
    ///
    /// A store around another forwards it. Who forgets that can't build a manager by
    /// accident: the capabilities still say that a sealer is needed.
    fn sealer(&self) -> Option<Arc<dyn Sealer>> {
        None
    }

    /// Reads a record.
    ///
    /// - absent, or past its `keep_until`: `None`;
    /// - never torn, and never another key's record: the name inside is checked.
    ///
    /// # Errors
    /// `Corrupt` if what is there can't be read (nothing is deleted), `Denied`,
    /// `Unavailable`.
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError>;

    /// Writes a record, if `when` holds: atomic, and durable on return if
    /// [`Persistence`] says so.
    ///
    /// Idempotent: `Ok` if the stored version already is the record's, because an
    /// answer may have been lost and the same save sent again.
    ///
    /// # Errors
    /// `Conflict` if `when` does not hold (nothing was changed), `Ambiguous` if it
    /// can't be known whether it was written, `TooLarge`, `Denied`, `Unavailable`
    /// (nothing was changed).
    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError>;

    /// Removes a record, if `when` holds; says whether there was one to remove.
    ///
    /// - absent: `false`; idempotent.
    ///
    /// # Errors
    /// `Conflict` if another version is stored, `Ambiguous`, `Denied`,
    /// `Unavailable`.
    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError>;

    /// Lists keys, versions and hints, page by page; never secrets. Records past
    /// `keep_until` are not listed.
    ///
    /// - a record that can't be read: [by its key alone](Listed::damaged), so that it
    ///   keeps nobody from the others; a [`load`](Self::load) says what is wrong with it;
    /// - a name that is none of this version's keys, such as a newer one's: left out.
    ///
    /// # Errors
    /// `Unsupported` where the store can't list, `Denied`, `Unavailable`.
    async fn list(&self, page: Page) -> Result<Listing, StoreError>;

    /// Takes the lease on a key: the right to talk to the token endpoint for it.
    ///
    /// - free: granted; already held under this id: granted;
    /// - held under another id: [`Lease::HeldElsewhere`], with a hint when to ask again.
    ///
    /// `ttl` ends a lease whose holder is gone where [`LeaseEnd::ByTime`] holds;
    /// with an operating system's lock the end of the holder does.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`, `Unsupported`.
    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError>;

    /// Extends a lease to `ttl` from now; `false` if it is not held under this id
    /// any more.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError>;

    /// Gives a lease back; a no-op if it is not held under this id.
    ///
    /// # Errors
    /// `Denied`, `Unavailable`.
    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError>;
}

// The contract must stay usable as `Arc<dyn TokenStore>`.
const _: fn(&dyn TokenStore) = |_| {};
