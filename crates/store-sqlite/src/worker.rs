//! The thread that owns the database: SQLite blocks, and must not block a runtime.

use std::sync::mpsc;

use auth_core::store::local::Fault;
use auth_core::store::{Operation, StoreErrorKind};
use tokio::sync::oneshot;

/// A thread that owns a `T`, and does one piece of work on it after the other.
///
/// It ends when the last handle is gone and all work is done.
#[derive(Debug)]
pub(crate) struct Worker<T>(mpsc::Sender<Work<T>>);

type Work<T> = Box<dyn FnOnce(&mut T) + Send>;

impl<T: Send + 'static> Worker<T> {
    pub(crate) fn start(mut owned: T) -> Result<Self, Fault> {
        let (sender, receiver) = mpsc::channel::<Work<T>>();
        std::thread::Builder::new()
            .name("tokenkeep-sqlite".into())
            .spawn(move || {
                for work in receiver {
                    work(&mut owned);
                }
            })
            .map_err(|error| {
                Fault::new(StoreErrorKind::Unavailable, "no thread for the database").with_source(error)
            })?;
        Ok(Self(sender))
    }

    /// Has a piece of work done. It is done to its end even if the future is dropped.
    pub(crate) async fn run<R, F>(&self, operation: Operation, work: F) -> Result<R, Fault>
    where
        R: Send + 'static,
        F: FnOnce(&mut T) -> Result<R, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let work: Work<T> = Box::new(move |owned| {
            // Nobody may be waiting any more.
            let _ = answer.send(work(owned));
        });
        self.0.send(work).map_err(|_| ended(StoreErrorKind::Unavailable))?;
        answered.await.unwrap_or_else(|_| Err(ended(unfinished(operation))))
    }
}

fn unfinished(operation: Operation) -> StoreErrorKind {
    match operation {
        Operation::Save | Operation::Remove => StoreErrorKind::Ambiguous,
        _ => StoreErrorKind::Unavailable,
    }
}

fn ended(kind: StoreErrorKind) -> Fault {
    Fault::new(kind, "the database's thread has ended: open the store again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_of_the_thread_is_an_error_for_those_who_wait_and_those_who_come() {
        let worker = Worker::start(()).unwrap();
        let broken = worker.run::<(), _>(Operation::Save, |()| panic!("a test's own"));
        let error = broken.await.unwrap_err().at(Operation::Save, "x");
        assert_eq!(error.kind(), StoreErrorKind::Ambiguous);
        // The thread may still be on its way out: then the work is dropped with it.
        let later = worker.run(Operation::Load, |()| Ok(()));
        let error = later.await.unwrap_err().at(Operation::Load, "x");
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("open the store again"), "{error}");
    }

    #[tokio::test]
    async fn work_is_done_in_its_order_though_nobody_waits() {
        let worker = Worker::start(Vec::new()).unwrap();
        for number in 0..100 {
            let mut dropped = Box::pin(worker.run(Operation::Save, move |done: &mut Vec<i32>| {
                done.push(number);
                Ok(())
            }));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let _ = dropped.as_mut().poll(&mut context);
        }
        let done = worker.run(Operation::Load, |done| Ok(done.clone())).await.unwrap();
        assert_eq!(done, (0..100).collect::<Vec<_>>());
    }
}
