//! What the tests begin with: servers (the program redis-server), stores, records.

use std::any::Any;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store_redis::RedisStore;
use store_testkit::Subject;
pub(crate) use store_testkit::{key, record};
use test_services::{Redis, RedisCluster, RedisSentinel};

/// For what must come about, however busy the machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// What a user of the TLS server may do: what the store needs, no more.
const RULES: &str = "~test:* +info +config|get +eval +evalsha +hget +hmget +hset +exists +del +persist \
                     +pexpireat +set +get +pexpire +pttl +scan";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Standalone,
    Cluster,
    Sentinel,
    Tls,
}

/// Servers that several tests share, or the address of somebody else's.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) url: String,
    _running: Arc<Running>,
}

struct Running {
    url: String,
    _servers: Box<dyn Any + Send + Sync>,
}

/// A store with a prefix of its own, on servers that others use too.
pub(crate) async fn subject(kind: Kind) -> Subject<RedisStore> {
    let shared = kind.shared();
    let url = patient(&with_prefix(&shared.url));
    let store = RedisStore::connect(&url).await.unwrap();
    Subject::in_real_time(store)
        .reopening(move || {
            let url = url.clone();
            async move { RedisStore::connect(&url).await.unwrap() }
        })
        .keeping(shared)
}

/// The URL with a prefix that no other test has.
pub(crate) fn with_prefix(url: &str) -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
    with_option(url, &format!("prefix=test:{now}.{number}:"))
}

/// The URL for a store that waits as long as a busy machine takes: a second without an answer is no failure of
/// its server.
pub(crate) fn patient(url: &str) -> String {
    with_option(url, "connect_timeout=30000&answer_timeout=30000")
}

/// The URL for a store that waits for one replica: so long that a busy machine's is in time, and for an answer twice
/// as long.
pub(crate) fn with_replica(url: &str) -> String {
    with_option(url, "wait_replicas=1&connect_timeout=30000&answer_timeout=20000")
}

fn with_option(url: &str, option: &str) -> String {
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{option}")
}

/// A store that waits as long as a busy machine takes.
pub(crate) async fn connected(url: &str) -> RedisStore {
    RedisStore::connect(&patient(url)).await.unwrap()
}

/// A connection of the driver, which gives up in half a second where it is not told otherwise.
pub(crate) async fn driver(url: &str) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(url).unwrap();
    let limits = redis::AsyncConnectionConfig::new()
        .set_connection_timeout(Some(LIMIT))
        .set_response_timeout(Some(LIMIT));
    client
        .get_multiplexed_async_connection_with_config(&limits)
        .await
        .unwrap()
}

/// What comes of it when the servers are there again.
pub(crate) async fn in_time<T, E: std::fmt::Display>(mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let begun = Instant::now();
    loop {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(begun.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The URL of a server with TLS and users, with all that it asks for.
pub(crate) fn tls_url(redis: &Redis) -> String {
    let password = redis.folder().join("password");
    std::fs::write(&password, "app-password\n").unwrap();
    let files = redis.certificates().unwrap();
    format!(
        "{}?ca={}&cert={}&key={}&username=app&password_file={}",
        redis.tls_url().unwrap(),
        files.authority.display(),
        files.client.display(),
        files.client_key.display(),
        password.display()
    )
}

/// A server with TLS and a user `app` who may do what the store needs.
pub(crate) fn tls_server() -> Redis {
    let builder = Redis::builder().user("app", "app-password", RULES).tls();
    builder.start().unwrap()
}

impl Kind {
    /// Those that the environment names, as `cargo xtask test` does; else some that are started now, and end
    /// with the last test that uses them.
    pub(crate) fn shared(self) -> Shared {
        static SHARED: Mutex<[Weak<Running>; 4]> = Mutex::new([Weak::new(), Weak::new(), Weak::new(), Weak::new()]);
        let mut all = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let place = &mut all[self as usize];
        let running = place.upgrade().unwrap_or_else(|| Arc::new(self.found()));
        *place = Arc::downgrade(&running);
        Shared {
            url: running.url.clone(),
            _running: running,
        }
    }

    fn found(self) -> Running {
        match std::env::var(self.variable()) {
            Ok(url) => Running::of(url, ()),
            Err(_) => self.started(),
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Self::Standalone => "TOKENKEEP_TEST_REDIS_URL",
            Self::Cluster => "TOKENKEEP_TEST_REDIS_CLUSTER_URL",
            Self::Sentinel => "TOKENKEEP_TEST_REDIS_SENTINEL_URL",
            Self::Tls => "TOKENKEEP_TEST_REDIS_TLS_URL",
        }
    }

    fn started(self) -> Running {
        match self {
            Self::Standalone => {
                let redis = Redis::start().unwrap();
                Running::of(redis.url(), redis)
            }
            Self::Cluster => {
                let cluster = RedisCluster::start().unwrap();
                Running::of(cluster.url(), cluster)
            }
            Self::Sentinel => {
                let servers = RedisSentinel::start().unwrap();
                Running::of(servers.url(), servers)
            }
            Self::Tls => {
                let redis = tls_server();
                Running::of(tls_url(&redis), redis)
            }
        }
    }
}

impl Running {
    fn of(url: String, servers: impl Any + Send + Sync) -> Self {
        Self {
            url,
            _servers: Box::new(servers),
        }
    }
}
