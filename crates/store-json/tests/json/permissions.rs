//! Who may read what: modes, owners, links.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use auth_core::store::{LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use store_json::JsonStore;
use store_testkit::process::UNPRIVILEGED_USER;

use crate::given::{fresh_path, key, put, record};
use crate::worker::{Job, succeeds};

#[test]
fn modes_are_ours_whatever_the_umask() {
    for umask in [0o000, 0o022, 0o077, 0o777] {
        let (folder, _) = fresh_path();
        let path = folder.path().join("made/by us/tokens.json");
        succeeds(Job::SaveAndLease.at(&path).umask(umask));
        for (name, due) in [
            ("made", 0o700),
            ("made/by us", 0o700),
            ("made/by us/tokens.json", 0o600),
            ("made/by us/tokens.json.lock", 0o600),
            ("made/by us/tokens.json.leases", 0o700),
        ] {
            assert_eq!(mode(&folder.path().join(name)), due, "{name} under umask {umask:o}");
        }
        let leases = fs::read_dir(path.with_extension("json.leases")).unwrap();
        let modes: Vec<u32> = leases.map(|entry| mode(&entry.unwrap().path())).collect();
        assert_eq!(modes, [0o600], "lease files under umask {umask:o}");
    }
}

#[tokio::test]
async fn looser_modes_are_repaired() {
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let old = put(&path, "a", "{}").await;
    let store = JsonStore::open(&path).unwrap();
    store
        .try_lease(&key("a"), &LeaseId::random(), std::time::Duration::ZERO)
        .await
        .unwrap();
    let leases = path.with_extension("json.leases");
    for (name, loose) in [
        (&path, 0o644),
        (&path.with_extension("json.lock"), 0o666),
        (&leases, 0o755),
    ] {
        fs::set_permissions(name, Permissions::from_mode(loose)).unwrap();
    }

    let store = JsonStore::open(&path).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old));
    assert_eq!(mode(&path), 0o600, "repaired by a read");
    store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap();
    assert_eq!(mode(&path.with_extension("json.lock")), 0o600);
    store
        .try_lease(&key("b"), &LeaseId::random(), std::time::Duration::ZERO)
        .await
        .unwrap();
    assert_eq!(mode(&leases), 0o700);
    assert_eq!(mode(folder.path()), 0o755, "the caller's folder is left alone");
}

#[tokio::test]
async fn links_are_refused() {
    let (folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let before = fs::read(&path).unwrap();
    let link = folder.path().join("link.json");
    symlink(&path, &link).unwrap();
    let error = JsonStore::open(&link).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("symbolic link"), "{error}");

    // Put there after the store was opened: neither read nor written through.
    let later = folder.path().join("later.json");
    let store = JsonStore::open(&later).unwrap();
    symlink(&path, &later).unwrap();
    refuses(&store, "symbolic link").await;

    fs::remove_file(&link).unwrap();
    fs::hard_link(&path, &link).unwrap();
    refuses(&JsonStore::open(&path).unwrap(), "hard links").await;
    assert_eq!(fs::read(&path).unwrap(), before);

    // A link to the folder is followed once, when the store is opened.
    fs::remove_file(&link).unwrap();
    let (elsewhere, _) = fresh_path();
    let way = elsewhere.path().join("way");
    symlink(folder.path(), &way).unwrap();
    let store = JsonStore::open(way.join("tokens.json")).unwrap();
    fs::remove_file(&way).unwrap();
    assert!(store.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_no_plain_file_is_refused() {
    let (folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert_eq!(JsonStore::open(&path).unwrap_err().kind(), StoreErrorKind::Denied);
    refuses(&store, "no plain file").await;
    assert_eq!(
        JsonStore::open(folder.path().join("x/..")).unwrap_err().kind(),
        StoreErrorKind::Invalid
    );
}

#[test]
fn a_folder_open_to_everybody_is_refused() {
    let (folder, path) = fresh_path();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    let error = JsonStore::open(&path).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("chmod o-w"), "{error}");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o1777)).unwrap();
    assert!(
        JsonStore::open(&path).is_ok(),
        "a sticky folder keeps others' hands off"
    );
}

#[tokio::test]
async fn other_peoples_files_are_refused() {
    let (folder, path) = fresh_path();
    let others = if am_root() {
        put(&path, "a", "{}").await;
        chown(&path, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
        path
    } else {
        Path::new("/etc/hostname").to_path_buf()
    };
    let store = JsonStore::open(&others).unwrap();
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied);
    assert!(error.to_string().contains("belongs to user"), "{error}");
    drop(folder);
}

#[tokio::test]
async fn an_unreadable_file_says_so_to_a_plain_user() {
    let (folder, path) = fresh_path();
    put(&path, "a", "{}").await;
    let before = fs::read(&path).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o000)).unwrap();
    if am_root() {
        for name in [folder.path(), &path, &path.with_extension("json.lock")] {
            chown(name, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
        }
    }
    succeeds(Job::IsDenied.at(&path).unprivileged());
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_removal_that_was_not_synced_is_not_done_when_it_is_asked_for_again() {
    let (folder, path) = fresh_path();
    if am_root() {
        chown(folder.path(), Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
    }
    succeeds(Job::RemoveUnsynced.at(&path).unprivileged());
}

/// Reading and writing are denied, in these words.
async fn refuses(store: &JsonStore, words: &str) {
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
