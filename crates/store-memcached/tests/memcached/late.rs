//! Answers that come late, or not at all: none is ever taken for another key's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use store_memcached::{MemcachedConfig, MemcachedStore};
use test_services::{Memcached, Proxy, Trouble};

use crate::given::{LIMIT, TTL, body, key, open, patient, put, record, waiting_for};

const KEYS: usize = 40;
/// What an answer is waited for where none comes; a read before it must be answered by then.
const WAIT: Duration = Duration::from_secs(6);

/// A server, a proxy before it, a store that goes through the proxy and one that does not.
struct Bench {
    _server: Memcached,
    proxy: Proxy,
    store: MemcachedStore,
    direct: MemcachedStore,
}

impl Bench {
    fn new() -> Self {
        Self::with(|proxy| patient(&[proxy]))
    }

    fn with(config: impl Fn(SocketAddr) -> MemcachedConfig) -> Self {
        let server = Memcached::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        Self {
            store: open(&config(proxy.address())),
            direct: open(&patient(&[server.address()])),
            _server: server,
            proxy,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_late_answer_is_never_another_keys() {
    let bench = Bench::with(|proxy| waiting_for(Duration::from_secs(1), &[proxy]));
    for number in 0..KEYS {
        put(&bench.direct, &format!("k{number}"), format!("body of k{number}")).await;
    }
    let store = Arc::new(bench.store.clone());
    let mut seen = (0, 0);
    // Just in time, at the limit, past it, not at all; and then a while without trouble, in
    // which what is still on its way arrives.
    for late in [250, 950, 1_050, 1_750].map(|time| Trouble::Late(Duration::from_millis(time))) {
        for trouble in [late, Trouble::Silent, Trouble::None] {
            bench.proxy.set(trouble);
            let tasks: Vec<_> = (0..3 * KEYS)
                .map(|task| {
                    let store = store.clone();
                    tokio::spawn(async move {
                        let name = format!("k{}", task % KEYS);
                        store.load(&key(&name)).await.map(|found| (name, found))
                    })
                })
                .collect();
            for task in tasks {
                match task.await.unwrap() {
                    Ok((name, found)) => {
                        let found = found.expect("a record that is there was not found");
                        assert_eq!(found.body().expose(), format!("body of {name}").as_bytes());
                        seen.0 += 1;
                    }
                    Err(error) => {
                        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                        seen.1 += 1;
                    }
                }
            }
        }
    }
    assert!(seen.0 > 4 * KEYS && seen.1 > 4 * KEYS, "no trouble was had: {seen:?}");
}

#[tokio::test]
async fn dropped_reads_leave_no_answer_behind() {
    let bench = Bench::new();
    for name in ["a", "b"] {
        put(&bench.direct, name, name).await;
    }
    assert_eq!(body(&bench.store, "a").await, Some(b"a".to_vec()));
    for _ in 0..20 {
        // It comes when nobody waits for it any more, while the next is asked for.
        bench.proxy.set(Trouble::Silent);
        let dropped = tokio::time::timeout(Duration::from_millis(5), bench.store.load(&key("a"))).await;
        assert!(dropped.is_err(), "it was answered before it was dropped");
        bench.proxy.set(Trouble::None);
        assert_eq!(body(&bench.store, "b").await, Some(b"b".to_vec()));
    }
}

#[tokio::test]
async fn an_unanswered_save_is_ambiguous_and_may_be_sent_again() {
    let bench = Bench::with(|proxy| patient(&[proxy]).answer_timeout(WAIT));
    let old = put(&bench.direct, "a", "old").await;
    let new = record("a", "new", Some(old.version()));
    let started = Instant::now();
    let outcome = save_with_trouble_at_the_write(&bench, &new, &old, Trouble::Silent).await;
    let error = outcome.unwrap_err();
    assert!(started.elapsed() < LIMIT, "{:?}", started.elapsed());
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    assert!(
        error.to_string().contains(&bench.proxy.address().to_string()),
        "{error}"
    );
    // It had been done, as one can only know by looking.
    assert_eq!(body(&bench.direct, "a").await, Some(b"new".to_vec()));
    bench.proxy.set(Trouble::None);
    bench.store.save(&new, WriteIf::Matches(old.version())).await.unwrap();
}

#[tokio::test]
async fn a_write_whose_answer_was_cut_is_ambiguous_and_was_done() {
    let bench = Bench::new();
    let old = put(&bench.direct, "a", "old").await;
    let new = record("a", "new", Some(old.version()));
    let outcome = save_with_trouble_at_the_write(&bench, &new, &old, Trouble::CutAnswer).await;
    assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Ambiguous);
    assert_eq!(body(&bench.direct, "a").await, Some(b"new".to_vec()));
    bench.proxy.set(Trouble::None);
    bench.store.save(&new, WriteIf::Matches(old.version())).await.unwrap();

    bench.proxy.set(Trouble::CutAnswer);
    let error = bench.store.remove(&key("a"), RemoveIf::Any).await.unwrap_err();
    assert_eq!(
        error.kind(),
        StoreErrorKind::Unavailable,
        "nothing was read, so nothing was sent"
    );
    assert_eq!(body(&bench.direct, "a").await, Some(b"new".to_vec()));
}

#[tokio::test]
async fn a_lease_whose_answer_was_lost_is_had_by_asking_again() {
    let bench = Bench::new();
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    bench.store.load(&key("warm")).await.unwrap();
    // After the answer that says that nobody holds it.
    bench.proxy.set_after(1, Trouble::CutAnswer);
    let outcome = bench.store.try_lease(&key("a"), &mine, TTL).await;
    assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Unavailable);
    bench.proxy.set(Trouble::None);
    let held = bench.direct.try_lease(&key("a"), &other, TTL).await.unwrap();
    assert!(matches!(held, Lease::HeldElsewhere { .. }), "it had been taken");
    assert_eq!(
        bench.store.try_lease(&key("a"), &mine, TTL).await.unwrap(),
        Lease::Granted
    );
}

/// The trouble begins with the answer after the one to the read.
async fn save_with_trouble_at_the_write(
    bench: &Bench,
    new: &auth_core::record::Record,
    old: &auth_core::record::Record,
    trouble: Trouble,
) -> Result<(), auth_core::store::StoreError> {
    bench.proxy.set_after(1, trouble);
    bench.store.save(new, WriteIf::Matches(old.version())).await
}
