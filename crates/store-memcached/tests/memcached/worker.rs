//! Other processes: this test binary, started again to do one job.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use store_memcached::{MemcachedConfig, MemcachedStore};
use store_testkit::counting;

use crate::given::{body, open, with_patience};

const JOB: &str = "STORE_MEMCACHED_TEST_JOB";
const NODES: &str = "STORE_MEMCACHED_TEST_NODES";
const NAMESPACE: &str = "STORE_MEMCACHED_TEST_NAMESPACE";

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
    let config = with_patience(MemcachedConfig::new(job.in_order(nodes.split(','))).unwrap());
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
            Self::Count => counting::count(&store, Duration::ZERO).await,
            Self::ReadInReverse => read(&store).await,
        }
    }
}

async fn read(store: &MemcachedStore) {
    for number in 0..50 {
        let found = body(store, &format!("k{number}")).await;
        assert_eq!(found, Some(number.to_string().into_bytes()));
    }
}
