//! A disk that is full, a database that is locked, damaged or gone.

use std::error::Error as _;
use std::fs;
use std::time::{Duration, Instant};

use auth_core::store::{
    Lease, LeaseId, Listed, Page, RemoveIf, StoreError, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf,
};
use store_sqlite::rusqlite::Connection;
use store_sqlite::{SqliteConfig, SqliteStore};

use crate::given::{by_hand, fresh_path, key, put, record};

const CANARY: &str = "canary-91c2-never-shown";

/// For what must come about, however busy the machine.
const LIMIT: Duration = Duration::from_secs(120);

#[tokio::test]
async fn a_full_disk_is_said_and_the_old_record_stays() {
    let (_folder, path) = fresh_path();
    let old = put(&path, "a", "{}").await;
    let connection = Connection::open(&path).unwrap();
    connection
        .pragma_update_and_check(None, "max_page_count", 30, |_| Ok(()))
        .unwrap();
    let store = SqliteStore::from_client(connection).unwrap();
    let large = record("a", CANARY.repeat(10_000), Some(old.version()));
    let error = store.save(&large, WriteIf::Matches(old.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(shown(&error).contains("no room"), "{error}");
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old.clone()));
    // What fits is saved.
    let small = record("a", "{}", Some(old.version()));
    store.save(&small, WriteIf::Matches(old.version())).await.unwrap();
}

#[tokio::test]
async fn a_locked_database_is_waited_for_no_longer_than_said() {
    let (_folder, path) = fresh_path();
    let old = put(&path, "a", CANARY).await;
    let patience = Duration::from_millis(300);
    let store = SqliteStore::with_config(&SqliteConfig::new(&path).patience(patience)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let next = record("a", CANARY, Some(old.version()));
    let begun = Instant::now();
    let saved = store.save(&next, WriteIf::Matches(old.version())).await;
    let waited = begun.elapsed();
    let error = saved.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(shown(&error).contains("kept it locked for over 300 ms"), "{error}");
    assert!(waited >= patience && waited < LIMIT, "{waited:?}");
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old.clone()));

    other.execute_batch("ROLLBACK").unwrap();
    store.save(&next, WriteIf::Matches(old.version())).await.unwrap();
}

