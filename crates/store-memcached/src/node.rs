//! A node and the connections that wait for the next operation.

use std::sync::Arc;
use std::time::Duration;

use auth_core::secret::SecretBytes;
use auth_core::store::StoreErrorKind;
use tokio::runtime::{Handle, Id};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::address::NodeAddress;
use crate::config::MemcachedConfig;
use crate::connection::{Connection, Item};
use crate::error::{Fault, Purpose, Trouble};
use crate::idle::IdleConnections;
use crate::meta::Name;

const MOST_CONNECTIONS: usize = 64;

pub(crate) struct Node {
    address: NodeAddress,
    connect_timeout: Duration,
    answer_timeout: Duration,
    slots: Semaphore,
    idle: Arc<IdleConnections>,
}

/// A connection for one operation. Dropped, it is closed: only what ended well is
/// [given back](Self::give_back).
pub(crate) struct Lent<'n> {
    node: &'n Node,
    connection: Connection,
    runtime: Id,
    _slot: SemaphorePermit<'n>,
}

impl Node {
    pub(crate) fn new(address: NodeAddress, config: &MemcachedConfig) -> Self {
        Self {
            address,
            connect_timeout: config.connect_timeout,
            answer_timeout: config.answer_timeout,
            slots: Semaphore::new(MOST_CONNECTIONS),
            idle: Arc::default(),
        }
    }

    /// What is there under a name, and the connection on which it was found. Every
    /// operation begins so: reading can be repeated, and a connection that has answered
    /// is one that works.
    /// The operation ends by the deadline.
    pub(crate) async fn find(&self, name: &Name<'_>, deadline: Instant) -> Result<(Lent<'_>, Option<Item>), Fault> {
        let slot = self.slot(deadline).await?;
        let runtime = Handle::current().id();
        let (connection, item) = self
            .find_on_some(name, runtime, deadline)
            .await
            .map_err(|trouble| trouble.at(&self.address, Purpose::Read))?;
        let lent = Lent {
            node: self,
            connection,
            runtime,
            _slot: slot,
        };
        Ok((lent, item))
    }

    async fn find_on_some(
        &self,
        name: &Name<'_>,
        runtime: Id,
        deadline: Instant,
    ) -> Result<(Connection, Option<Item>), Trouble> {
        if let Some(connection) = self.idle.take(runtime) {
            let mut connection = connection.lent_until(deadline);
            match connection.get(name).await {
                Ok(item) => return Ok((connection, item)),
                // The server went and took all of them with it.
                Err(Trouble::Broken(_)) => self.idle.forget(runtime),
                Err(trouble) => return Err(trouble),
            }
        }
        // Rare and large: in a box, so that no other operation has room for it.
        let opening = Connection::open(&self.address, self.connect_timeout, self.answer_timeout, deadline);
        let mut connection = Box::pin(opening).await?;
        let item = connection.get(name).await?;
        Ok((connection, item))
    }

    async fn slot(&self, deadline: Instant) -> Result<SemaphorePermit<'_>, Fault> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        match timeout_at(
            deadline.min(Instant::now() + self.connect_timeout),
            self.slots.acquire(),
        )
        .await
        {
            Ok(Ok(slot)) => Ok(slot),
            _ => Err(Fault::new(
                StoreErrorKind::Unavailable,
                format!(
                    "node {}: all {MOST_CONNECTIONS} connections are waiting for it",
                    self.address
                ),
            )),
        }
    }
}

impl Lent<'_> {
    /// As [`Connection::add`] and, over what was found, [`Connection::replace`].
    pub(crate) async fn put(
        &mut self,
        name: &Name<'_>,
        found: Option<&Item>,
        value: &SecretBytes,
        ttl: Option<u32>,
    ) -> Result<bool, Fault> {
        let written = match found {
            None => self.connection.add(name, value, ttl).await,
            Some(item) => self.connection.replace(name, item, value, ttl).await,
        };
        written.map_err(|trouble| trouble.at(&self.node.address, Purpose::Write))
    }

    /// As [`Connection::delete`].
    pub(crate) async fn delete(&mut self, name: &Name<'_>, found: &Item) -> Result<bool, Fault> {
        let deleted = self.connection.delete(name, found).await;
        deleted.map_err(|trouble| trouble.at(&self.node.address, Purpose::Write))
    }

    /// The next operation may have it.
    pub(crate) fn give_back(self) {
        self.node.idle.give(self.connection, self.runtime);
    }
}
