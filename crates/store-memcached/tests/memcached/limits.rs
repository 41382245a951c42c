//! Sizes: what is too large is not sent, for a server forgets the old record with it.

use std::time::{Duration, Instant};

use auth_core::store::{StoreErrorKind, TokenStore as _, WriteIf};
use store_memcached::MemcachedStore;
use test_services::{MemcachedBuilder, Proxy, Trouble};

use crate::given::{LIMIT, body, key, open, patient, put, record};

#[tokio::test]
async fn after_a_rush_most_connections_are_closed() {
    let server = MemcachedBuilder::new().start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let store = open(&patient(&[proxy.address()]));
    put(&store, "a", "x").await;
    // Nobody is answered: each operation needs a connection of its own.
    proxy.set(Trouble::Silent);
    let loads: Vec<_> = (0..200)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&key("a")).await.unwrap().is_some() })
        })
        .collect();
    let begun = Instant::now();
    while proxy.accepted() < 64 {
        assert!(begun.elapsed() < LIMIT, "{} connections", proxy.accepted());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    proxy.set(Trouble::None);
    for load in loads {
        assert!(load.await.unwrap());
    }
    let most = server.statistic("total_connections").unwrap();
    assert!(most > 60, "{most}");
    let begun = Instant::now();
    // The one that asks is one too, and memcached counts those that listen.
    while server.statistic("curr_connections").unwrap() > 16 + 4 {
        assert!(begun.elapsed() < LIMIT, "they stay open");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(server.statistic("curr_connections").unwrap() >= 16, "all were closed");
}

#[tokio::test]
async fn too_large_is_said_before_it_is_sent() {
    let server = MemcachedBuilder::new().largest_item_kib(512).start().unwrap();
    let store = open(&patient(&[server.address()]).largest_item(512 * 1_024).unwrap());
    let largest = store.capabilities().largest_record.unwrap();
    let old = put(&store, "a", "old").await;
    let sets = server.statistic("cmd_set").unwrap();
    refused(&store, largest + 1, &old).await;
    assert_eq!(server.statistic("cmd_set"), Some(sets), "it was sent");
    let fits = record("a", vec![b'x'; largest], Some(old.version()));
    store.save(&fits, WriteIf::Matches(old.version())).await.unwrap();
    assert_eq!(body(&store, "a").await.unwrap().len(), largest);
}

#[tokio::test]
async fn where_the_server_takes_less_than_was_said_the_old_record_stays() {
    let server = MemcachedBuilder::new().largest_item_kib(512).start().unwrap();
    let store = open(&patient(&[server.address()]));
    let old = put(&store, "a", "old").await;
    let error = refused(&store, 600_000, &old).await;
    assert!(
        error.contains("largest_item") && error.contains(&server.address().to_string()),
        "{error}"
    );
    // The connection is in step.
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old));
    put(&store, "b", "x").await;
}

#[tokio::test]
async fn a_full_server_that_may_forget_nothing_is_unavailable() {
    let server = MemcachedBuilder::new()
        .memory_mib(2)
        .without_eviction()
        .start()
        .unwrap();
    let store = open(&patient(&[server.address()]));
    let old = put(&store, "old", "old").await;
    let mut refused = None;
    for number in 0..2_000 {
        let large = record(&format!("k{number}"), vec![b'x'; 8_000], None);
        if let Err(error) = store.save(&large, WriteIf::Absent).await {
            refused = Some(error);
            break;
        }
    }
    let error = refused.expect("8 MB fitted into 2");
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("no room"), "{error}");
    let next = record("old", vec![b'x'; 8_000], Some(old.version()));
    assert!(store.save(&next, WriteIf::Matches(old.version())).await.is_err());
    assert_eq!(body(&store, "old").await, Some(b"old".to_vec()));
}

async fn refused(store: &MemcachedStore, size: usize, old: &auth_core::record::Record) -> String {
    let large = record("a", vec![b'x'; size], Some(old.version()));
    let error = store.save(&large, WriteIf::Matches(old.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::TooLarge, "{error}");
    assert_eq!(store.load(old.key()).await.unwrap().as_ref(), Some(old));
    error.to_string()
}
