//! What the tests begin with.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use auth_core::record::Record;
use auth_core::store::{
    Capabilities, LeaseEnd, LeaseId, LeaseScope, Persistence, StoreError, TokenStore as _, WriteIf,
};
use store_mongo::MongoStore;
use store_mongo::mongodb::bson::Document;
use store_mongo::mongodb::{Client, Collection};
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};

/// No operation takes longer: a store gives up after 30 s or less, the rest is for a busy machine.
const BOUND: Duration = Duration::from_secs(90);
/// For what must come about.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
const LONG: Duration = Duration::from_secs(900);

/// Where the tests leave their collections; whoever uses a server of their own may drop it.
const DATABASE: &str = "tokenkeep-tests";
/// On a busy machine each answer may take its time.
const PATIENT: &str = "timeoutMS=60000&connectTimeoutMS=30000&serverSelectionTimeoutMS=30000";
/// The same where a server is looked for in vain, which takes that long.
const LESS_PATIENT: &str = "timeoutMS=30000&connectTimeoutMS=10000&serverSelectionTimeoutMS=10000";

/// The server of this run. `cargo xtask test --only mongo` starts one, unless the
/// variable is set: then it is the user's own.
pub(crate) fn url() -> String {
    variable("TOKENKEEP_TEST_MONGODB_URL")
}

/// A server with SCRAM and TLS.
pub(crate) fn secured_url() -> String {
    variable("TOKENKEEP_TEST_MONGODB_SECURED_URL")
}

/// A URL with one option more.
pub(crate) fn with(url: &str, option: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{option}")
}

/// A namespace that nobody else has.
pub(crate) fn fresh_namespace() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let run = LeaseId::random().as_str()[..16].to_owned();
    format!("{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A store of this namespace, in a collection of the same name: what one test keeps
/// slows no other. Patient with a busy machine.
pub(crate) async fn open(namespace: &str) -> MongoStore {
    open_in(namespace, namespace).await
}

/// A store of this namespace in this collection.
pub(crate) async fn open_in(collection: &str, namespace: &str) -> MongoStore {
    open_at(&url(), collection, namespace).await
}

/// A store of this namespace on the server with SCRAM and TLS, which few tests use: the other
/// one, where they write at the same time into hundreds of collections, gets slower with each.
pub(crate) async fn open_secured(namespace: &str) -> MongoStore {
    open_at(&secured_url(), namespace, namespace).await
}

async fn open_at(url: &str, collection: &str, namespace: &str) -> MongoStore {
    let place = format!("database={DATABASE}&collection={collection}&namespace={namespace}");
    patient(&with(url, &place)).await
}

/// A store with the usual time-outs, or those that the URL names. What must be answered, though the machine is busy,
/// is not for such a store.
pub(crate) async fn connect(url: &str) -> MongoStore {
    in_time(async || MongoStore::connect(url).await).await
}

/// A store that waits as long as a busy machine takes.
pub(crate) async fn patient(url: &str) -> MongoStore {
    connect(&with(url, PATIENT)).await
}

/// The same, for who meets servers that are away, or let nobody in: that is an error after 10 s.
pub(crate) async fn less_patient(url: &str) -> MongoStore {
    connect(&with(url, LESS_PATIENT)).await
}

/// What comes of it when the driver has found its server again.
pub(crate) async fn in_time<T, E: std::fmt::Display>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The documents of a store, for who looks behind its back.
pub(crate) async fn documents(collection: &str) -> Collection<Document> {
    let client = Client::with_uri_str(url()).await.unwrap();
    client.database(DATABASE).collection(collection)
}

pub(crate) async fn subject() -> Subject<MongoStore> {
    let namespace = fresh_namespace();
    let (store, second) = (warm(&namespace).await, warm(&namespace).await);
    Subject::in_real_time(store)
        .reopening(move || std::future::ready(second.clone()))
        .expecting(
            Capabilities::new(Persistence::DurableReplicated, LeaseScope::Shared, LeaseEnd::ByTime)
                .with_largest_record(4 << 20),
        )
}

/// A store that has found out about its server already: the cases count seconds, also
/// those that a second handle takes to open.
async fn warm(namespace: &str) -> MongoStore {
    let store = open(namespace).await;
    let lease = store.try_lease(&key("warm"), &LeaseId::random(), Duration::ZERO).await;
    lease.unwrap();
    store
}

/// Saves a first record; said again it is the same save.
pub(crate) async fn put(store: &MongoStore, name: &str) -> Record {
    let record = record(name, "{}", None);
    in_time(async || store.save(&record, WriteIf::Absent).await).await;
    record
}

/// The error of an operation, which must come within its bound.
pub(crate) async fn refused<T: std::fmt::Debug>(operation: impl Future<Output = Result<T, StoreError>>) -> StoreError {
    bounded(operation).await.unwrap_err()
}

/// The outcome of an operation, which must come within its bound.
pub(crate) async fn bounded<T>(operation: impl Future<Output = T>) -> T {
    let started = Instant::now();
    let outcome = operation.await;
    assert!(started.elapsed() < BOUND, "it took {:?}", started.elapsed());
    outcome
}

/// Runs a test of many processes, for which the suite's ten minutes may be too short.
pub(crate) fn run_long(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async { tokio::time::timeout(LONG, test).await })
        .expect("it did not end");
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run: cargo xtask test --only mongo"))
}
