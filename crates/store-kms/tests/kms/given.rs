//! What the tests begin with: keys, stores under a seal, records, a clock.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, ManualClock, SystemClock, Timestamp};
use auth_core::record::Record;
use auth_core::store::{LeaseId, MemoryStore, TokenStore};
use store_json::JsonStore;
use store_kms::{
    Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider, KmsStore, LocalKey, LocalKeys,
};
use store_memcached::{MemcachedConfig, MemcachedStore};
use store_mongo::MongoStore;
use store_redis::RedisStore;
use store_sqlite::SqliteStore;
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// A key that is the same in all processes and handles of a test.
pub(crate) fn local_key(number: u8) -> LocalKey {
    let bytes = std::array::from_fn(|index| number ^ u8::try_from(index).unwrap());
    LocalKey::from_bytes(Box::new(Zeroizing::new(bytes))).unwrap()
}

pub(crate) fn local() -> LocalKeys {
    LocalKeys::new(local_key(1))
}

/// The same record with another body.
pub(crate) fn with_body(record: &Record, body: Vec<u8>) -> Record {
    Record::from_parts(
        record.key().clone(),
        record.version(),
        record.keep_until(),
        record.hints().clone(),
        body.into(),
    )
}

/// Local keys whose calls are counted, and which can be taken away.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) keys: LocalKeys,
    calls: Arc<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    generated: AtomicU64,
    unwrapped: AtomicU64,
    away: AtomicBool,
    throttling: AtomicBool,
    refusal: Mutex<Option<KeyErrorKind>>,
    pause: Mutex<Duration>,
}

impl Counted {
    pub(crate) fn new() -> Self {
        Self {
            keys: local(),
            calls: Arc::default(),
        }
    }

    pub(crate) fn generated(&self) -> u64 {
        self.calls.generated.load(Ordering::SeqCst)
    }

    pub(crate) fn unwrapped(&self) -> u64 {
        self.calls.unwrapped.load(Ordering::SeqCst)
    }

    /// From now on nobody answers, or somebody does again.
    pub(crate) fn away(&self, away: bool) {
        self.calls.away.store(away, Ordering::SeqCst);
    }

    /// From now on every second call is throttled.
    pub(crate) fn throttle_half(&self) {
        self.calls.throttling.store(true, Ordering::SeqCst);
    }

    /// From now on every call is refused so.
    pub(crate) fn refuse(&self, kind: Option<KeyErrorKind>) {
        *self.calls.refusal.lock().unwrap() = kind;
    }

    /// From now on each call takes this long.
    pub(crate) fn slow(&self, pause: Duration) {
        *self.calls.pause.lock().unwrap() = pause;
    }

    async fn answer(&self, count: &AtomicU64) -> Result<(), KeyError> {
        let number = count.fetch_add(1, Ordering::SeqCst);
        let pause = *self.calls.pause.lock().unwrap();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        if self.calls.away.load(Ordering::SeqCst) {
            return Err(KeyError::new(KeyErrorKind::Unavailable, "nobody answers"));
        }
        if self.calls.throttling.load(Ordering::SeqCst) && number.is_multiple_of(2) {
            return Err(KeyError::new(KeyErrorKind::Throttled, "too often"));
        }
        match *self.calls.refusal.lock().unwrap() {
            Some(kind) => Err(KeyError::new(kind, "refused by the test")),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl KeyProvider for Counted {
    fn name(&self) -> &'static str {
        "counted"
    }

    fn keys(&self) -> &[KeyId] {
        self.keys.keys()
    }

    async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError> {
        self.answer(&self.calls.generated).await?;
        self.keys.generate(context).await
    }

    async fn unwrap_key(&self, key: &KeyId, wrapped: &[u8], context: &Context) -> Result<DataKeyBytes, KeyError> {
        self.answer(&self.calls.unwrapped).await?;
        self.keys.unwrap_key(key, wrapped, context).await
    }
}

/// The system's clock, moved on by hand; sleeps are real.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShiftedClock(Arc<AtomicU64>);

impl ShiftedClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    fn shift(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.shift())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.shift()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration)
    }
}

