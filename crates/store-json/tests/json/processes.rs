//! Several processes on one file, some of them killed.

use std::path::Path;
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, TokenStore as _};
use store_json::JsonStore;
use store_testkit::counting;
use store_testkit::process::run_many;

use crate::given::{fresh_path, key, put};
use crate::worker::{Job, limit, succeeds};

const TTL: Duration = Duration::from_secs(1);

#[tokio::test]
async fn sixteen_processes_count_exactly() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    counting::begin(&store).await;
    for output in run_many(16, limit(), |_| Job::Count.at(&path)).unwrap() {
        assert!(output.success(), "{}", output.stdout());
    }
    counting::assert_sum(&store, 16).await;
    assert_eq!(leftovers(&path), 0);
}

#[tokio::test]
async fn another_processes_writes_are_seen() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    succeeds(Job::SaveAndLease.at(&path));
    assert!(store.load(&key("a")).await.unwrap().is_some());
    let mine = LeaseId::random();
    let lease = store.try_lease(&key("a"), &mine, TTL).await.unwrap();
    assert_eq!(lease, Lease::Granted, "its lease ended with it");
}

#[tokio::test]
async fn a_killed_writer_leaves_the_old_or_the_new() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    let mut last = put(&path, "a", vec![b'.'; 20_000]).await.version();
    for round in 0..40 {
        let mut writer = Job::Rewrite.at(&path).spawn().unwrap();
        // Some writes later, at whatever point of the next one this is.
        let mut changes = 0;
        while changes < 1 + round % 7 {
            let found = store.load(&key("a")).await.unwrap().unwrap();
            let body = found.body().expose();
            assert!(body.len() == 20_000 && body.iter().all(|byte| *byte == body[0]), "torn");
            changes += i32::from(found.version() != last);
            last = found.version();
            assert!(writer.is_running().unwrap(), "the writer ended by itself");
        }
        writer.kill().unwrap();
        writer.wait(limit()).unwrap();
        assert!(
            leftovers(&path) <= 1,
            "a kill left {} temporary files",
            leftovers(&path)
        );
        let found = store.load(&key("a")).await.unwrap().unwrap();
        assert!(found.version().generation() >= last.generation(), "a write was lost");
        last = found.version();
    }
    put(&path, "a", "{}").await;
    assert_eq!(leftovers(&path), 0, "leftovers after the next write");
}

#[tokio::test]
async fn a_killed_holder_frees_its_lease() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    let mut holder = Job::HoldLease.at(&path).spawn().unwrap();
    assert!(holder.wait_for_stdout("held", limit()), "{}", holder.stdout_so_far());

    let mine = LeaseId::random();
    let lease = store.try_lease(&key("a"), &mine, TTL).await.unwrap();
    assert!(matches!(lease, Lease::HeldElsewhere { .. }), "{lease:?}");
    assert_eq!(
        store.try_lease(&key("b"), &mine, TTL).await.unwrap(),
        Lease::Granted,
        "another key was held with it"
    );
    holder.kill().unwrap();
    holder.wait(limit()).unwrap();
    assert_eq!(store.try_lease(&key("a"), &mine, TTL).await.unwrap(), Lease::Granted);
}

fn leftovers(path: &Path) -> usize {
    let entries = path.parent().unwrap().read_dir().unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|end| end == "tmp"))
        .count()
}
