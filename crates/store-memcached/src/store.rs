//! The store: reads top-down as the contract does.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, SystemClock};
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::secret::SecretBytes;
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStore, WriteIf,
};
use memcache::exp::Router as _;
use tokio::time::Instant;

use crate::config::MemcachedConfig;
use crate::connection::Item;
use crate::error::Fault;
use crate::meta::{Name, lease_time, time_to_live};
use crate::node::Node;
use crate::router::StableRendezvous;

/// How often an operation begins anew because others were quicker.
const ROUNDS: usize = 8;
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// Tokens in Memcached. Clones are the same handle: they share connections.
#[derive(Clone)]
pub struct MemcachedStore {
    inner: Arc<Inner>,
    clock: Arc<dyn Clock>,
}

struct Inner {
    config: MemcachedConfig,
    nodes: Vec<Node>,
    /// The nodes' text forms, in the same order.
    addresses: Vec<String>,
}

impl MemcachedStore {
    /// The nodes that a URL names; see [`MemcachedConfig::from_url`]. Connects when
    /// something is asked for.
    ///
    /// # Errors
    /// `Invalid` if the URL is, or names another host without allowing plaintext.
    pub fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(&MemcachedConfig::from_url(url)?)
    }

    /// The nodes that a configuration names.
    ///
    /// # Errors
    /// `Invalid` if it names another host without allowing plaintext.
    pub fn with_config(config: &MemcachedConfig) -> Result<Self, StoreError> {
        config.check()?;
        let node = |address: &crate::NodeAddress| Node::new(address.clone(), config);
        Ok(Self {
            inner: Arc::new(Inner {
                nodes: config.nodes.iter().map(node).collect(),
                addresses: config.nodes.iter().map(ToString::to_string).collect(),
                config: config.clone(),
            }),
            clock: Arc::new(SystemClock),
        })
    }

    /// The same, judging `keep_until` by this clock.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }
}

impl fmt::Debug for MemcachedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemcachedStore")
            .field("nodes", &self.inner.addresses)
            .field("namespace", &self.inner.config.namespace)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for MemcachedStore {
    fn name(&self) -> &'static str {
        "memcached"
    }

    fn capabilities(&self) -> Capabilities {
        let config = &self.inner.config;
        let promised = Capabilities::new(Persistence::Evictable, LeaseScope::Shared, LeaseEnd::ByTime)
            .without_list()
            .with_largest_record(config.longest_body());
        if config.volatile_refresh_tokens {
            promised.with_volatile_refresh_tokens()
        } else {
            promised
        }
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.operate(Operation::Load, self.load_from_node(key)).await
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        self.operate(Operation::Save, self.save_to_node(record, when)).await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        self.operate(Operation::Remove, self.remove_from_node(key, when)).await
    }

    async fn list(&self, _page: Page) -> Result<Listing, StoreError> {
        Err(Fault::new(
            StoreErrorKind::Unsupported,
            "Memcached can't list what it keeps: name the profiles",
        )
        .at(Operation::List))
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        self.operate(Operation::Lease, self.take_lease(key, id, ttl)).await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        self.operate(Operation::Lease, self.extend_lease(key, id, ttl)).await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        self.operate(Operation::Lease, self.free_lease(key, id)).await
    }
}

impl MemcachedStore {
    async fn load_from_node(&self, key: &Key) -> Result<Option<Record>, Fault> {
        let deadline = self.deadline();
        let name = Name::of_record(&self.inner.config.namespace, key);
        let (lent, found) = self.inner.node(&name).find(&name, deadline).await?;
        lent.give_back();
        self.living(&name, found.as_ref())
    }

    async fn save_to_node(&self, record: &Record, when: WriteIf) -> Result<(), Fault> {
        let deadline = self.deadline();
        let name = Name::of_record(&self.inner.config.namespace, record.key());
        let value = name.with_record(record);
        self.inner.check_size(record, &value)?;
        for _ in 0..ROUNDS {
            let (mut lent, found) = self.inner.node(&name).find(&name, deadline).await?;
            let stored = self.living(&name, found.as_ref())?;
            let version = stored.as_ref().map(Record::version);
            if version == Some(record.version()) || !when.holds(version) {
                lent.give_back();
                let same = version == Some(record.version());
                return if same { Ok(()) } else { Err(Fault::conflict()) };
            }
            let ttl = time_to_live(record.keep_until(), self.clock.now());
            match lent.put(&name, found.as_ref(), &value, ttl).await {
                Ok(written) => {
                    lent.give_back();
                    if written {
                        return Ok(());
                    }
                }
                Err(fault) => {
                    drop(lent);
                    self.restore(&name, stored.as_ref(), &fault, deadline).await;
                    return Err(fault);
                }
            }
        }
        Err(Fault::conflict())
    }

