//! Servers that forget scripts, cut connections, stand still, end and come back.

use std::time::{Duration, Instant};

use auth_core::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use store_redis::RedisStore;
use test_services::{Proxy, Redis, RedisCluster, Trouble};

use crate::given::{LIMIT, connected, in_time, key, patient, record};

/// None ends while it is looked at.
const TTL: Duration = Duration::from_secs(600);

/// Sooner than a patient store gives up to wait for an answer.
const ANSWER: Duration = Duration::from_secs(25);

/// Far longer than what a test lets the store wait for an answer, and sooner than for ever.
const SOON: Duration = Duration::from_secs(60);

/// A server, and a store that reaches it through a proxy.
struct Bench {
    redis: Redis,
    proxy: Proxy,
    store: RedisStore,
}

impl Bench {
    async fn new() -> Self {
        Self::with(&patient("")).await
    }

    /// With these options of the store.
    async fn with(options: &str) -> Self {
        let redis = Redis::start().unwrap();
        let proxy = Proxy::start(redis.address()).unwrap();
        let url = format!("redis://{}{options}", proxy.address());
        let store = in_time(async || RedisStore::connect(&url).await).await;
        let bench = Self { redis, proxy, store };
        // Not by a store that has little patience.
        use_everything(&bench.direct().await, "warm").await;
        bench
    }

    /// A store that the proxy does not trouble.
    async fn direct(&self) -> RedisStore {
        connected(&self.redis.url()).await
    }

    /// Each operation once, so that the server knows every script.
    async fn use_everything(&self, name: &str) {
        use_everything(&self.store, name).await;
    }
}

