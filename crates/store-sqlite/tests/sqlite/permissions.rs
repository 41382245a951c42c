//! Who may read what: modes, owners, links.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::time::Duration;

use auth_core::store::local::with_suffix;
use auth_core::store::{LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use store_sqlite::SqliteStore;
use store_testkit::process::UNPRIVILEGED_USER;

use crate::given::{fresh_path, key, put, put_in, record};
use crate::worker::{Job, succeeds};

#[test]
fn modes_are_ours_whatever_the_umask() {
    for umask in [0o000, 0o022, 0o077, 0o777] {
        let (folder, _) = fresh_path();
        let path = folder.path().join("made/by us/tokens.sqlite");
        succeeds(Job::SaveAndLease.at(&path).umask(umask));
        for name in ["made", "made/by us", "made/by us/tokens.sqlite.leases"] {
            assert_eq!(mode(&folder.path().join(name)), 0o700, "{name} under umask {umask:o}");
        }
        for entry in fs::read_dir(path.parent().unwrap())
            .unwrap()
            .chain(fs::read_dir(with_suffix(&path, ".leases")).unwrap())
        {
            let file = entry.unwrap().path();
            if file.is_file() {
                assert_eq!(mode(&file), 0o600, "{} under umask {umask:o}", file.display());
            }
        }
    }
}

#[tokio::test]
async fn log_and_index_are_private_while_it_is_open() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    put_in(&store, "a", "{}").await;
    for suffix in ["", "-wal", "-shm"] {
        assert_eq!(mode(&with_suffix(&path, suffix)), 0o600, "{suffix}");
    }
}

#[tokio::test]
async fn looser_modes_are_repaired() {
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let store = SqliteStore::open(&path).unwrap();
    let old = put_in(&store, "a", "{}").await;
    let taken = store.try_lease(&key("a"), &LeaseId::random(), Duration::ZERO).await;
    taken.unwrap();
    let leases = with_suffix(&path, ".leases");
    let files = ["", "-wal", "-shm"].map(|suffix| with_suffix(&path, suffix));
    for file in &files {
        fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    fs::set_permissions(&leases, Permissions::from_mode(0o755)).unwrap();

    let other = SqliteStore::open(&path).unwrap();
    assert_eq!(other.load(&key("a")).await.unwrap(), Some(old));
    for file in &files {
        assert_eq!(mode(file), 0o600, "{} was repaired by a read", file.display());
    }
    let taken = other.try_lease(&key("b"), &LeaseId::random(), Duration::ZERO).await;
    taken.unwrap();
    assert_eq!(mode(&leases), 0o700);
    assert_eq!(mode(folder.path()), 0o755, "the caller's folder is left alone");
}

#[tokio::test]
async fn links_are_refused() {
    let (folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let link = folder.path().join("link.sqlite");
    symlink(&path, &link).unwrap();
    let error = SqliteStore::open(&link).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("symbolic link"), "{error}");

    // Put there after the store was opened: neither read nor written through.
    let later = folder.path().join("later.sqlite");
    let store = SqliteStore::open(&later).unwrap();
    symlink(&path, &later).unwrap();
    refuses(&store, "no plain file").await;

    fs::remove_file(&link).unwrap();
    fs::hard_link(&path, &link).unwrap();
    refuses(&SqliteStore::open(&path).unwrap(), "hard links").await;

    // A link to the folder is followed once, when the store is opened.
    fs::remove_file(&link).unwrap();
    let (elsewhere, _) = fresh_path();
    let way = elsewhere.path().join("way");
    symlink(folder.path(), &way).unwrap();
    let store = SqliteStore::open(way.join("tokens.sqlite")).unwrap();
    fs::remove_file(&way).unwrap();
    assert!(store.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused() {
    let (folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(SqliteStore::open(&path).unwrap_err().kind(), StoreErrorKind::Denied);
    refuses(&store, "no plain file").await;
    assert_eq!(
        SqliteStore::open(folder.path().join("x/..")).unwrap_err().kind(),
        StoreErrorKind::Invalid
    );
}

#[test]
fn a_folder_open_to_everybody_is_refused() {
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let error = SqliteStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("chmod o-w"), "{error}");
}

#[tokio::test]
async fn other_peoples_files_are_refused() {
    let (_folder, path) = fresh_path();
    let others = if am_root() {
        put(&path, "a", "{}").await;
        chown(&path, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
        path
    } else {
        Path::new("/etc/hostname").to_path_buf()
    };
    refuses(&SqliteStore::open(&others).unwrap(), "belongs to user").await;
}

#[tokio::test]
async fn a_file_that_is_not_readable_or_not_writable_says_so_to_a_plain_user() {
    let (folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let give = || {
        let entries = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        for name in entries.chain([folder.path().to_owned()]) {
            if am_root() {
                chown(&name, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
            }
        }
    };
    let set = |mode| fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    give();
    set(0o400);
    succeeds(Job::IsReader.at(&path).unprivileged());
    set(0o000);
    succeeds(Job::IsDenied.at(&path).unprivileged());
}

/// Reading and writing are denied, in these words.
async fn refuses(store: &SqliteStore, words: &str) {
    let saved = store.save(&record("new", "{}", None), WriteIf::Absent).await;
    for error in [store.load(&key("a")).await.unwrap_err(), saved.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

fn am_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|found| found.uid() == 0)
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
