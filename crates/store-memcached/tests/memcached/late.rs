//! Answers that come late, or not at all: none is ever taken for another key's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use store_memcached::MemcachedStore;
use test_services::{Memcached, Proxy, Trouble};

use crate::given::{TTL, body, impatient, key, open, put, record};

const KEYS: usize = 40;
/// How long the answer to a read is held back, so that trouble begins at the write.
const HELD_BACK: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(1);

/// A server, a proxy before it, a store that goes through the proxy and one that does not.
struct Bench {
    _server: Memcached,
    proxy: Proxy,
    store: MemcachedStore,
    direct: MemcachedStore,
}

impl Bench {
    fn new() -> Self {
        Self::answering_within(Duration::from_millis(200))
    }

    fn answering_within(limit: Duration) -> Self {
        let server = Memcached::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        Self {
            store: open(&impatient(&[proxy.address()]).answer_timeout(limit)),
            direct: open(&impatient(&[server.address()])),
            _server: server,
            proxy,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_late_answer_is_never_another_keys() {
    let bench = Bench::new();
    for number in 0..KEYS {
        put(&bench.direct, &format!("k{number}"), format!("body of k{number}")).await;
    }
    let store = Arc::new(bench.store.clone());
    let mut seen = (0, 0);
    // Just in time, at the limit, past it, not at all; and then a while without trouble, in
    // which what is still on its way arrives.
    for late in [50, 190, 210, 350].map(|time| Trouble::Late(Duration::from_millis(time))) {
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
        bench.proxy.set(Trouble::Late(Duration::from_millis(200)));
        let dropped = tokio::time::timeout(Duration::from_millis(5), bench.store.load(&key("a"))).await;
        assert!(dropped.is_err(), "it was answered before it was dropped");
        bench.proxy.set(Trouble::None);
        assert_eq!(body(&bench.store, "b").await, Some(b"b".to_vec()));
    }
}

#[tokio::test]
async fn an_unanswered_save_is_ambiguous_and_may_be_sent_again() {
    let bench = Bench::answering_within(LIMIT);
    let old = put(&bench.direct, "a", "old").await;
    let new = record("a", "new", Some(old.version()));
    let started = Instant::now();
    let outcome = save_with_trouble_at_the_write(&bench, &new, &old, Trouble::Silent).await;
    let error = outcome.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
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
    let bench = Bench::answering_within(LIMIT);
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
    let bench = Bench::answering_within(LIMIT);
    let (mine, other) = (LeaseId::random(), LeaseId::random());
    bench.store.load(&key("warm")).await.unwrap();
    bench.proxy.set(Trouble::Late(HELD_BACK));
    let a = key("a");
    let taking = bench.store.try_lease(&a, &mine, TTL);
    let (outcome, ()) = tokio::join!(taking, async {
        tokio::time::sleep(HELD_BACK / 2).await;
        bench.proxy.set(Trouble::CutAnswer);
    });
    assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Unavailable);
    bench.proxy.set(Trouble::None);
    let held = bench.direct.try_lease(&key("a"), &other, TTL).await.unwrap();
    assert!(matches!(held, Lease::HeldElsewhere { .. }), "it had been taken");
    assert_eq!(
        bench.store.try_lease(&key("a"), &mine, TTL).await.unwrap(),
        Lease::Granted
    );
}

/// Reads within time; the trouble begins while the answer to the read is on its way.
async fn save_with_trouble_at_the_write(
    bench: &Bench,
    new: &auth_core::record::Record,
    old: &auth_core::record::Record,
    trouble: Trouble,
) -> Result<(), auth_core::store::StoreError> {
    bench.proxy.set(Trouble::Late(HELD_BACK));
    let saving = bench.store.save(new, WriteIf::Matches(old.version()));
    let (outcome, ()) = tokio::join!(saving, async {
        tokio::time::sleep(HELD_BACK / 2).await;
        bench.proxy.set(trouble);
    });
    outcome
}
