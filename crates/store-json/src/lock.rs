//! The data lock: one writer at a time among all handles and processes of this host.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use auth_core::store::StoreErrorKind;
use auth_core::store::local::{Place, try_lock, with_suffix};

use crate::error::Fault;

/// How long a write waits for the others.
const PATIENCE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(4);

/// Proof of being the only writer; writing takes it by reference.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Waits for other handles and processes, 10 seconds at most.
    pub(crate) fn acquire(place: &Place) -> Result<Self, Fault> {
        let deadline = Instant::now() + PATIENCE;
        let path = with_suffix(&place.file, ".lock");
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(file) = try_lock(&path)? {
                return Ok(Self { _file: file });
            }
            if Instant::now() + pause > deadline {
                return Err(held_by_others(&path));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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
