//! Connections that wait for the next operation.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Id;
use tokio::time::{Instant, sleep};

use crate::connection::Connection;

/// What is kept after a rush: a server has no more than 1,024 for all processes, unless it is told.
const KEPT: usize = 16;
/// The others are closed when they waited so long.
const RUSH: Duration = Duration::from_secs(1);
const LONGEST_IDLE: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(crate) struct IdleConnections(Mutex<State>);

#[derive(Default)]
struct State {
    /// Those that came last at the end.
    waiting: VecDeque<Idle>,
    /// Somebody will see to it that no more than [`KEPT`] stay.
    is_trimmed: bool,
}

struct Idle {
    connection: Connection,
    // A connection is served by the runtime that made it, and by no other.
    runtime: Id,
    since: Instant,
}

impl IdleConnections {
    /// The one that came last, of this runtime.
    pub(crate) fn take(&self, runtime: Id) -> Option<Connection> {
        let mut state = self.state();
        state.drop_first(0, LONGEST_IDLE);
        let at = state.waiting.iter().rposition(|idle| idle.runtime == runtime)?;
        state.waiting.remove(at).map(|idle| idle.connection)
    }

    /// Within a runtime.
    pub(crate) fn give(self: &Arc<Self>, connection: Connection, runtime: Id) {
        let mut state = self.state();
        state.waiting.push_back(Idle {
            connection,
            runtime,
            since: Instant::now(),
        });
        let is_rush = state.waiting.len() > KEPT && !state.is_trimmed;
        state.is_trimmed |= is_rush;
        // A runtime that is ending drops the task at once, and that locks too.
        drop(state);
        if is_rush {
            tokio::spawn(Trimmer(Arc::downgrade(self)).trim());
        }
    }

    /// Closes all of this runtime.
    pub(crate) fn forget(&self, runtime: Id) {
        self.state().waiting.retain(|idle| idle.runtime != runtime);
    }

    // A panic elsewhere can't leave it half-written: each change is one call.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Closes those that waited so long, but keeps so many.
    fn drop_first(&mut self, kept: usize, age: Duration) {
        let is_old = |idle: &Idle| idle.since.elapsed() >= age;
        while self.waiting.len() > kept && self.waiting.front().is_some_and(is_old) {
            self.waiting.pop_front();
        }
    }
}

/// Closes what a rush has left, and ends then, or with its runtime: another begins at the next rush.
struct Trimmer(Weak<IdleConnections>);

impl Trimmer {
    async fn trim(self) {
        loop {
            sleep(RUSH).await;
            let Some(idle) = self.0.upgrade() else { return };
            let mut state = idle.state();
            state.drop_first(KEPT, RUSH);
            if state.waiting.len() <= KEPT {
                state.is_trimmed = false;
                return;
            }
        }
    }
}

impl Drop for Trimmer {
    fn drop(&mut self) {
        if let Some(idle) = self.0.upgrade() {
            idle.state().is_trimmed = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::sync::mpsc;

    use tokio::runtime::{Builder, Handle};

    use super::*;

    /// Gives its connections back when its task is dropped.
    struct Late(Arc<IdleConnections>, Vec<Connection>, Id);

    impl Drop for Late {
        fn drop(&mut self) {
            let Self(idle, connections, runtime) = self;
            connections.drain(..).for_each(|one| idle.give(one, *runtime));
        }
    }

    async fn end_with(connections: usize) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let node = listener.local_addr().unwrap().to_string().parse().unwrap();
        let long = Duration::from_secs(120);
        let mut late = Late(Arc::default(), Vec::new(), Handle::current().id());
        for _ in 0..connections {
            let opened = Connection::open(&node, long, long, Instant::now() + long).await;
            late.1.push(opened.unwrap_or_else(|_| panic!("not opened")));
        }
        tokio::spawn(async move {
            let _late = late;
            std::future::pending::<()>().await;
        });
        tokio::task::yield_now().await;
    }

    #[test]
    fn a_runtime_ends_in_the_middle_of_a_rush() {
        let (ended, has_ended) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(end_with(KEPT + 1));
            drop(runtime);
            ended.send(()).unwrap();
        });
        has_ended.recv_timeout(Duration::from_secs(120)).unwrap();
    }
}
