//! The primary is killed and a replica takes over.

use std::time::{Duration, Instant};

use auth_core::record::Record;
use auth_core::store::{StoreErrorKind, TokenStore as _, WriteIf};
use store_redis::RedisStore;
use test_services::{Proxy, RedisSentinel, Trouble};

use crate::given::{LIMIT, connected, key, record, with_replica};

/// Sooner than one connection is given up: nobody listens, and that is known at once.
const SOON: Duration = Duration::from_secs(25);

/// Saves, version after version; the last one that was confirmed, and those tried after it.
async fn save_some(store: &RedisStore, count: usize) -> Record {
    let mut last = record("a", "0", None);
    store.save(&last, WriteIf::Absent).await.unwrap();
    for round in 1..count {
        let next = record("a", round.to_string(), Some(last.version()));
        store.save(&next, WriteIf::Matches(last.version())).await.unwrap();
        last = next;
    }
    last
}

#[tokio::test]
async fn what_a_replica_confirmed_is_there_after_a_kill() {
    for _ in 0..3 {
        let mut servers = RedisSentinel::start().unwrap();
        let store = RedisStore::connect(&with_replica(&servers.url())).await.unwrap();
        let last = save_some(&store, 30).await;
        servers.kill_primary().unwrap();
        refuses_honestly(&store).await;
        servers.fail_over().unwrap();
        assert_eq!(loaded_in_time(&store).await, Some(last.clone()));

        // The replica was the last: nobody confirms any more.
        let next = record("a", "next", Some(last.version()));
        let error = store.save(&next, WriteIf::Matches(last.version())).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    }
}

#[tokio::test]
async fn without_waiting_the_store_goes_on_with_an_old_or_the_new_record() {
    let mut servers = RedisSentinel::start().unwrap();
    let store = connected(&servers.url()).await;
    let last = save_some(&store, 30).await;
    servers.kill_primary().unwrap();
    servers.fail_over().unwrap();
    let found = loaded_in_time(&store).await;
    let generation = found.as_ref().map_or(0, |found| found.version().generation());
    assert!(generation <= last.version().generation());
    let read = found.map(|found| found.version());
    let next = record("a", "next", read);
    store.save(&next, WriteIf::unchanged(read)).await.unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(next));
}

/// The sentinel has named the old primary, and by the time that this is used it has come back with nothing in it.
#[tokio::test]
async fn a_primary_that_came_back_empty_is_not_asked() {
    let mut servers = RedisSentinel::start().unwrap();
    let proxy = Proxy::start(servers.address()).unwrap();
    let url = servers
        .url()
        .replace(&servers.address().to_string(), &proxy.address().to_string());
    let store = RedisStore::connect(&with_replica(&url)).await.unwrap();
    let last = save_some(&store, 3).await;
    let killed = servers.kill_primary().unwrap();
    servers.fail_over().unwrap();
    servers.server_at(killed).unwrap().restart().unwrap();
    proxy.set(Trouble::SaysAgain(1));
    assert_eq!(loaded_in_time(&store).await, Some(last));
}

/// While nobody is the primary: an error in time, of the right kind.
async fn refuses_honestly(store: &RedisStore) {
    let begun = Instant::now();
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

async fn loaded_in_time(store: &RedisStore) -> Option<Record> {
    let begun = Instant::now();
    loop {
        match store.load(&key("a")).await {
            Ok(found) => return found,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                assert!(begun.elapsed() < LIMIT, "{error}");
            }
        }
    }
}
