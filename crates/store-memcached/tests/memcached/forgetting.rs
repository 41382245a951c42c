//! Servers that forget: to make room, by a restart.

use auth_core::store::{Lease, LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use test_services::{Memcached, MemcachedBuilder, Proxy, Trouble};

use crate::given::{TTL, body, key, open, patient, put, record};

#[tokio::test]
async fn what_was_evicted_is_absent_and_the_rest_is_right() {
    let server = MemcachedBuilder::new().memory_mib(2).start().unwrap();
    let store = open(&patient(&[server.address()]));
    let text = |number: usize| format!("{number} ").repeat(2_000);
    let mut written = Vec::new();
    for number in 0..800 {
        written.push(put(&store, &format!("k{number}"), text(number)).await);
    }
    assert!(server.statistic("evictions").unwrap() > 0, "nothing was evicted");
    let mut gone = Vec::new();
    for (number, record) in written.iter().enumerate() {
        match store.load(record.key()).await.unwrap() {
            Some(found) => assert_eq!(found.body().expose(), text(number).as_bytes()),
            None => gone.push(number),
        }
    }
    assert!(!gone.is_empty() && gone.len() < written.len());

    // What is gone can't be matched, and can be made anew.
    let lost = &written[gone[0]];
    let name = format!("k{}", gone[0]);
    let next = record(&name, "next", Some(lost.version()));
    let error = store.save(&next, WriteIf::Matches(lost.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}");
    put(&store, &name, "again").await;
    assert_eq!(body(&store, &name).await, Some(b"again".to_vec()));
}

#[tokio::test]
async fn a_restart_forgets_all_and_is_survived() {
    let mut server = Memcached::start().unwrap();
    let store = open(&patient(&[server.address()]));
    let old = put(&store, "a", "old").await;
    let mine = LeaseId::random();
    assert_eq!(store.try_lease(&key("a"), &mine, TTL).await.unwrap(), Lease::Granted);

    // The connections in the pool are dead, which nobody notices.
    server.restart().unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    assert!(
        !store.renew(&key("a"), &mine, TTL).await.unwrap(),
        "the lease is gone too"
    );
    server.restart().unwrap();
    let next = record("a", "next", Some(old.version()));
    let error = store.save(&next, WriteIf::Matches(old.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}");
    server.restart().unwrap();
    assert_eq!(
        store.try_lease(&key("a"), &LeaseId::random(), TTL).await.unwrap(),
        Lease::Granted
    );
    server.restart().unwrap();
    put(&store, "a", "new").await;
}

/// The numbers for compare-and-swap begin anew with the server, so that one from before
/// fits another record after.
#[tokio::test]
async fn a_number_from_before_a_restart_is_never_used() {
    let mut server = Memcached::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let (store, direct) = (open(&patient(&[proxy.address()])), open(&patient(&[server.address()])));
    let old = put(&direct, "a", "old").await;

    // The record and its number are read; the answer is held back.
    proxy.set(Trouble::Silent);
    let next = record("a", "next", Some(old.version()));
    let saving = tokio::spawn(async move { store.save(&next, WriteIf::Matches(old.version())).await });
    let seen = server.statistic("get_hits").unwrap();
    while server.statistic("get_hits").unwrap() == seen {
        tokio::task::yield_now().await;
    }
    // Another record takes its place, under the same number.
    server.restart().unwrap();
    let others = put(&direct, "a", "others").await;
    proxy.set(Trouble::None);

    let error = saving.await.unwrap().unwrap_err();
    assert!(
        matches!(
            error.kind(),
            StoreErrorKind::Conflict | StoreErrorKind::Ambiguous | StoreErrorKind::Unavailable
        ),
        "{error}"
    );
    assert_eq!(direct.load(&key("a")).await.unwrap(), Some(others));
}
