//! What the tests begin with.

use std::net::SocketAddr;
use std::time::Duration;

use auth_core::record::Record;
use auth_core::store::{Capabilities, LeaseEnd, LeaseId, LeaseScope, Persistence, TokenStore as _, WriteIf};
use store_memcached::{MemcachedConfig, MemcachedStore};
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};

/// Of leases that must not end while they are looked at, however busy the machine.
pub(crate) const TTL: Duration = Duration::from_secs(600);

/// For what must come about.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// How long a patient store waits: a busy machine's server is not gone after a second.
const PATIENCE: Duration = Duration::from_secs(60);

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
    let config = with_patience(MemcachedConfig::from_url(&url).unwrap());
    let namespace = LeaseId::random().as_str().to_owned();
    (config.namespace(&namespace).unwrap(), namespace)
}

/// These nodes, waited for as long as a busy machine takes.
pub(crate) fn patient(nodes: &[SocketAddr]) -> MemcachedConfig {
    with_patience(MemcachedConfig::new(nodes.iter().map(ToString::to_string)).unwrap())
}

pub(crate) fn with_patience(config: MemcachedConfig) -> MemcachedConfig {
    config.connect_timeout(PATIENCE).answer_timeout(PATIENCE)
}

/// These nodes, waited for no longer than this. What must be answered, though the machine is busy, is not for such
/// a store.
pub(crate) fn waiting_for(limit: Duration, nodes: &[SocketAddr]) -> MemcachedConfig {
    patient(nodes).connect_timeout(limit).answer_timeout(limit)
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
        .with_leases_that_lag(Duration::from_secs(5))
}
