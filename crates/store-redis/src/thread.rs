//! The thread on which connections live.
//!
//! A connection of the driver has a task that reads answers. On the caller's runtime that task would stand
//! still whenever that runtime does, and end with it, in the middle of a refresh; so all of them have a
//! runtime of their own, for as long as the process lives.

use std::future::Future;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Runtime};

/// Runs work there to its end, even if this future is dropped. `None` if it can't be run.
pub(crate) async fn run<W>(work: W) -> Option<W::Output>
where
    W: Future + Send + 'static,
    W::Output: Send + 'static,
{
    runtime()?.spawn(work).await.ok()
}

fn runtime() -> Option<&'static Runtime> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).max_blocking_threads(4).enable_all();
        builder.thread_name("tokenkeep-redis").build().ok()
    });
    runtime.as_ref()
}
