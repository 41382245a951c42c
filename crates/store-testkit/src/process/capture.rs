//! Reads a pipe to its end in a thread and keeps what came.

use std::io::Read;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub(super) struct Capture {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    captured: Mutex<Captured>,
    changed: Condvar,
}

#[derive(Default)]
struct Captured {
    bytes: Vec<u8>,
    ended: bool,
}

impl Capture {
    pub(super) fn start(pipe: Option<impl Read + Send + 'static>) -> Self {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            if let Some(pipe) = pipe {
                writer.read_to_end(pipe);
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        Self { shared }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.shared.lock().bytes).into_owned()
    }

    /// True when `text` was read within `limit`.
    pub(super) fn wait_for(&self, text: &str, limit: Duration) -> bool {
        let contains = |captured: &Captured| String::from_utf8_lossy(&captured.bytes).contains(text);
        let captured = self
            .shared
            .wait_while(limit, |captured| !captured.ended && !contains(captured));
        contains(&captured)
    }

    /// All that is read until the pipe ends or `limit` passes.
    pub(super) fn to_end(&self, limit: Duration) -> Vec<u8> {
        let captured = self.shared.wait_while(limit, |captured| !captured.ended);
        captured.bytes.clone()
    }
}

/// What a process writes may be secret.
impl std::fmt::Debug for Capture {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Capture").finish_non_exhaustive()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait_while(&self, limit: Duration, condition: impl Fn(&Captured) -> bool) -> MutexGuard<'_, Captured> {
        self.changed
            .wait_timeout_while(self.lock(), limit, |captured| condition(captured))
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }

    fn read_to_end(&self, mut pipe: impl Read) {
        let mut chunk = [0; 8192];
        // A pipe that can't be read any more has ended.
        while let Ok(length @ 1..) = pipe.read(&mut chunk) {
            self.lock().bytes.extend_from_slice(&chunk[..length]);
            self.changed.notify_all();
        }
    }
}
