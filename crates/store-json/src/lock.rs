//! The data lock: one writer at a time, in this process and among all of this
//! host.

use std::fs::{File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth_core::store::StoreErrorKind;

use crate::error::{Doing, Fault};
use crate::permissions::open_to_lock;
use crate::place::Place;

/// How long a write waits for the others.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(4);

/// The writers of one handle take turns here, so that only one of them asks the
/// operating system.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// Proof of being the only writer; writing takes it by reference.
#[derive(Debug)]
pub(crate) struct DataLock<'a> {
    // Declared first, so that the file is unlocked before the turn passes on.
    _file: File,
    _turn: Turn<'a>,
}

#[derive(Debug)]
struct Turn<'a>(&'a Turns);

impl<'a> DataLock<'a> {
    /// Waits for its turn and for other processes, 10 seconds at most.
    pub(crate) fn acquire(place: &Place, turns: &'a Turns) -> Result<Self, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let turn = turns.wait(deadline).ok_or_else(|| held_by_others(&place.lock))?;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(file) = try_lock(&place.lock)? {
                return Ok(Self {
                    _file: file,
                    _turn: turn,
                });
            }
            if Instant::now() + pause > deadline {
                return Err(held_by_others(&place.lock));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Locks the file at this path, made if absent, if nobody holds it.
pub(crate) fn try_lock(path: &Path) -> Result<Option<File>, Fault> {
    let file = open_to_lock(path)?;
    match file.try_lock() {
        // Locked, but is it still what the others will find under this name?
        Ok(()) if is_still_at(&file, path) => Ok(Some(file)),
        Ok(()) | Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(Fault::io(Doing::Lock, path, error)),
    }
}

/// Whether this open file is the one at this path.
pub(crate) fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

impl Turns {
    fn wait(&self, deadline: Instant) -> Option<Turn<'_>> {
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = deadline.saturating_duration_since(Instant::now());
        let (mut taken, _) = self
            .freed
            .wait_timeout_while(taken, patience, |taken| *taken)
            .unwrap_or_else(PoisonError::into_inner);
        if *taken {
            return None;
        }
        *taken = true;
        Some(Turn(self))
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}

fn held_by_others(lock: &Path) -> Fault {
    Fault::new(
        StoreErrorKind::Unavailable,
        format!(
            "another process has held {} for over {} s: see which (fuser, lsof), and whether it is stopped",
            lock.display(),
            PATIENCE.as_secs()
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_turn_at_a_time() {
        let turns = Turns::default();
        let first = turns.wait(Instant::now());
        assert!(first.is_some());
        assert!(turns.wait(Instant::now()).is_none());
        drop(first);
        assert!(turns.wait(Instant::now()).is_some());
    }

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
