//! The thread that writes. What was asked for while it wrote goes into the file together, by one
//! replacement: a write waits for the disk, and many that come at once wait for it once.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::{RemoveIf, StoreErrorKind, WriteIf};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::document::Document;
use crate::error::Fault;
use crate::lock::DataLock;
use crate::shelf::Shelf;

/// How many changes go together at most, so that none waits for many others.
const MOST_AT_ONCE: usize = 256;

/// The writer of one handle and its clones. Its thread begins with the first change and ends when the last
/// handle is gone and all is written.
pub(crate) struct Writer {
    shelf: Arc<Shelf>,
    requests: Mutex<Option<mpsc::Sender<Request>>>,
}

/// What is to become of one record.
pub(crate) enum Change {
    Save(Record, WriteIf),
    Remove(Key, RemoveIf),
}

struct Request {
    change: Change,
    now: Timestamp,
    answer: oneshot::Sender<Result<bool, Fault>>,
}

/// What a change came to, in a document that is not written yet.
enum Outcome {
    Changed,
    /// Nothing is there to be removed.
    Absent,
    /// It is there already: sent again, perhaps because the folder could not be synced before.
    Present,
}

impl Writer {
    pub(crate) fn new(shelf: Arc<Shelf>) -> Self {
        Self {
            shelf,
            requests: Mutex::default(),
        }
    }

    /// Has a change made, and returns when it is on the disk: whether there was something to change. It is made
    /// even if the future is dropped.
    pub(crate) async fn carry_out(&self, change: Change, now: Timestamp) -> Result<bool, Fault> {
        let (answer, answered) = oneshot::channel();
        self.send(Request { change, now, answer })?;
        let answer = match Handle::try_current() {
            Ok(_) => answered.await,
            // Nobody would wake a future here: the caller waits, as for all that blocks.
            Err(_) => answered.blocking_recv(),
        };
        answer.unwrap_or_else(|_| Err(unfinished()))
    }

    fn send(&self, request: Request) -> Result<(), Fault> {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let request = match &*requests {
            Some(thread) => match thread.send(request) {
                Ok(()) => return Ok(()),
                Err(mpsc::SendError(request)) => request,
            },
            None => request,
        };
        let thread = start(self.shelf.clone())?;
        // Whoever waits for the answer is told if the thread is gone again.
        let _ = thread.send(request);
        *requests = Some(thread);
        Ok(())
    }
}

fn start(shelf: Arc<Shelf>) -> Result<mpsc::Sender<Request>, Fault> {
    let (sender, requests) = mpsc::channel();
    std::thread::Builder::new()
        .name("tokenkeep-json".into())
        .spawn(move || serve(&shelf, &requests))
        .map_err(|error| Fault::new(StoreErrorKind::Unavailable, "no thread for the file").with_source(error))?;
    Ok(sender)
}

fn serve(shelf: &Shelf, requests: &mpsc::Receiver<Request>) {
    while let Ok(first) = requests.recv() {
        let more = requests.try_iter().take(MOST_AT_ONCE - 1);
        answer(shelf, std::iter::once(first).chain(more).collect());
    }
}

/// Nobody is told of a change before all of them are on the disk; of a conflict neither, for it may be one with
/// a change that does not get there.
fn answer(shelf: &Shelf, requests: Vec<Request>) {
    match commit(shelf, &requests) {
        Ok(outcomes) => {
            for (request, outcome) in requests.into_iter().zip(outcomes) {
                // Nobody may be waiting any more.
                let _ = request.answer.send(outcome);
            }
        }
        Err(fault) => {
            let mut waiting = requests.into_iter().map(|request| request.answer);
            let first = waiting.next();
            for answer in waiting {
                let _ = answer.send(Err(fault.without_source()));
            }
            let _ = first.map(|answer| answer.send(Err(fault)));
        }
    }
}

fn commit(shelf: &Shelf, requests: &[Request]) -> Result<Vec<Result<bool, Fault>>, Fault> {
    shelf.place().prepare()?;
    let lock = DataLock::acquire(shelf.place())?;
    let found = shelf.current_for_write(&lock)?;
    let mut document = Cow::Borrowed(&*found);
    let outcomes: Vec<Result<Outcome, Fault>> = requests
        .iter()
        .map(|request| apply(request, &mut document, shelf))
        .collect();
    if let Cow::Owned(mut document) = document {
        for request in requests {
            document.sweep(request.now);
        }
        shelf.write(&lock, document)?;
    } else if shelf.is_unsynced() || outcomes.iter().any(|outcome| matches!(outcome, Ok(Outcome::Present))) {
        shelf.sync(&lock)?;
    }
    let was_there = |outcome| !matches!(outcome, Outcome::Absent);
    Ok(outcomes.into_iter().map(|outcome| outcome.map(was_there)).collect())
}

fn apply(request: &Request, document: &mut Cow<'_, Document>, shelf: &Shelf) -> Result<Outcome, Fault> {
    let Request { change, now, .. } = request;
    let stored = document.version(change.key(), *now);
    let stored = stored.map_err(|damage| shelf.damaged(change.key(), damage))?;
    match change {
        Change::Save(record, _) if stored == Some(record.version()) => return Ok(Outcome::Present),
        Change::Save(record, when) if when.holds(stored) => {
            document.check(record)?;
            document.to_mut().put(record);
        }
        Change::Remove(_, _) if stored.is_none() => return Ok(Outcome::Absent),
        Change::Remove(key, when) if stored.is_some_and(|stored| when.holds(stored)) => document.to_mut().remove(key),
        Change::Save(..) | Change::Remove(..) => return Err(Fault::new(StoreErrorKind::Conflict, "")),
    }
    Ok(Outcome::Changed)
}

impl Change {
    fn key(&self) -> &Key {
        match self {
            Self::Save(record, _) => record.key(),
            Self::Remove(key, _) => key,
        }
    }
}

fn unfinished() -> Fault {
    Fault::new(
        StoreErrorKind::Ambiguous,
        "the thread that writes ended before it was done",
    )
}
