//! The data lock: one writer at a time, in this process and among all of this
//! host.

use std::fs::File;
use std::path::Path;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use auth_core::store::StoreErrorKind;
use auth_core::store::local::{Place, try_lock, with_suffix};

use crate::error::Fault;

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
        let path = with_suffix(&place.file, ".lock");
        let turn = turns.wait(deadline).ok_or_else(|| held_by_others(&path))?;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(file) = try_lock(&path)? {
                return Ok(Self {
                    _file: file,
                    _turn: turn,
                });
            }
            if Instant::now() + pause > deadline {
                return Err(held_by_others(&path));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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
}
