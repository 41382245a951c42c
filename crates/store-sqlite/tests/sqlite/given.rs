//! What the tests begin with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use auth_core::clock::ManualClock;
use auth_core::record::Record;
use auth_core::store::{Capabilities, LeaseEnd, LeaseScope, Persistence, TokenStore as _, WriteIf};
use store_sqlite::rusqlite::Connection;
use store_sqlite::{SqliteConfig, SqliteStore};
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};
use tempfile::TempDir;

pub(crate) async fn subject() -> Subject<SqliteStore> {
    subject_of(SqliteConfig::new)
}

/// One of two stores in a file; the other has a record under every key that the
/// suite is likely to use.
pub(crate) async fn named_subject() -> Subject<SqliteStore> {
    let subject = subject_of(|path| SqliteConfig::new(path).namespace("named").unwrap());
    let path = subject.store().path().to_owned();
    for name in ["a", "b", "user0"] {
        put(&path, name, "another namespace's").await;
    }
    subject
}

fn subject_of(config: impl Fn(PathBuf) -> SqliteConfig) -> Subject<SqliteStore> {
    let ((folder, path), clock) = (fresh_path(), ManualClock::default());
    let config = config(path);
    let open = {
        let clock = clock.clone();
        move || {
            SqliteStore::with_config(&config)
                .unwrap()
                .with_clock(Arc::new(clock.clone()))
        }
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
    let path = folder.path().join("tokens.sqlite");
    (folder, path)
}

/// Saves over whatever is stored, and leaves the database closed.
pub(crate) async fn put(path: &Path, name: &str, body: impl AsRef<[u8]>) -> Record {
    let store = SqliteStore::open(path).unwrap();
    let record = put_in(&store, name, body).await;
    store.close().await.unwrap();
    record
}

pub(crate) async fn put_in(store: &SqliteStore, name: &str, body: impl AsRef<[u8]>) -> Record {
    let read = store.load(&key(name)).await.unwrap().map(|record| record.version());
    let record = record(name, body, read);
    store.save(&record, WriteIf::unchanged(read)).await.unwrap();
    record
}

/// Another program's hands on the database.
pub(crate) fn by_hand(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}
