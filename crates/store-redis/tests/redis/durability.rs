//! What the store promises is what its servers do.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_core::store::{Persistence, StoreErrorKind, TokenStore as _, WriteIf};
use store_redis::RedisStore;
use test_services::{Redis, RedisBuilder, RedisSentinel};

use crate::given::{key, record};

#[test]
fn each_server_is_judged_and_what_it_lacks_is_said() {
    let durable = || Redis::builder().durable();
    for (server, url, promised, said) in [
        (durable(), "", Persistence::DurableNode, ""),
        (
            Redis::builder(),
            "",
            Persistence::UntilRestart,
            "append-only file is off",
        ),
        (
            durable().option("appendfsync", "everysec"),
            "",
            Persistence::UntilRestart,
            "appendfsync is everysec",
        ),
        (
            durable()
                .option("maxmemory", "100mb")
                .option("maxmemory-policy", "allkeys-lru"),
            "",
            Persistence::Evictable,
            "allkeys-lru",
        ),
        (Redis::builder(), "?durability=node", Persistence::DurableNode, ""),
        (
            durable().user("app", "pw", "~* +@all -config -info"),
            "?username=app",
            Persistence::UntilRestart,
            "+config|get",
        ),
    ] {
        let (found, warning) = judged(server, url);
        assert_eq!(found, promised, "{warning}");
        assert_eq!(warning.is_empty(), said.is_empty(), "{warning}");
        assert!(warning.contains(said), "{warning}");
    }
}

fn judged(server: RedisBuilder, url: &str) -> (Persistence, String) {
    let redis = server.start().unwrap();
    let mut url = format!("{}{url}", redis.url());
    if url.contains("username") {
        let file = redis.folder().join("password");
        std::fs::write(&file, "pw").unwrap();
        url = format!("{url}&password_file={}", file.display());
    }
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let store = tracing::subscriber::with_default(subscriber, || runtime.block_on(RedisStore::connect(&url)).unwrap());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.contains("WARN"), "{text}");
    (store.capabilities().persistence, text)
}

#[tokio::test]
async fn a_write_that_was_answered_survives_a_kill() {
    let mut redis = Redis::builder().durable().start().unwrap();
    let store = RedisStore::connect(&redis.url()).await.unwrap();
    assert_eq!(store.capabilities().persistence, Persistence::DurableNode);
    for round in 0..20 {
        let read = store.load(&key("a")).await.unwrap().map(|record| record.version());
        let next = record("a", format!("{round}"), read);
        store.save(&next, WriteIf::unchanged(read)).await.unwrap();
        redis.kill();
        redis.restart().unwrap();
        assert_eq!(store.load(&key("a")).await.unwrap(), Some(next));
    }
}

#[tokio::test]
async fn replicas_that_do_not_answer_make_a_save_uncertain() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::connect(&format!("{}?wait_replicas=1", redis.url()))
        .await
        .unwrap();
    let first = record("a", "1", None);
    let error = store.save(&first, WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous);
    assert!(error.to_string().contains("0 replicas of the 1"), "{error}");
    // It is there: that is what is not known.
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(first.clone()));
    let again = store.save(&first, WriteIf::Absent).await.unwrap_err();
    assert_eq!(again.kind(), StoreErrorKind::Ambiguous, "{again}");
    let stale = store.save(&record("a", "2", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(stale.kind(), StoreErrorKind::Conflict, "{stale}");
}

#[tokio::test]
async fn replicas_that_answer_are_a_promise() {
    let servers = RedisSentinel::start(Duration::from_secs(60)).unwrap();
    let waiting = RedisStore::connect(&format!("{}?wait_replicas=1", servers.url()))
        .await
        .unwrap();
    assert_eq!(waiting.capabilities().persistence, Persistence::DurableReplicated);
    waiting.save(&record("a", "1", None), WriteIf::Absent).await.unwrap();
    let plain = RedisStore::connect(&servers.url()).await.unwrap();
    assert_eq!(plain.capabilities().persistence, Persistence::UntilRestart);
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
