//! How a store is sealed.

use std::sync::Arc;
use std::time::Duration;

use auth_core::clock::{Clock, SystemClock};
use auth_core::store::TokenStore;

use crate::data_keys::CacheLimits;
use crate::provider::KeyProvider;
use crate::service::Limits;
use crate::store::KmsStore;
use crate::witness::REMEMBERED;

/// The namespace of a store that was given no name.
pub(crate) const NAMESPACE: &str = "tokenkeep";

/// Builds a [`KmsStore`].
#[derive(Debug)]
pub struct KmsStoreBuilder {
    pub(crate) inner: Arc<dyn TokenStore>,
    pub(crate) provider: Arc<dyn KeyProvider>,
    pub(crate) namespace: Arc<str>,
    pub(crate) cache: CacheLimits,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) accept_plaintext: bool,
    pub(crate) remembered: usize,
}

impl KmsStoreBuilder {
    pub(crate) fn new(inner: Arc<dyn TokenStore>, provider: Arc<dyn KeyProvider>) -> Self {
        Self {
            inner,
            provider,
            namespace: NAMESPACE.into(),
            cache: CacheLimits::default(),
            limits: Limits::default(),
            clock: Arc::new(SystemClock),
            accept_plaintext: false,
            remembered: REMEMBERED,
        }
    }

    /// The name that records are bound to, `tokenkeep` unless said otherwise: records
    /// of one namespace open in no other. It shows in the key service's audit log, and
    /// stays the same when the store moves.
    pub fn namespace(mut self, name: &str) -> Self {
        self.namespace = name.into();
        self
    }

    /// Over how many data keys at a time the profiles are spread: 1 unless said
    /// otherwise. More make each key open fewer records, and cost one call of the key
    /// service each.
    pub fn partitions(mut self, count: u32) -> Self {
        self.cache.partitions = count.max(1);
        self
    }

    /// For how long a data key is used: 300 seconds unless said otherwise.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.cache.max_age = age;
        self
    }

    /// For how many records a data key is used: 1,000 unless said otherwise. A flight
    /// that holds one may use it for its last few.
    pub fn max_uses(mut self, uses: u64) -> Self {
        self.cache.max_uses = uses.max(1);
        self
    }

    /// How many opened data keys are kept for reading: 10,000 unless said otherwise.
    pub fn max_opened(mut self, count: usize) -> Self {
        self.cache.max_opened = count.max(1);
        self
    }

    /// How long one call of the key service may take (3 seconds), and all calls of an
    /// operation with their pauses (10 seconds).
    pub fn patience(mut self, call: Duration, operation: Duration) -> Self {
        self.limits.call = call;
        self.limits.operation = operation;
        self
    }

    /// Reads this clock.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Reads records that are not sealed, and seals them when they are written next:
    /// while a store that was plain is [sealed in place](crate::rewrap). Not for ever:
    /// as long as it holds, whoever can write the store can put records into it.
    pub fn accept_plaintext(mut self) -> Self {
        self.accept_plaintext = true;
        self
    }

    /// Of how many logins this process remembers the latest state, to notice a store
    /// that was rolled back: 10,000 unless said otherwise, those used last.
    pub fn remember_logins(mut self, count: usize) -> Self {
        self.remembered = count;
        self
    }

    /// The sealed store.
    pub fn build(self) -> KmsStore {
        KmsStore::of(self)
    }
}
