//! What the tests begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth_core::clock::ManualClock;
use auth_core::record::Record;
use auth_core::store::{Capabilities, LeaseEnd, LeaseScope, Persistence, TokenStore as _, WriteIf};
use store_json::JsonStore;
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};
use tempfile::TempDir;

pub(crate) async fn subject() -> Subject<JsonStore> {
    let (folder, clock) = (TempDir::new().unwrap(), ManualClock::default());
    let path = folder.path().join("tokens.json");
    let open = {
        let clock = clock.clone();
        move || JsonStore::open(&path).unwrap().with_clock(Arc::new(clock.clone()))
    };
    Subject::new(open(), clock)
        .reopening(move || std::future::ready(open()))
        .expecting(Capabilities::new(
            Persistence::DurableNode,
            LeaseScope::Host,
            LeaseEnd::ByHolder,
        ))
        .keeping(folder)
}

/// A folder that goes with the test, and a path in it where no file is yet.
pub(crate) fn fresh_path() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokens.json");
    (folder, path)
}

/// Saves over whatever is stored.
pub(crate) async fn put(path: &Path, name: &str, body: impl AsRef<[u8]>) -> Record {
    let store = JsonStore::open(path).unwrap();
    let read = store.load(&key(name)).await.unwrap().map(|record| record.version());
    let record = record(name, body, read);
    store.save(&record, WriteIf::unchanged(read)).await.unwrap();
    record
}
