//! Connections for writes that wait for replicas: a server does nothing else for one that waits, so each such write
//! has one to itself.

use std::ops::Deref;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::link::Slot;
use crate::origin::Lane;

/// How many writes wait at the same time; the others wait for one of them.
const AT_ONCE: usize = 8;

/// Places for such connections; one that nobody needs is not opened.
pub(crate) struct Waiting {
    slots: Vec<Slot>,
    /// The one that was used last is used next.
    idle: Mutex<Vec<usize>>,
    free: Semaphore,
}

/// A place for oneself.
pub(crate) struct Taken<'w> {
    waiting: &'w Waiting,
    number: usize,
    _permit: SemaphorePermit<'w>,
}

impl Waiting {
    pub(crate) fn new() -> Self {
        Self {
            slots: (0..AT_ONCE).map(|_| Slot::new(Lane::Writes)).collect(),
            idle: Mutex::new((0..AT_ONCE).rev().collect()),
            free: Semaphore::new(AT_ONCE),
        }
    }

    /// A place; `None` if none gets free in time.
    pub(crate) async fn take(&self, limit: Duration) -> Option<Taken<'_>> {
        let permit = timeout(limit, self.free.acquire()).await.ok()?.ok()?;
        let number = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        Some(Taken {
            waiting: self,
            number,
            _permit: permit,
        })
    }
}

impl Deref for Taken<'_> {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.waiting.slots[self.number]
    }
}

impl Drop for Taken<'_> {
    // Before the permit goes: whoever gets that one finds a place.
    fn drop(&mut self) {
        let mut idle = self.waiting.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push(self.number);
    }
}
