//! What the tests begin with.

use std::net::SocketAddr;
use std::time::Duration;

use auth_core::record::Record;
use auth_core::store::{Capabilities, LeaseEnd, LeaseId, LeaseScope, Persistence, TokenStore as _, WriteIf};
use store_memcached::{MemcachedConfig, MemcachedStore};
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};

pub(crate) const TTL: Duration = Duration::from_secs(5);

/// Where the servers are that the whole run shares: one node.
pub(crate) const ONE: &str = "TOKENKEEP_TEST_MEMCACHED_URL";
/// The same, with both nodes.
pub(crate) const BOTH: &str = "TOKENKEEP_TEST_MEMCACHED_NODES_URL";

pub(crate) async fn one_node() -> Subject<MemcachedStore> {
    subject(ONE)
}

pub(crate) async fn two_nodes() -> Subject<MemcachedStore> {
    subject(BOTH)
}

/// The shared servers, and a namespace that no other test has.
pub(crate) fn shared(variable: &str) -> (MemcachedConfig, String) {
    let url = std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: run cargo xtask test --only store-memcached"));
    let config = MemcachedConfig::from_url(&url).unwrap();
    let namespace = LeaseId::random().as_str().to_owned();
    (config.namespace(&namespace).unwrap(), namespace)
}

/// These nodes, with short times to wait.
pub(crate) fn impatient(nodes: &[SocketAddr]) -> MemcachedConfig {
    MemcachedConfig::new(nodes.iter().map(ToString::to_string))
        .unwrap()
        .connect_timeout(Duration::from_millis(200))
        .answer_timeout(Duration::from_millis(200))
}

pub(crate) fn open(config: &MemcachedConfig) -> MemcachedStore {
    MemcachedStore::with_config(config).unwrap()
}

/// Saves a first record.
pub(crate) async fn put(store: &MemcachedStore, name: &str, body: impl AsRef<[u8]>) -> Record {
    let record = record(name, body, None);
    store.save(&record, WriteIf::Absent).await.unwrap();
    record
}

/// The body that is stored.
pub(crate) async fn body(store: &MemcachedStore, name: &str) -> Option<Vec<u8>> {
    let found = store.load(&key(name)).await.unwrap();
    found.map(|record| record.body().expose().to_vec())
}

fn subject(variable: &str) -> Subject<MemcachedStore> {
    let (config, _) = shared(variable);
    let promised = Capabilities::new(Persistence::Evictable, LeaseScope::Shared, LeaseEnd::ByTime)
        .without_list()
        .with_largest_record((1 << 20) - 5 * 1_024);
    Subject::in_real_time(open(&config))
        .reopening(move || std::future::ready(open(&config)))
        .expecting(promised)
}