async fn use_everything(store: &RedisStore, name: &str) {
    let first = record(name, "1", None);
    store.save(&first, WriteIf::Absent).await.unwrap();
    assert_eq!(store.load(&key(name)).await.unwrap(), Some(first));
    let mine = LeaseId::random();
    assert_eq!(store.try_lease(&key(name), &mine, TTL).await.unwrap(), Lease::Granted);
    assert!(store.renew(&key(name), &mine, TTL).await.unwrap());
    store.release(&key(name), &mine).await.unwrap();
    assert!(store.remove(&key(name), RemoveIf::Any).await.unwrap());
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let bench = Bench::new().await;
    bench.redis.command(&["SCRIPT", "FLUSH"]).unwrap();
    bench.use_everything("a").await;
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again_in_a_cluster() {
    let mut cluster = RedisCluster::start().unwrap();
    let store = connected(&cluster.url()).await;
    for round in 0..8 {
        use_everything(&store, &format!("a{round}")).await;
    }
    for node in cluster.nodes() {
        node.command(&["SCRIPT", "FLUSH"]).unwrap();
    }
    for round in 0..8 {
        use_everything(&store, &format!("b{round}")).await;
    }
}

#[tokio::test]
async fn a_killed_connection_is_not_noticed() {
    let bench = Bench::new().await;
    for round in 0..20 {
        bench
            .redis
            .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .unwrap();
        bench.use_everything(&format!("a{round}")).await;
    }
}

#[tokio::test]
async fn a_cut_answer_does_nothing_twice_and_loses_nothing() {
    let bench = Bench::new().await;
    let store = &bench.store;
    for round in 0..20 {
        let name = format!("a{round}");
        let (key, mine) = (key(&name), LeaseId::random());
        let cut = || bench.proxy.set(Trouble::CutAnswers(1));

        cut();
        assert_eq!(store.try_lease(&key, &mine, TTL).await.unwrap(), Lease::Granted);
        let first = record(&name, "1", None);
        cut();
        store.save(&first, WriteIf::Absent).await.unwrap();
        let second = record(&name, "2", Some(first.version()));
        cut();
        store.save(&second, WriteIf::Matches(first.version())).await.unwrap();
        cut();
        assert_eq!(store.load(&key).await.unwrap(), Some(second.clone()));
        cut();
        assert!(store.renew(&key, &mine, TTL).await.unwrap());
        cut();
        store.release(&key, &mine).await.unwrap();
        cut();
        assert!(store.remove(&key, RemoveIf::Matches(second.version())).await.unwrap());
        assert!(!store.remove(&key, RemoveIf::Any).await.unwrap());
    }
}

#[tokio::test]
async fn of_several_who_remove_a_record_one_is_told_that_it_did() {
    let bench = Bench::new().await;
    let direct = bench.direct().await;
    for round in 0..20 {
        let name = format!("a{round}");
        let first = record(&name, "1", None);
        direct.save(&first, WriteIf::Absent).await.unwrap();
        assert!(direct.remove(&key(&name), RemoveIf::Any).await.unwrap());
        // Closed by the server long before it is used: it looks as if the answer had been lost.
        bench.proxy.cut();
        let again = bench
            .store
            .remove(&key(&name), RemoveIf::Matches(first.version()))
            .await;
        assert!(!again.unwrap(), "removed twice");

        let second = record(&name, "2", None);
        direct.save(&second, WriteIf::Absent).await.unwrap();
        bench.proxy.set(Trouble::CutAnswers(1));
        let late = bench
            .store
            .remove(&key(&name), RemoveIf::Matches(first.version()))
            .await;
        // A first attempt may have removed what it was to remove, and another was written since.
        assert_eq!(late.unwrap_err().kind(), StoreErrorKind::Ambiguous);
        assert!(direct.remove(&key(&name), RemoveIf::Any).await.unwrap());
    }
}

#[tokio::test]
async fn a_write_whose_answers_are_all_cut_is_uncertain_and_can_be_sent_again() {
    let bench = Bench::new().await;
    let first = record("a", "1", None);
    bench.proxy.set(Trouble::CutAnswers(2));
    let error = bench.store.save(&first, WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    bench.proxy.set(Trouble::None);
    // That nobody can connect is told to all who come within a tenth of a second.
    let found = in_time(async || bench.store.load(&key("a")).await).await;
    assert_eq!(found, Some(first.clone()), "it was written");
    bench.store.save(&first, WriteIf::Absent).await.unwrap();
    let load = async {
        bench.proxy.set(Trouble::CutAnswers(2));
        bench.store.load(&key("a")).await.unwrap_err()
    };
    assert_eq!(load.await.kind(), StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn one_who_was_overtaken_while_the_answer_was_lost_is_told_so() {
    let bench = Bench::new().await;
    let direct = bench.direct().await;
    let first = record("a", "1", None);
    bench.proxy.set(Trouble::Silent);
    let saving = {
        let (store, first) = (bench.store.clone(), first.clone());
        tokio::spawn(async move { store.save(&first, WriteIf::Absent).await })
    };
    while direct.load(&key("a")).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
    let second = record("a", "2", Some(first.version()));
    direct.save(&second, WriteIf::Matches(first.version())).await.unwrap();
    bench.proxy.cut();
    bench.proxy.set(Trouble::None);
    let error = saving.await.unwrap().unwrap_err();
    assert_eq!(
        error.kind(),
        StoreErrorKind::Ambiguous,
        "a conflict with itself: {error}"
    );
    assert_eq!(direct.load(&key("a")).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up_in_time() {
    let bench = Bench::with("?connect_timeout=3000&answer_timeout=3000").await;
    let (direct, first) = (bench.direct().await, record("a", "1", None));
    bench.redis.freeze();
    for _ in 0..2 {
        let begun = Instant::now();
        let read = bench.store.load(&key("a")).await.unwrap_err();
        assert_eq!(read.kind(), StoreErrorKind::Unavailable, "{read}");
        let written = bench.store.save(&first, WriteIf::Absent).await.unwrap_err();
        // Sent on a connection that was open, it may be carried out yet; on one that never opened, not.
        assert!(
            matches!(written.kind(), StoreErrorKind::Ambiguous | StoreErrorKind::Unavailable),
            "{written}"
        );
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    }
    bench.redis.thaw();
    in_time(async || bench.store.save(&first, WriteIf::Absent).await).await;
    assert_eq!(direct.load(&key("a")).await.unwrap(), Some(first));
}

#[tokio::test]
async fn a_write_without_an_answer_is_uncertain_and_one_that_never_left_is_not() {
    // So much time for an answer that a busy machine's connection is open, and stays so.
    let bench = Bench::with("?connect_timeout=30000&answer_timeout=8000").await;
    let first = record("a", "1", None);
    in_time(async || bench.store.load(first.key()).await).await;
    bench.proxy.set(Trouble::Silent);
    let begun = Instant::now();
    let error = bench.store.save(&first, WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    bench.proxy.set(Trouble::None);
    bench.proxy.close();
    let next = record("b", "1", None);
    // The first may still find the connection that is being cut.
    let _ = bench.store.save(&next, WriteIf::Absent).await;
    let error = bench.store.save(&next, WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut redis = Redis::builder().durable().start().unwrap();
    let store = connected(&redis.url()).await;
    let first = record("a", "1", None);
    store.save(&first, WriteIf::Absent).await.unwrap();
    for _ in 0..3 {
        redis.stop();
        let begun = Instant::now();
        let error = store.load(&key("a")).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
        assert!(begun.elapsed() < ANSWER, "{:?}", begun.elapsed());
        redis.restart().unwrap();
        let found = in_time(async || store.load(&key("a")).await).await;
        assert_eq!(found.as_ref(), Some(&first));
    }
}

#[tokio::test]
async fn a_cluster_without_one_node_serves_the_others_and_heals() {
    let mut cluster = RedisCluster::start().unwrap();
    for node in cluster.nodes() {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"])
            .unwrap();
    }
    // Those of one node are asked for in vain, each so long; those of the others must be answered by then.
    let impatient = format!("{}?connect_timeout=3000&answer_timeout=6000", cluster.url());
    let store = in_time(async || RedisStore::connect(&impatient).await).await;
    let direct = connected(&cluster.url()).await;
    let names: Vec<String> = (0..30).map(|number| format!("a{number}")).collect();
    for name in &names {
        direct.save(&record(name, "1", None), WriteIf::Absent).await.unwrap();
    }
    cluster.nodes()[1].freeze();
    let (mut served, mut refused) = (0, 0);
    let begun = Instant::now();
    for name in &names {
        match store.load(&key(name)).await {
            Ok(found) => served += usize::from(found.is_some()),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
                refused += 1;
            }
        }
        if served > 0 && refused > 0 {
            break;
        }
    }
    assert!(served > 0 && refused > 0, "{served} served, {refused} refused");
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
    cluster.nodes()[1].thaw();
    cluster.wait_until_whole().unwrap();
    for name in &names {
        let found = in_time(async || store.load(&key(name)).await).await;
        assert!(found.is_some(), "{name} is not back");
    }
}
