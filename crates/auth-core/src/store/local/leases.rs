//! Leases: an operating system's lock on one file per key, so that the end of the
//! holder, however it comes, is the end of the lease.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Doing, Fault, open_to_lock};
use crate::key::Key;
use crate::store::{Lease, LeaseId};

/// The leases that one handle and its clones hold.
#[derive(Debug, Default)]
pub struct Leases(Mutex<HashMap<Key, (LeaseId, File)>>);

impl Leases {
    /// What is known without asking the operating system.
    pub fn known(&self, key: &Key, id: &LeaseId) -> Option<Lease> {
        self.held().get(key).map(|(holder, _)| answer(holder == id))
    }

    /// Keeps the locked file, if there is one, as the lease. A future dropped before
    /// this drops the file, and with it the lock.
    pub fn keep(&self, key: &Key, id: &LeaseId, locked: Option<File>) -> Lease {
        let Some(locked) = locked else { return answer(false) };
        match self.held().entry(key.clone()) {
            Entry::Vacant(free) => {
                free.insert((id.clone(), locked));
                Lease::Granted
            }
            Entry::Occupied(held) => answer(held.get().0 == *id),
        }
    }

    /// Whether it is held under this id, by a file that others still find.
    pub fn is_held(&self, key: &Key, id: &LeaseId, path: &Path) -> bool {
        let held = self.held();
        held.get(key)
            .is_some_and(|(holder, file)| holder == id && is_still_at(file, path))
    }

    /// Lets go of it, if it is held under this id.
    pub fn release(&self, key: &Key, id: &LeaseId) {
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

/// Locks the file at this path, made if absent, if nobody holds it.
///
/// # Errors
/// As [`keep_private`](super::keep_private), and `Unavailable` if the operating
/// system can't lock.
pub fn try_lock(path: &Path) -> Result<Option<File>, Fault> {
    let file = open_to_lock(path)?;
    match file.try_lock() {
        // Locked, but is it still what the others will find under this name?
        Ok(()) if is_still_at(&file, path) => Ok(Some(file)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Fault::io(Doing::Lock, path, error)),
    }
}

/// Whether this open file is the one at this path.
pub fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

fn answer(mine: bool) -> Lease {
    if mine {
        return Lease::Granted;
    }
    Lease::HeldElsewhere {
        retry_after: Duration::from_millis(50),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_handle_is_kept_out_and_a_replaced_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = try_lock(&path).unwrap().unwrap();
        assert!(try_lock(&path).unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        let second = try_lock(&path).unwrap();
        assert!(second.is_some() && !is_still_at(&held, &path));
    }
}