pub(crate) async fn in_memory() -> Subject<KmsStore> {
    let clock = ManualClock::default();
    let memory = MemoryStore::with_clock(Arc::new(clock.clone()));
    Subject::new(sealed(memory, &clock), clock)
}

pub(crate) async fn in_json() -> Subject<KmsStore> {
    let (folder, clock) = (TempDir::new().unwrap(), ManualClock::default());
    let path = folder.path().join("tokens.json");
    let open = {
        let clock = clock.clone();
        move || {
            sealed(
                JsonStore::open(&path).unwrap().with_clock(Arc::new(clock.clone())),
                &clock,
            )
        }
    };
    Subject::new(open(), clock)
        .reopening(move || std::future::ready(open()))
        .keeping(folder)
}

pub(crate) async fn in_sqlite() -> Subject<KmsStore> {
    let (folder, clock) = (TempDir::new().unwrap(), ManualClock::default());
    let path = folder.path().join("tokens.sqlite");
    let open = {
        let clock = clock.clone();
        move || {
            let store = SqliteStore::open(&path).unwrap().with_clock(Arc::new(clock.clone()));
            sealed(store, &clock)
        }
    };
    Subject::new(open(), clock)
        .reopening(move || std::future::ready(open()))
        .keeping(folder)
}

pub(crate) async fn in_redis() -> Subject<KmsStore> {
    // Patient with a busy machine.
    let patient = "connect_timeout=30000&answer_timeout=30000";
    let url = with_option(
        &variable("TOKENKEEP_TEST_REDIS_URL"),
        &format!("prefix=kms:{}:&{patient}", fresh()),
    );
    let open = move || {
        let url = url.clone();
        async move { KmsStore::wrap(RedisStore::connect(&url).await.unwrap(), local()) }
    };
    Subject::in_real_time(open().await).reopening(open)
}

pub(crate) async fn in_memcached() -> Subject<KmsStore> {
    let config = MemcachedConfig::from_url(&variable("TOKENKEEP_TEST_MEMCACHED_URL")).unwrap();
    let patience = Duration::from_mins(1);
    let config = config.connect_timeout(patience).answer_timeout(patience);
    let config = config.namespace(fresh()).unwrap();
    let open = move || KmsStore::wrap(MemcachedStore::with_config(&config).unwrap(), local());
    Subject::in_real_time(open())
        .reopening(move || std::future::ready(open()))
        .with_leases_that_lag(Duration::from_secs(5))
}

pub(crate) async fn in_mongo() -> Subject<KmsStore> {
    let name = fresh();
    let place = format!("database=tokenkeep-tests&collection=kms{name}&namespace={name}");
    // Patient with a busy machine.
    let patient = "timeoutMS=60000&connectTimeoutMS=30000&serverSelectionTimeoutMS=30000";
    let url = with_option(&variable("TOKENKEEP_TEST_MONGODB_URL"), &format!("{place}&{patient}"));
    let (store, second) = (warm_mongo(&url).await, warm_mongo(&url).await);
    Subject::in_real_time(store).reopening(move || std::future::ready(second.clone()))
}

/// A name that no other test has.
pub(crate) fn fresh() -> String {
    LeaseId::random().as_str()[..20].to_owned()
}

/// A store that has found out about its server already: the cases count seconds.
async fn warm_mongo(url: &str) -> KmsStore {
    let store = KmsStore::wrap(MongoStore::connect(url).await.unwrap(), local());
    let lease = store.try_lease(&key("warm"), &LeaseId::random(), Duration::ZERO).await;
    lease.unwrap();
    store
}

fn sealed(store: impl TokenStore, clock: &ManualClock) -> KmsStore {
    KmsStore::builder(store, local()).clock(clock.clone()).build()
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run cargo xtask test --only store-kms"))
}

fn with_option(url: &str, option: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{option}")
}

/// All that an error says, layer by layer.
pub(crate) fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut layer = error.source();
    while let Some(error) = layer {
        text = format!("{text}: {error}");
        layer = error.source();
    }
    text
}
