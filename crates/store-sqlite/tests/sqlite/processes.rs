//! Several processes on one database, some of them killed.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, TokenStore as _};
use store_sqlite::SqliteStore;
use store_sqlite::rusqlite::Connection;
use store_testkit::counting;
use store_testkit::process::{Process, run_many};

use crate::given::{fresh_path, key};
use crate::worker::{Job, limit, succeeds};

const TTL: Duration = Duration::from_secs(1);
const WRITERS: usize = 8;
const KILLS: usize = 100;

#[tokio::test]
async fn sixteen_processes_count_exactly() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    counting::begin(&store).await;
    for output in run_many(16, limit(), |_| Job::Count.at(&path)).unwrap() {
        assert!(output.success(), "{}", output.stdout());
    }
    counting::assert_sum(&store, 16).await;
}

#[tokio::test]
async fn processes_that_make_the_database_at_the_same_time_share_it() {
    for _ in 0..10 {
        let (_folder, path) = fresh_path();
        let writers: Vec<Process> = (0..8).map(|_| Job::Rewrite.at(&path).spawn().unwrap()).collect();
        for writer in &writers {
            assert!(writer.wait_for_stdout("saved", limit()), "{}", writer.stderr_so_far());
        }
        drop(writers);
        assert_intact(&path);
    }
}

#[tokio::test]
async fn another_processes_writes_are_seen() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    succeeds(Job::SaveAndLease.at(&path));
    assert!(store.load(&key("a")).await.unwrap().is_some());
    let mine = LeaseId::random();
    let lease = store.try_lease(&key("a"), &mine, TTL).await.unwrap();
    assert_eq!(lease, Lease::Granted, "its lease ended with it");
}

#[tokio::test]
async fn kills_lose_no_acknowledged_save() {
    let (_folder, path) = fresh_path();
    let mut acknowledged = HashMap::new();
    let mut writers: Vec<Process> = (0..WRITERS).map(|_| Job::Rewrite.at(&path).spawn().unwrap()).collect();
    for kill in 0..KILLS {
        let victim = kill % WRITERS;
        assert!(
            writers[victim].wait_for_stdout("saved", limit()),
            "{}",
            writers[victim].stderr_so_far()
        );
        std::thread::sleep(Duration::from_micros(
            u64::from(std::process::id()) * (kill as u64 + 1) * 7919 % 40_000,
        ));
        assert!(
            writers[victim].is_running().unwrap(),
            "it ended by itself: {}",
            writers[victim].stderr_so_far()
        );
        writers[victim].kill().unwrap();
        let killed = std::mem::replace(&mut writers[victim], Job::Rewrite.at(&path).spawn().unwrap());
        note(&mut acknowledged, &killed.wait(limit()).unwrap().stdout());
    }
    for mut writer in writers {
        writer.kill().unwrap();
        note(&mut acknowledged, &writer.wait(limit()).unwrap().stdout());
    }
    assert_intact(&path);
    assert!(
        acknowledged.len() > KILLS,
        "{} writers said something",
        acknowledged.len()
    );
    let store = SqliteStore::open(&path).unwrap();
    for (name, generation) in acknowledged {
        let found = store.load(&key(&name)).await.unwrap().unwrap();
        assert!(
            found.version().generation() >= generation,
            "{name}: {generation} was acknowledged, there is {:?}",
            found.version()
        );
    }
}

#[tokio::test]
async fn a_killed_holder_frees_its_lease() {
    let (_folder, path) = fresh_path();
    let store = SqliteStore::open(&path).unwrap();
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

/// Keeps the latest generation of each record that a process called saved.
fn note(acknowledged: &mut HashMap<String, u64>, said: &str) {
    for line in said.lines() {
        // The test harness writes to the same output, before the first of them.
        let Some((_, saved)) = line.split_once("saved ") else {
            continue;
        };
        let (name, generation) = saved.split_once(' ').unwrap();
        let latest = acknowledged.entry(name.to_owned()).or_default();
        *latest = generation.parse::<u64>().unwrap().max(*latest);
    }
}

fn assert_intact(path: &Path) {
    let connection = Connection::open(path).unwrap();
    let found: String = connection
        .query_one("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, "ok");
}
