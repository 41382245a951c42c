//! A count that async and blocking code can wait for.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(super) struct Tally {
    count: Mutex<u64>,
    changed: Condvar,
    notify: Notify,
}

impl Tally {
    pub(super) fn count(&self) -> u64 {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_one(&self) {
        *self.count.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
        self.notify.notify_waiters();
    }

    pub(super) async fn reached(&self, wanted: u64) {
        loop {
            let changed = self.notify.notified();
            tokio::pin!(changed);
            // Registers before looking, so that no change falls between the two.
            changed.as_mut().enable();
            if self.count() >= wanted {
                return;
            }
            changed.await;
        }
    }

    /// True when the count was reached within `limit`.
    pub(super) fn reached_within(&self, wanted: u64, limit: Duration) -> bool {
        let count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let (_count, wait) = self
            .changed
            .wait_timeout_while(count, limit, |count| *count < wanted)
            .unwrap_or_else(PoisonError::into_inner);
        !wait.timed_out()
    }
}
