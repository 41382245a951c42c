//! Leases: an operating system's lock on one file per key, so that the end of the
//! holder, however it comes, is the end of the lease.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth_core::key::Key;
use auth_core::store::{Lease, LeaseId};

use crate::lock::is_still_at;

/// The leases that one handle and its clones hold.
#[derive(Debug, Default)]
pub(crate) struct Leases(Mutex<HashMap<Key, (LeaseId, File)>>);

impl Leases {
    /// What is known without asking the operating system.
    pub(crate) fn known(&self, key: &Key, id: &LeaseId) -> Option<Lease> {
        self.held().get(key).map(|(holder, _)| answer(holder == id))
    }

    /// Keeps a locked file as the lease.
    pub(crate) fn keep(&self, key: &Key, id: &LeaseId, locked: File) -> Lease {
        match self.held().entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert((id.clone(), locked));
                Lease::Granted
            }
            Entry::Occupied(held) => answer(held.get().0 == *id),
        }
    }

    /// Whether it is held under this id, by a file that others still find.
    pub(crate) fn is_held(&self, key: &Key, id: &LeaseId, path: &Path) -> bool {
        let held = self.held();
        held.get(key)
            .is_some_and(|(holder, file)| holder == id && is_still_at(file, path))
    }

    /// Lets go of it, if it is held under this id.
    pub(crate) fn release(&self, key: &Key, id: &LeaseId) {
        let mut held = self.held();
        if held.get(key).is_some_and(|(holder, _)| holder == id) {
            held.remove(key);
        }
    }

    // A panic elsewhere can't leave the map half-changed: each change is one call.
    fn held(&self) -> MutexGuard<'_, HashMap<Key, (LeaseId, File)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn held_elsewhere() -> Lease {
    Lease::HeldElsewhere {
        retry_after: Duration::from_millis(50),
    }
}

fn answer(mine: bool) -> Lease {
    if mine { Lease::Granted } else { held_elsewhere() }
}
