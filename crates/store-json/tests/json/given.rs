//! What the tests begin with.

use std::path::{Path, PathBuf};

use auth_core::record::Record;
use auth_core::store::{TokenStore as _, WriteIf};
use store_json::JsonStore;
pub(crate) use store_testkit::{key, record};
use tempfile::TempDir;

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
