//! Other processes: this test binary, started again to do one job.

use std::process::{Child, Command, Stdio};

use auth_core::store::{StoreErrorKind, TokenStore as _, WriteIf};
use store_memcached::{MemcachedConfig, MemcachedStore};

use crate::given::{body, key, open, record};

const JOB: &str = "STORE_MEMCACHED_TEST_JOB";
const NODES: &str = "STORE_MEMCACHED_TEST_NODES";
const NAMESPACE: &str = "STORE_MEMCACHED_TEST_NAMESPACE";

/// How often one process counts.
pub(crate) fn times() -> u64 {
    store_testkit::extent(100, 1_000)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Counts by compare-and-swap.
    Count,
    /// Reads 50 records, with its nodes named the other way round.
    ReadInReverse,
}

/// Where started processes arrive. In a plain run there is no job, and nothing to do.
#[test]
fn arrives() {
    let (Ok(job), Ok(nodes), Ok(namespace)) = (std::env::var(JOB), std::env::var(NODES), std::env::var(NAMESPACE))
    else {
        return;
    };
    let job = [Job::Count, Job::ReadInReverse]
        .into_iter()
        .find(|known| format!("{known:?}") == job)
        .unwrap();
    let config = MemcachedConfig::new(job.in_order(nodes.split(','))).unwrap();
    let config = config.allow_plaintext().namespace(namespace).unwrap();
    store_testkit::run(job.done_with(open(&config)));
}

impl Job {
    /// Another process that does this job with these nodes and this namespace.
    pub(crate) fn start(self, config: &MemcachedConfig, namespace: &str) -> Child {
        let nodes: Vec<String> = config.nodes().iter().map(ToString::to_string).collect();
        Command::new(std::env::current_exe().unwrap())
            .args(["worker::arrives", "--exact", "--nocapture"])
            .env(JOB, format!("{self:?}"))
            .env(NODES, nodes.join(","))
            .env(NAMESPACE, namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn in_order<'n>(self, nodes: impl DoubleEndedIterator<Item = &'n str>) -> Vec<&'n str> {
        match self {
            Self::Count => nodes.collect(),
            Self::ReadInReverse => nodes.rev().collect(),
        }
    }

    async fn done_with(self, store: MemcachedStore) {
        match self {
            Self::Count => count(&store).await,
            Self::ReadInReverse => read(&store).await,
        }
    }
}

async fn count(store: &MemcachedStore) {
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

async fn read(store: &MemcachedStore) {
    for number in 0..50 {
        let found = body(store, &format!("k{number}")).await;
        assert_eq!(found, Some(number.to_string().into_bytes()));
    }
}
