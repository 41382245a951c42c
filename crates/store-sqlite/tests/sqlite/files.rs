//! What becomes of the file: when it is made, replaced, removed, edited, closed.

use std::fs;
use std::sync::Arc;
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::Duration;

use auth_core::clock::{Clock as _, ManualClock};
use auth_core::endpoint::EndpointUrl;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::provider;
use auth_core::record::{ClientRecord, Contents, Hints, Record, Version};
use auth_core::store::local::with_suffix;
use auth_core::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf};
use store_sqlite::rusqlite::Connection;
use store_sqlite::{SqliteConfig, SqliteStore};

use crate::given::{by_hand, fresh_path, key, put, put_in, record};

#[tokio::test]
async fn looking_leaves_nothing_behind() {
    let (folder, path) = fresh_path();
    let store = SqliteStore::open(folder.path().join("a/b/tokens.sqlite")).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    assert_eq!(store.list_all().await.unwrap(), []);
    assert!(!store.remove(&key("a"), RemoveIf::Any).await.unwrap());
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "{path:?}");
}

#[tokio::test]
async fn it_is_durable_before_it_is_acknowledged() {
    let (_folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let connection = Connection::open(&path).unwrap();
    let text = |pragma| -> String { connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap() };
    assert_eq!(text("journal_mode"), "wal");
    drop(connection);
    // A connection of the caller's gets the same settings.
    let store = SqliteStore::from_client(Connection::open(&path).unwrap()).unwrap();
    put_in(&store, "a", "{}").await;
    assert!(fs::metadata(with_suffix(&path, "-wal")).unwrap().len() > 0);
}

#[tokio::test]
async fn what_is_closed_is_one_file_and_opens_again() {
    let (folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    let saved = put_in(&store, "a", "{}").await;
    store.close().await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "only the database");
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(saved));
}

#[tokio::test]
async fn a_restored_copy_is_seen_and_written_to() {
    let (folder, path) = fresh_path();
    let copy = folder.path().join("copy");
    let old = put(&path, "a", "old").await;
    fs::copy(&path, &copy).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let new = put_in(&store, "a", "new").await;
    store.close().await.unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(new));
    store.close().await.unwrap();
    // Without closing too, as restoring does.
    let other = SqliteStore::open(&path).unwrap();
    other.load(&key("a")).await.unwrap();
    fs::rename(&copy, &path).unwrap();
    assert_eq!(other.load(&key("a")).await.unwrap(), Some(old.clone()));
    let next = record("a", "next", Some(old.version()));
    other.save(&next, WriteIf::Matches(old.version())).await.unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(next));
}

#[tokio::test]
async fn a_removed_file_is_an_empty_store_and_made_again() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    put_in(&store, "a", "{}").await;
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(with_suffix(&path, suffix)).unwrap();
    }
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    assert!(!path.exists());
    let saved = put_in(&store, "b", "{}").await;
    let other = SqliteStore::open(&path).unwrap();
    assert_eq!(other.load(&key("b")).await.unwrap(), Some(saved));
}

#[tokio::test]
async fn create_no_makes_no_file() {
    let (_folder, path) = fresh_path();
    let config = SqliteConfig::new(&path).create(false);
    let error = SqliteStore::with_config(&config).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    put(&path, "a", "{}").await;
    let store = SqliteStore::with_config(&config).unwrap();
    store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap();
    store.close().await.unwrap();
    fs::remove_file(&path).unwrap();
    let error = store.save(&record("c", "{}", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_database_without_a_file_is_refused() {
    let error = SqliteStore::from_client(Connection::open_in_memory().unwrap()).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
}

#[tokio::test]
async fn a_given_connection_ends_with_its_file() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::from_client(Connection::open(&path).unwrap()).unwrap();
    put_in(&store, "a", "{}").await;
    fs::remove_file(&path).unwrap();
    for _ in 0..2 {
        let error = store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap_err();
        assert!(error.to_string().contains("removed"), "{error}");
        assert!(!path.exists(), "made again without the caller's settings");
    }
}

#[tokio::test]
async fn a_record_is_never_taken_for_another_keys() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    let endpoint = EndpointUrl::new("https://as.example/token").unwrap();
    let contents = Contents::from(ClientRecord::new(provider::with_endpoints(endpoint, None), "app"));
    let client = |name: &str| Key::client(&Profile::new(name).unwrap());
    for name in ["a", "b"] {
        store.replace_contents(&client(name), &contents, None).await.unwrap();
        assert!(store.load_contents(&client(name)).await.unwrap().is_some());
    }
    by_hand(
        &path,
        "DELETE FROM records WHERE key = 'a#client'; UPDATE records SET key = 'a#client' WHERE key = 'b#client'",
    );
    let error = store.load_contents(&client("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    assert_eq!(store.load(&client("b")).await.unwrap(), None);
    // Names are compared byte by byte.
    assert_eq!(store.load(&client("A")).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_past_its_end_goes_with_later_writes() {
    let (_folder, path) = fresh_path();
    let clock = ManualClock::default();
    let store = SqliteStore::open(&path).unwrap().with_clock(Arc::new(clock.clone()));
    let until = clock.now().plus(Duration::from_secs(60));
    for number in 0..30 {
        let name = format!("login{number}");
        let record = Record::from_parts(
            key(&name),
            Version::after(None),
            Some(until),
            Hints::default(),
            vec![1].into(),
        );
        store.save(&record, WriteIf::Absent).await.unwrap();
    }
    clock.advance(Duration::from_secs(61));
    put_in(&store, "a", "{}").await;
    put_in(&store, "b", "{}").await;
    store.close().await.unwrap();
    let left: i64 = Connection::open(&path)
        .unwrap()
        .query_one("SELECT count(*) FROM records", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 2);
}

#[tokio::test]
async fn removed_records_leave_no_bytes_in_the_database() {
    let (_folder, path) = fresh_path();
    let canary = "canary-77aa".repeat(2_000);
    put(&path, "a", &canary).await;
    let holds = || {
        fs::read(&path)
            .unwrap()
            .windows(11)
            .any(|bytes| bytes == b"canary-77aa")
    };
    assert!(holds());
    let store = SqliteStore::open(&path).unwrap();
    assert!(store.remove(&key("a"), RemoveIf::Any).await.unwrap());
    store.close().await.unwrap();
    assert!(!holds());
}

#[tokio::test]
async fn a_lease_whose_file_was_removed_is_not_renewed() {
    let (_folder, path) = fresh_path();
    let (store, id, ttl) = (
        SqliteStore::open(&path).unwrap(),
        LeaseId::random(),
        Duration::from_secs(600),
    );
    assert_eq!(store.try_lease(&key("a"), &id, ttl).await.unwrap(), Lease::Granted);
    assert!(store.renew(&key("a"), &id, ttl).await.unwrap());
    fs::remove_dir_all(with_suffix(&path, ".leases")).unwrap();
    assert!(!store.renew(&key("a"), &id, ttl).await.unwrap());
}

#[test]
fn works_without_a_runtime() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    let record = record("a", "{}", None);
    outcome(store.save(&record, WriteIf::Absent)).unwrap();
    assert_eq!(outcome(store.load(&key("a"))).unwrap(), Some(record));
}

/// The outcome of a future, waited for by this thread.
fn outcome<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(outcome) => return outcome,
            Poll::Pending => std::thread::park(),
        }
    }
}
