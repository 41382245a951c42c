//! Reads a pipe to its end in a thread and keeps what came.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{ioctl_fionread, retry_on_intr};

/// How long the end of a pipe is awaited when its process has ended: a grandchild may hold it open for ever.
const GRACE: Duration = Duration::from_secs(1);

/// How long what lies in a pipe may take to be read, on a busy machine.
const DRAIN: Duration = Duration::from_secs(120);

const PAUSE: Duration = Duration::from_millis(2);

pub(super) struct Capture {
    shared: Arc<Shared>,
    /// To see whether something is left in it.
    pipe: Option<OwnedFd>,
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
    pub(super) fn start(pipe: Option<impl Read + AsFd + Send + 'static>) -> Self {
        let shared = Arc::new(Shared::default());
        let second = pipe.as_ref().and_then(|pipe| pipe.as_fd().try_clone_to_owned().ok());
        let writer = Arc::clone(&shared);
        std::thread::spawn(move || {
            if let Some(pipe) = pipe {
                writer.read_to_end(pipe);
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        Self { shared, pipe: second }
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

    /// All that its process wrote, which has ended.
    pub(super) fn to_end(&self) -> Vec<u8> {
        drop(self.shared.wait_while(GRACE, |captured| !captured.ended));
        let deadline = Instant::now() + DRAIN;
        loop {
            let captured = self.shared.lock();
            if captured.ended || self.is_drained() || Instant::now() >= deadline {
                return captured.bytes.clone();
            }
            drop(captured);
            std::thread::sleep(PAUSE);
        }
    }

    /// Whether nothing is left in the pipe: what is taken out of it is kept before anybody else can look.
    fn is_drained(&self) -> bool {
        let left = self.pipe.as_ref().and_then(|pipe| ioctl_fionread(pipe).ok());
        left.is_none_or(|left| left == 0)
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

    fn read_to_end(&self, mut pipe: impl Read + AsFd) {
        let mut chunk = [0; 8192];
        loop {
            // Waits without the lock; the read itself does not.
            let _ = retry_on_intr(|| poll(&mut [PollFd::new(&pipe, PollFlags::IN)], None));
            let mut captured = self.lock();
            // A pipe that can't be read any more has ended.
            let Ok(length @ 1..) = pipe.read(&mut chunk) else {
                return;
            };
            captured.bytes.extend_from_slice(&chunk[..length]);
            self.changed.notify_all();
        }
    }
}
