//! The engine's own runtime thread, and the count of what must not be cut off.

use std::future::Future;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{TokenError, TokenErrorKind};

/// The handle of the engine's runtime, which is started with the first flight and
/// lives as long as the process.
///
/// # Errors
/// If the operating system gives no thread.
pub(crate) fn handle() -> io::Result<Handle> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    static STARTING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    // Only one is ever made: a second could not be dropped here, inside a runtime.
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(16)
        .thread_name("tokenkeep")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| runtime).handle().clone())
}

/// Counts flights that spend what can be lost, so that their end can be waited
/// for, and lets no more begin once nobody would wait for them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drain(Arc<(Mutex<Flow>, Condvar)>);

#[derive(Debug, Default)]
struct Flow {
    under_way: usize,
    closed: bool,
}

impl Drain {
    /// Counts one more until the guard is dropped; `None` once it is closed.
    pub(crate) fn begin(&self) -> Option<DrainGuard> {
        let mut flow = self.flow();
        if flow.closed {
            return None;
        }
        flow.under_way += 1;
        Some(DrainGuard(self.clone()))
    }

    /// From now on none begins. Those under way go on.
    pub(crate) fn close(&self) {
        self.flow().closed = true;
    }

    /// Blocks until none is under way; `false` if `limit` ran out first.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut flow = self.flow();
        while flow.under_way > 0 {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            flow = self
                .0
                .1
                .wait_timeout(flow, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// The same without blocking. Waits on a thread of its own: the engine's are
    /// needed by what is waited for.
    pub(crate) async fn wait_async(&self, limit: Duration) -> bool {
        if self.flow().under_way == 0 {
            return true;
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        let drain = self.clone();
        let waiting = std::thread::Builder::new().name("tokenkeep-drain".into());
        let started = waiting.spawn(move || {
            let _ = tell.send(drain.wait(limit));
        });
        started.is_ok() && told.await.unwrap_or(false)
    }

    // A count can't be left half-changed.
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct DrainGuard(Drain);

impl Drop for DrainGuard {
    fn drop(&mut self) {
        self.0.flow().under_way -= 1;
        self.0.0.1.notify_all();
    }
}

/// Runs a future to its end on the engine's thread, whatever becomes of the
/// caller.
pub(crate) fn spawn<F>(future: F) -> io::Result<tokio::task::JoinHandle<F::Output>>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Ok(handle()?.spawn(future))
}

/// Runs a future to its end on the engine's thread, and waits for what it gives.
///
/// # Errors
/// `Shutdown` if there is no thread, or the work broke off.
pub(crate) async fn to_its_end<F>(future: F) -> Result<F::Output, TokenError>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let broken_off = || TokenError::new(TokenErrorKind::Shutdown, "token");
    spawn(future).map_err(|_| broken_off())?.await.map_err(|_| broken_off())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_the_last_and_no_longer() {
        let drain = Drain::default();
        assert!(drain.wait(Duration::ZERO));
        let guard = drain.begin();
        assert!(!drain.wait(Duration::from_millis(1)));
        let thread = std::thread::spawn(move || drop(guard));
        assert!(drain.wait(Duration::from_secs(120)));
        thread.join().unwrap();
    }

    #[test]
    fn once_closed_none_begins_and_those_under_way_are_waited_for() {
        let drain = Drain::default();
        let guard = drain.begin();
        drain.close();
        assert!(drain.begin().is_none());
        assert!(!drain.wait(Duration::from_millis(1)));
        drop(guard);
        assert!(drain.wait(Duration::ZERO));
    }
}
