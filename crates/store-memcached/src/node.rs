//! A node and the connections that wait for the next operation.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
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
use crate::meta::Name;

/// An operation that finds them all at work waits for one: that takes less than dialing does, and a server has no more
/// than 1,024 for all processes unless it is told.
const MOST_CONNECTIONS: usize = 16;
const LONGEST_IDLE: Duration = Duration::from_secs(60);

pub(crate) struct Node {
    address: NodeAddress,
    connect_timeout: Duration,
    answer_timeout: Duration,
    slots: Semaphore,
    /// Those given back last at the end.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    connection: Connection,
    // A connection is served by the runtime that made it, and by no other.
    runtime: Id,
    since: Instant,
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
            idle: Mutex::default(),
        }
    }

    /// What is there under a name, and the connection on which it was found. Every
    /// operation begins so: reading can be repeated, and a connection that has answered
    /// is one that works.
    /// The operation ends by the deadline.
    pub(crate) async fn find(&self, name: &Name, deadline: Instant) -> Result<(Lent<'_>, Option<Item>), Fault> {
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
        name: &Name,
        runtime: Id,
        deadline: Instant,
    ) -> Result<(Connection, Option<Item>), Trouble> {
        if let Some(connection) = self.take_idle(runtime) {
            let mut connection = connection.lent_until(deadline);
            match connection.get(name).await {
                Ok(item) => return Ok((connection, item)),
                // The server went and took all of them with it.
                Err(Trouble::Broken(_)) => self.idle().retain(|idle| idle.runtime != runtime),
                Err(trouble) => return Err(trouble),
            }
        }
        let mut connection =
            Connection::open(&self.address, self.connect_timeout, self.answer_timeout, deadline).await?;
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

    fn take_idle(&self, runtime: Id) -> Option<Connection> {
        let mut idle = self.idle();
        while idle.front().is_some_and(|idle| idle.since.elapsed() >= LONGEST_IDLE) {
            idle.pop_front();
        }
        let at = idle.iter().rposition(|idle| idle.runtime == runtime)?;
        idle.remove(at).map(|idle| idle.connection)
    }

    // A panic elsewhere can't leave a list half-written: each change is one call.
    fn idle(&self) -> MutexGuard<'_, VecDeque<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lent<'_> {
    /// As [`Connection::add`] and, over what was found, [`Connection::replace`].
    pub(crate) async fn put(
        &mut self,
        name: &Name,
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
    pub(crate) async fn delete(&mut self, name: &Name, found: &Item) -> Result<bool, Fault> {
        let deleted = self.connection.delete(name, found).await;
        deleted.map_err(|trouble| trouble.at(&self.node.address, Purpose::Write))
    }

    /// The next operation may have it.
    pub(crate) fn give_back(self) {
        let mut idle = self.node.idle();
        if idle.len() == MOST_CONNECTIONS {
            idle.pop_front();
        }
        idle.push_back(Idle {
            connection: self.connection,
            runtime: self.runtime,
            since: Instant::now(),
        });
    }
}
