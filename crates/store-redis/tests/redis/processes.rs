//! Several processes on one server.

use auth_core::store::{StoreErrorKind, TokenStore as _, WriteIf};
use std::time::Duration;

use store_redis::RedisStore;
use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::{LONG_RUN, extent};
use test_services::{Redis, RedisCluster};

use crate::given::{key, record};

const URL: &str = "STORE_REDIS_TEST_URL";
const PROCESSES: usize = 16;

#[tokio::test]
async fn sixteen_processes_count_exactly() {
    let redis = Redis::start().unwrap();
    counts_exactly(&redis.url()).await;
}

#[tokio::test]
async fn sixteen_processes_count_exactly_in_a_cluster() {
    let cluster = RedisCluster::start().unwrap();
    counts_exactly(&cluster.url()).await;
}

async fn counts_exactly(url: &str) {
    let store = RedisStore::connect(url).await.unwrap();
    store
        .save(&record("counter", "0", None), WriteIf::Absent)
        .await
        .unwrap();
    let limit = Duration::from_secs(extent(100, 3_600));
    let outputs = run_many(PROCESSES, limit, |_| {
        ProcessBuilder::new(std::env::current_exe().unwrap())
            .args(["processes::arrives", "--exact", "--nocapture"])
            .env(URL, url)
            .inherit_env(LONG_RUN)
    });
    for output in outputs.unwrap() {
        assert!(output.success(), "{}{}", output.stdout(), output.stderr());
        assert!(output.stdout().contains("1 passed"), "the job was not found");
    }
    let total = store.load(&key("counter")).await.unwrap().unwrap();
    assert_eq!(total.body().expose(), (PROCESSES * times()).to_string().as_bytes());
}

/// Where started processes arrive, to count by compare-and-swap. In a plain run there is nothing to do.
#[test]
fn arrives() {
    if let Ok(url) = std::env::var(URL) {
        store_testkit::run(count(url));
    }
}

/// How often one process counts.
fn times() -> usize {
    extent(100, 1_000)
}

async fn count(url: String) {
    let store = RedisStore::connect(&url).await.unwrap();
    let mut left = times();
    while left > 0 {
        let read = store.load(&key("counter")).await.unwrap().unwrap();
        let number: u64 = std::str::from_utf8(read.body().expose()).unwrap().parse().unwrap();
        let next = record("counter", (number + 1).to_string(), Some(read.version()));
        match store.save(&next, WriteIf::Matches(read.version())).await {
            Ok(()) => left -= 1,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    }
}