    async fn remove_from_node(&self, key: &Key, when: RemoveIf) -> Result<bool, Fault> {
        let deadline = self.deadline();
        let name = Name::of_record(&self.inner.config.namespace, key);
        for _ in 0..ROUNDS {
            let (mut lent, found) = self.inner.node(&name).find(&name, deadline).await?;
            let stored = self.living(&name, found.as_ref())?;
            let (Some(stored), Some(found)) = (stored, found) else {
                lent.give_back();
                return Ok(false);
            };
            if !when.holds(stored.version()) {
                lent.give_back();
                return Err(Fault::conflict());
            }
            let removed = lent.delete(&name, &found).await?;
            lent.give_back();
            if removed {
                return Ok(true);
            }
        }
        Err(Fault::conflict())
    }

    async fn take_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, Fault> {
        let deadline = self.deadline();
        let name = Name::of_lease(&self.inner.config.namespace, key);
        for _ in 0..ROUNDS {
            let (mut lent, found) = self.inner.node(&name).find(&name, deadline).await?;
            if is_held(&name, found.as_ref(), id)? == Some(false) {
                lent.give_back();
                return Ok(Lease::HeldElsewhere { retry_after: ASK_AGAIN });
            }
            let value = name.with_holder(id);
            let taken = lent.put(&name, found.as_ref(), &value, Some(lease_time(ttl))).await?;
            lent.give_back();
            if taken {
                return Ok(Lease::Granted);
            }
        }
        Ok(Lease::HeldElsewhere { retry_after: ASK_AGAIN })
    }

    async fn extend_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, Fault> {
        let deadline = self.deadline();
        let name = Name::of_lease(&self.inner.config.namespace, key);
        for _ in 0..ROUNDS {
            let (mut lent, found) = self.inner.node(&name).find(&name, deadline).await?;
            if is_held(&name, found.as_ref(), id)? != Some(true) {
                lent.give_back();
                return Ok(false);
            }
            let value = name.with_holder(id);
            let extended = lent.put(&name, found.as_ref(), &value, Some(lease_time(ttl))).await?;
            lent.give_back();
            if extended {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn free_lease(&self, key: &Key, id: &LeaseId) -> Result<(), Fault> {
        let deadline = self.deadline();
        let name = Name::of_lease(&self.inner.config.namespace, key);
        for _ in 0..ROUNDS {
            let (mut lent, found) = self.inner.node(&name).find(&name, deadline).await?;
            let freed = match &found {
                Some(item) if name.is_held_by(&item.value, id)? => lent.delete(&name, item).await?,
                _ => true,
            };
            lent.give_back();
            if freed {
                break;
            }
        }
        Ok(())
    }

    /// The record that was found, unless it is past its end.
    fn living(&self, name: &Name<'_>, found: Option<&Item>) -> Result<Option<Record>, Fault> {
        let record = found.map(|item| name.record(&item.value)).transpose()?;
        Ok(record.filter(|record| !record.is_past(self.clock.now())))
    }

    /// A server that refuses a value for its size, or for want of room, forgets the old
    /// one as well: it is put back, if nobody wrote another meanwhile.
    async fn restore(&self, name: &Name<'_>, stored: Option<&Record>, fault: &Fault, deadline: Instant) {
        let (Some(record), StoreErrorKind::TooLarge | StoreErrorKind::Unavailable) = (stored, fault.kind()) else {
            return;
        };
        let value = name.with_record(record);
        let ttl = time_to_live(record.keep_until(), self.clock.now());
        if let Ok((mut lent, None)) = self.inner.node(name).find(name, deadline).await
            && let Ok(true) = lent.put(name, None, &value, ttl).await
        {
            lent.give_back();
        }
    }

    /// When an operation that begins now gives up, in whichever of its steps it is then: what is under way may
    /// still be done by the server.
    fn deadline(&self) -> Instant {
        Instant::now() + self.inner.config.limit()
    }

    async fn operate<T>(
        &self,
        operation: Operation,
        work: impl Future<Output = Result<T, Fault>> + Send,
    ) -> Result<T, StoreError> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(without_runtime().at(operation));
        }
        work.await.map_err(|fault| fault.at(operation))
    }
}

impl Inner {
    fn node(&self, name: &Name<'_>) -> &Node {
        match self.nodes.as_slice() {
            [only] => only,
            nodes => &nodes[StableRendezvous.route(name.stored.as_bytes(), &self.addresses)],
        }
    }

    // A server that refuses a value forgets the one before it, so it is never asked.
    fn check_size(&self, record: &Record, value: &SecretBytes) -> Result<(), Fault> {
        let (longest_body, longest_value) = (self.config.longest_body(), self.config.longest_value());
        if record.body().len() <= longest_body && value.len() <= longest_value {
            return Ok(());
        }
        Err(Fault::new(
            StoreErrorKind::TooLarge,
            format!("{} bytes, of {longest_body} that fit an item", record.body().len()),
        ))
    }
}

/// Whether a lease is held under this id; `None` where nobody holds it.
fn is_held(name: &Name<'_>, found: Option<&Item>, id: &LeaseId) -> Result<Option<bool>, Fault> {
    found.map(|item| name.is_held_by(&item.value, id)).transpose()
}

fn without_runtime() -> Fault {
    Fault::new(
        StoreErrorKind::Unavailable,
        "it can be asked within a tokio runtime only",
    )
}
