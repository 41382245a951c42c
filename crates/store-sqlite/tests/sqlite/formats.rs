//! Databases of older and newer formats, of other programs, and what is none.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use auth_core::clock::Timestamp;
use auth_core::store::{RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf};
use store_sqlite::rusqlite::Connection;
use store_sqlite::{SqliteConfig, SqliteStore};

use crate::given::{by_hand, fresh_path, key, put, put_in, record};

const FORMAT_1: &str = include_str!("../golden/format-1.sql");

#[tokio::test]
async fn format_1_is_upgraded_with_all_its_records() {
    let (_folder, path) = fresh_path();
    by_hand(&path, FORMAT_1);
    let store = SqliteStore::open(&path).unwrap();
    let alice = store.load(&key("alice")).await.unwrap().unwrap();
    assert_eq!(alice.version().to_string(), "7-0011223344556677");
    assert_eq!(alice.body().expose(), br#"{"format":1}"#);
    assert!(alice.hints().refreshable);
    assert_eq!(alice.hints().grant.as_deref(), Some("authorization_code"));
    let bob = store.load(&key("bob")).await.unwrap().unwrap();
    assert_eq!(bob.keep_until(), Some(Timestamp::from_unix_millis(4_102_444_800_000)));
    assert!(bob.body().is_empty());
    let listed = store.list_all().await.unwrap();
    let names: Vec<String> = listed.iter().map(|entry| entry.key.to_string()).collect();
    assert_eq!(names, ["alice#client", "alice#grant", "bob#grant"]);

    // It is the format that a new database has.
    let (_other_folder, fresh) = fresh_path();
    put(&fresh, "a", "{}").await;
    store.close().await.unwrap();
    assert_eq!(schema(&path), schema(&fresh));
    assert_eq!(number(&path, "user_version"), number(&fresh, "user_version"));
}

#[tokio::test]
async fn format_1_is_upgraded_once_by_many() {
    let (_folder, path) = fresh_path();
    by_hand(&path, FORMAT_1);
    let tasks: Vec<_> = (0..16)
        .map(|_| {
            let store = SqliteStore::open(&path).unwrap();
            tokio::spawn(async move { store.load(&key("alice")).await })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test]
async fn an_upgrade_that_fails_leaves_format_1() {
    let (_folder, path) = fresh_path();
    by_hand(&path, FORMAT_1);
    by_hand(&path, "CREATE TABLE records_1 (in_the_way)");
    let before = schema(&path);
    let store = SqliteStore::open(&path).unwrap();
    assert!(store.load(&key("alice")).await.is_err());
    store.close().await.unwrap();
    assert_eq!((schema(&path), number(&path, "user_version")), (before, 1));
    by_hand(&path, "DROP TABLE records_1");
    assert!(store.load(&key("alice")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_newer_format_is_named_and_kept() {
    let (_folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    by_hand(&path, "PRAGMA user_version = 3");
    let text = refused_everywhere(&path, StoreErrorKind::Unsupported).await;
    assert!(text.contains("format 3") && text.contains("update"), "{text}");
}

#[tokio::test]
async fn a_format_that_becomes_newer_while_it_is_open_is_seen() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    let old = put_in(&store, "a", "{}").await;
    by_hand(&path, "PRAGMA user_version = 3");
    let next = record("a", "{}", Some(old.version()));
    for error in [
        store.load(&key("a")).await.unwrap_err(),
        store.save(&next, WriteIf::Matches(old.version())).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unsupported, "{error}");
    }
}

#[tokio::test]
async fn other_programs_databases_are_left_alone() {
    for sql in [
        "CREATE TABLE bookmarks (url TEXT)",
        "CREATE TABLE records (key TEXT)",
        "PRAGMA application_id = 7",
        "PRAGMA user_version = 2",
    ] {
        let (_folder, path) = fresh_path();
        by_hand(&path, sql);
        let text = refused_everywhere(&path, StoreErrorKind::Invalid).await;
        assert!(text.contains("another program"), "{sql}: {text}");
    }
}

#[tokio::test]
async fn what_is_no_database_is_left_alone() {
    for content in ["{\"tokenkeep\":{\"format\":1}}\n", "SQLite format 3\0 and then not"] {
        let (_folder, path) = fresh_path();
        fs::write(&path, content.repeat(100)).unwrap();
        let text = refused_everywhere(&path, StoreErrorKind::Corrupt).await;
        assert!(text.contains("kept"), "{text}");
    }
}

#[tokio::test]
async fn a_database_without_its_table_is_left_alone() {
    let (_folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    by_hand(&path, "DROP TABLE records");
    refused_everywhere(&path, StoreErrorKind::Corrupt).await;
}

#[tokio::test]
async fn an_empty_file_is_an_empty_store() {
    let (_folder, path) = fresh_path();
    fs::write(&path, "").unwrap();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    put_in(&store, "a", "{}").await;
}

#[tokio::test]
async fn namespaces_are_apart() {
    let (_folder, path) = fresh_path();
    let config = SqliteConfig::new(&path);
    let default = SqliteStore::with_config(&config).unwrap();
    let other = SqliteStore::with_config(&config.namespace("other").unwrap()).unwrap();
    let (mine, theirs) = (put_in(&default, "a", "1").await, put_in(&other, "a", "2").await);
    assert_eq!(default.load(&key("a")).await.unwrap(), Some(mine));
    assert!(
        other
            .remove(&key("a"), RemoveIf::Matches(theirs.version()))
            .await
            .unwrap()
    );
    assert_eq!(other.list_all().await.unwrap(), []);
    assert_eq!(default.list_all().await.unwrap().len(), 1);
}

/// Every operation that needs the database fails alike and leaves it as it is. The
/// text of the errors.
async fn refused_everywhere(path: &Path, kind: StoreErrorKind) -> String {
    let before = fs::read(path).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o644)).unwrap();
    let store = SqliteStore::open(path).unwrap();
    let errors = [
        store.load(&key("a")).await.unwrap_err(),
        store.save(&record("a", "{}", None), WriteIf::Absent).await.unwrap_err(),
        store.remove(&key("a"), RemoveIf::Any).await.unwrap_err(),
        store.list_all().await.unwrap_err(),
    ];
    store.close().await.unwrap();
    assert!(fs::read(path).unwrap() == before, "the file was touched");
    if kind == StoreErrorKind::Invalid {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "another program's file got another mode");
    }
    let mut text = String::new();
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        text = format!("{error} {error:?}");
        assert!(text.contains(path.to_str().unwrap()), "{text}");
    }
    text
}

/// Each table's columns and each index, however their text is spelled.
fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT s.type || ' ' || s.name || ' ' || coalesce(c.name, '') || ' ' || coalesce(c.type, '') || ' ' ||
             coalesce(c.pk, '') FROM sqlite_schema s LEFT JOIN pragma_table_info(s.name) c ORDER BY 1",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn number(path: &Path, pragma: &str) -> i64 {
    let connection = Connection::open(path).unwrap();
    connection.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
}
