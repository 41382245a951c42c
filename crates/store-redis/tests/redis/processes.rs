//! Several processes on one server.

use std::time::Duration;

use store_redis::RedisStore;
use store_testkit::process::{ProcessBuilder, run_many};
use store_testkit::{LONG_RUN, counting, extent};
use test_services::{Redis, RedisCluster};

use crate::given::patient;

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
    let url = &patient(url);
    let store = RedisStore::connect(url).await.unwrap();
    counting::begin(&store).await;
    let limit = Duration::from_secs(extent(600, 3_600));
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
    counting::assert_sum(&store, PROCESSES as u64).await;
}

/// Where started processes arrive, to count by compare-and-swap. In a plain run there is nothing to do.
#[test]
fn arrives() {
    if let Ok(url) = std::env::var(URL) {
        store_testkit::run(async move {
            let store = RedisStore::connect(&url).await.unwrap();
            counting::count(&store, Duration::ZERO).await;
        });
    }
}
