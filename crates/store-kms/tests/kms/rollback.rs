//! An old copy of the store is put back under processes that run: nothing of it is
//! spent, and what can be repaired is.

use std::sync::Arc;
use std::time::Duration;

use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::{MemoryStore, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use auth_core::{TokenErrorKind, TokenManager, TokenSource};
use store_kms::KmsStore;

use crate::engine::{Bench, HOUR};
use crate::given::local;

/// Several processes over one store, and copies of it.
struct Fleet {
    bench: Bench,
    under: Arc<MemoryStore>,
    processes: Vec<(KmsStore, TokenManager, TokenSource)>,
}

impl Fleet {
    async fn of(count: usize) -> Self {
        let (bench, under) = (Bench::new(), Arc::new(MemoryStore::new()));
        let mut processes = Vec::new();
        for number in 0..count {
            let store = bench.seal(under.clone(), local());
            let manager = bench.manager(&store, None);
            if number == 0 {
                bench.logged_in(&manager).await;
            }
            let source = manager.source(&bench.profile);
            source.token().await.unwrap();
            processes.push((store, manager, source));
        }
        Self {
            bench,
            under,
            processes,
        }
    }

    fn key(&self) -> Key {
        Key::grant(&self.bench.profile)
    }

    async fn copy(&self) -> Record {
        self.under.load(&self.key()).await.unwrap().unwrap()
    }

    async fn put_back(&self, copy: &Record) {
        self.under.remove(&self.key(), RemoveIf::Any).await.unwrap();
        self.under.save(copy, WriteIf::Absent).await.unwrap();
    }

    /// One of the processes refreshes; the others see it.
    async fn refresh(&self, by: usize) {
        self.bench.advance(HOUR);
        self.processes[by].2.token().await.unwrap();
        for (_, _, source) in &self.processes {
            source.token().await.unwrap();
        }
    }

    fn counters(&self) -> (u64, u64) {
        let counters = self.bench.server.counters();
        (counters.double_spends, counters.logins_lost)
    }
}

#[tokio::test]
async fn while_the_token_is_good_the_newer_state_is_put_back() {
    let fleet = Fleet::of(3).await;
    let copy = fleet.copy().await;
    fleet.refresh(0).await;
    fleet.refresh(1).await;
    let latest = fleet.bench.refresh_token(&fleet.processes[0].0).await;
    fleet.put_back(&copy).await;
    // Who looks first repairs it, in the middle of the token's life.
    fleet.bench.advance(HOUR / 2);
    assert_eq!(fleet.bench.refresh_token(&fleet.processes[2].0).await, latest);
    let (stored, before) = (fleet.copy().await, copy.version().generation());
    assert!(stored.version().generation() > before + 4, "{:?}", stored.version());
    for _ in 0..4 {
        fleet.refresh(2).await;
    }
    assert_eq!((fleet.bench.refreshes(), fleet.counters()), (6, (0, 0)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_put_it_right_at_the_same_time_agree() {
    let fleet = Fleet::of(8).await;
    let copy = fleet.copy().await;
    fleet.refresh(0).await;
    for (store, _, _) in &fleet.processes {
        store.load(&fleet.key()).await.unwrap();
    }
    let latest = fleet.bench.refresh_token(&fleet.processes[0].0).await;
    fleet.put_back(&copy).await;
    let looking: Vec<_> = fleet
        .processes
        .iter()
        .map(|(store, _, _)| {
            let (store, key) = (store.clone(), fleet.key());
            tokio::spawn(async move { store.load(&key).await.unwrap().unwrap().version() })
        })
        .collect();
    let mut versions = Vec::new();
    for one in looking {
        versions.push(one.await.unwrap());
    }
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
    assert_eq!(fleet.bench.refresh_token(&fleet.processes[7].0).await, latest);
}

#[tokio::test]
async fn when_others_may_have_refreshed_nothing_is_sent() {
    let fleet = Fleet::of(8).await;
    let copy = fleet.copy().await;
    fleet.refresh(0).await;
    fleet.refresh(3).await;
    fleet.put_back(&copy).await;
    fleet.bench.advance(HOUR);
    let sent = fleet.bench.refreshes();
    for (_, _, source) in &fleet.processes {
        let error = source.token().await.unwrap_err();
        assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::RollbackSuspected));
        let why = crate::given::whole(&error);
        assert!(why.contains("store accept") && why.contains("generation"), "{why}");
    }
    assert_eq!((fleet.bench.refreshes(), fleet.counters()), (sent, (0, 0)));
    assert_eq!(fleet.copy().await, copy, "kept as it is");
    // A login ends it, for all.
    fleet.bench.logged_in(&fleet.processes[5].1).await;
    for (_, _, source) in &fleet.processes {
        source.token().await.unwrap();
    }
    fleet.refresh(1).await;
    assert_eq!(fleet.counters(), (0, 0));
}

#[tokio::test]
async fn a_person_may_accept_the_older_state() {
    let fleet = Fleet::of(2).await;
    fleet.refresh(0).await;
    let copy = fleet.copy().await;
    // What comes then is not the server's doing, so the old refresh token is good.
    let (store, _, source) = &fleet.processes[0];
    let version = store.load(&fleet.key()).await.unwrap().unwrap().version();
    let logged_out = fleet.processes[1].1.logout(&fleet.bench.profile).await.unwrap();
    assert!(logged_out && fleet.copy().await.version().generation() > version.generation());
    let tombstone = fleet.copy().await;
    assert!(source.force().await.is_err());
    fleet.put_back(&copy).await;
    // The tombstone is safe to put back, so that is done.
    assert!(source.force().await.is_err());
    assert!(fleet.copy().await.version().generation() > tombstone.version().generation());
    // Unless a process accepts the copy, one that has seen nothing.
    fleet.put_back(&copy).await;
    let fresh = fleet.bench.seal(fleet.under.clone(), local());
    assert!(fresh.accept(&fleet.bench.profile).await.unwrap());
    let sent = fleet.bench.refreshes();
    for (_, _, source) in &fleet.processes {
        source.force().await.unwrap();
    }
    assert_eq!((fleet.bench.refreshes(), fleet.counters()), (sent + 2, (0, 0)));
    let nobody = auth_core::Profile::new("nobody").unwrap();
    assert!(!fresh.accept(&nobody).await.unwrap());
}

#[tokio::test]
async fn a_store_that_forgot_and_a_new_login_raise_no_alarm() {
    let fleet = Fleet::of(3).await;
    for by in 0..3 {
        fleet.refresh(by).await;
    }
    // Forgotten, as a cache does; then a login by a process that knows nothing of it.
    fleet.under.remove(&fleet.key(), RemoveIf::Any).await.unwrap();
    fleet.bench.advance(Duration::from_secs(10));
    let fresh = fleet.bench.seal(fleet.under.clone(), local());
    fleet.bench.logged_in(&fleet.bench.manager(&fresh, None)).await;
    assert_eq!(fleet.copy().await.version().generation(), 1);
    fleet.bench.advance(HOUR);
    for (_, _, source) in &fleet.processes {
        source.token().await.unwrap();
    }
    fleet.refresh(0).await;
    assert_eq!(fleet.counters(), (0, 0));
}

#[tokio::test]
async fn an_older_login_is_not_taken_for_a_new_one() {
    let fleet = Fleet::of(2).await;
    let copy = fleet.copy().await;
    fleet.bench.advance(Duration::from_mins(10));
    fleet.bench.logged_in(&fleet.processes[0].1).await;
    for (store, _, _) in &fleet.processes {
        store.load(&fleet.key()).await.unwrap();
    }
    fleet.put_back(&copy).await;
    fleet.bench.advance(HOUR);
    for (_, _, source) in &fleet.processes {
        let error = source.token().await.unwrap_err();
        assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::RollbackSuspected));
    }
    assert_eq!(fleet.bench.refreshes(), 0);
}

#[tokio::test]
async fn an_answer_in_hand_goes_over_what_came_back() {
    let fleet = Fleet::of(1).await;
    let copy = fleet.copy().await;
    fleet.refresh(0).await;
    fleet.bench.advance(HOUR);
    let gate = store_testkit::server::Gate::new();
    fleet
        .bench
        .server
        .inject(store_testkit::server::Fault::none().hold_after(&gate));
    let caller = fleet.processes[0].2.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    fleet.put_back(&copy).await;
    gate.release();
    let token = flight.await.unwrap().unwrap();
    assert!(fleet.bench.server.is_live(token.secret().expose()));
    let stored = fleet.bench.refresh_token(&fleet.processes[0].0).await;
    assert!(fleet.bench.server.family_alive(&stored));
    fleet.refresh(0).await;
    assert_eq!((fleet.bench.refreshes(), fleet.counters()), (3, (0, 0)));
}