#[tokio::test]
async fn a_locked_database_holds_up_its_writers_alone_and_all_of_them_at_once() {
    let (_folder, path) = fresh_path();
    let old = put(&path, "a", "{}").await;
    // So long that they still wait when the others are through, on a busy machine too.
    let patience = Duration::from_secs(15);
    let store = SqliteStore::with_config(&SqliteConfig::new(&path).patience(patience)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    let begun = Instant::now();
    let mut saves = tokio::task::JoinSet::new();
    for number in 0..32 {
        let (store, new) = (store.clone(), record(&format!("n{number}"), "{}", None));
        saves.spawn(async move { store.save(&new, WriteIf::Absent).await });
    }
    // On a runtime of one thread: they have been asked for when this goes on.
    tokio::task::yield_now().await;
    assert_eq!(store.load(&key("a")).await.unwrap().as_ref(), Some(&old));
    assert_eq!(store.list_all().await.unwrap(), [old.listed()]);
    let lease = store.try_lease(&key("a"), &LeaseId::random(), patience).await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    assert!(saves.try_join_next().is_none(), "they wait for the other connection");
    for error in saves.join_all().await.into_iter().map(Result::unwrap_err) {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }
    store.close().await.unwrap();
    let waited = begun.elapsed();
    // One after the other they would need eight minutes.
    assert!(waited >= patience && waited < patience + LIMIT, "{waited:?}");
}

#[tokio::test]
async fn a_locked_database_does_not_stop_the_runtime() {
    let (_folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let store = SqliteStore::with_config(&SqliteConfig::new(&path).patience(LIMIT)).unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    // On a runtime of one thread: it can only be let go if the save does not block.
    let new = record("b", "{}", None);
    let (saved, ()) = tokio::join!(store.save(&new, WriteIf::Absent), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute_batch("ROLLBACK").unwrap();
    });
    saved.unwrap();
}

#[tokio::test]
async fn one_damaged_record_leaves_the_others() {
    let (_folder, path) = fresh_path();
    let good = put(&path, "good", "{}").await;
    for damage in [
        format!("version = '{CANARY}'"),
        format!("hints = '{CANARY}'"),
        format!("hints = '{CANARY}', version = ''"),
    ] {
        let bad = put(&path, "bad", CANARY).await;
        by_hand(&path, &format!("UPDATE records SET {damage} WHERE key = 'bad#grant'"));
        let store = SqliteStore::open(&path).unwrap();
        assert_eq!(store.load(&key("good")).await.unwrap().as_ref(), Some(&good));
        let error = store.load(&key("bad")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        assert!(shown(&error).contains("record bad#grant: its"), "{error}");
        assert_eq!(
            store.list_all().await.unwrap(),
            [Listed::damaged(key("bad")), good.listed()]
        );
        by_hand(
            &path,
            &format!("UPDATE records SET hints = '{{}}', version = '{}'", bad.version()),
        );
        assert!(store.remove(&key("bad"), RemoveIf::Any).await.unwrap());
        by_hand(&path, &format!("UPDATE records SET version = '{}'", good.version()));
    }
}

#[tokio::test]
async fn names_of_a_newer_version_are_left_out_of_every_page() {
    let (_folder, path) = fresh_path();
    for name in ["a", "c", "e"] {
        put(&path, name, "{}").await;
    }
    for name in ["b", "c", "d", "f"] {
        by_hand(
            &path,
            &format!(
                "INSERT INTO records SELECT namespace, '{name}#novel', version, NULL, hints, body FROM records WHERE key = 'a#grant'"
            ),
        );
    }
    let store = SqliteStore::open(&path).unwrap();
    for limit in 1..9 {
        let (mut listed, mut page) = (Vec::new(), Page::first().limit(limit));
        loop {
            let listing = store.list(page).await.unwrap();
            listed.extend(listing.entries.into_iter().map(|entry| entry.key));
            match listing.next {
                Some(next) => page = Page::after(next).limit(limit),
                None => break,
            }
        }
        assert_eq!(listed, ["a", "c", "e"].map(key), "{limit} on a page");
    }
}

#[tokio::test]
async fn a_record_without_a_version_is_neither_overwritten_nor_removed() {
    let (_folder, path) = fresh_path();
    let old = put(&path, "a", CANARY).await;
    by_hand(&path, "UPDATE records SET version = 'none'");
    let store = SqliteStore::open(&path).unwrap();
    let next = record("a", "{}", Some(old.version()));
    for error in [
        store.save(&record("a", "{}", None), WriteIf::Absent).await.unwrap_err(),
        store.save(&next, WriteIf::Matches(old.version())).await.unwrap_err(),
        store.remove(&key("a"), RemoveIf::Any).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    }
    by_hand(&path, &format!("UPDATE records SET version = '{}'", old.version()));
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old));
}

#[tokio::test]
async fn damaged_pages_are_corrupt_and_kept() {
    let (_folder, path) = fresh_path();
    put(&path, "a", CANARY.repeat(1_000)).await;
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 4096;
    assert!(pages > 4, "{pages}");
    bytes[4096..].fill(0xA5);
    fs::write(&path, &bytes).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    shown(&error);
    store.close().await.unwrap();
    assert!(fs::read(&path).unwrap() == bytes, "the file was touched");
}

#[tokio::test]
async fn a_failed_answer_quotes_nothing() {
    let (_folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    by_hand(
        &path,
        "CREATE TRIGGER loud BEFORE INSERT ON records BEGIN SELECT RAISE(ABORT, 'canary-91c2-never-shown'); END",
    );
    let store = SqliteStore::open(&path).unwrap();
    let error = store
        .save(&record("b", CANARY, None), WriteIf::Absent)
        .await
        .unwrap_err();
    shown(&error);
}

/// The error's words, which hold no value.
fn shown(error: &StoreError) -> String {
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    let text = format!("{error} {source} {error:?}");
    assert!(!text.contains(CANARY), "{text}");
    text
}
