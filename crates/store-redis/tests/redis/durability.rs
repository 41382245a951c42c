//! What the store promises is what its servers do.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_core::clock::{Clock as _, SystemClock};
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, Record, Version};
use auth_core::store::{Capabilities, Persistence, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use auth_core::target::Target;
use store_redis::RedisStore;
use test_services::{Redis, RedisBuilder, RedisSentinel};

use crate::given::{connected, in_time, key, record, with_replica};

fn durable() -> RedisBuilder {
    Redis::builder().durable()
}

fn making_room(policy: &str) -> RedisBuilder {
    let limited = durable().option("maxmemory", "100mb");
    limited.option("maxmemory-policy", policy)
}

#[test]
fn each_server_is_judged_and_what_it_lacks_is_said() {
    use Persistence::{DurableNode, Evictable, UntilRestart};
    for (server, promised, said) in [
        (durable(), DurableNode, ""),
        (Redis::builder(), UntilRestart, "append-only file is off"),
        (
            durable().option("appendfsync", "everysec"),
            UntilRestart,
            "appendfsync is everysec",
        ),
        (
            durable().option("no-appendfsync-on-rewrite", "yes"),
            UntilRestart,
            "no-appendfsync-on-rewrite",
        ),
        (making_room("allkeys-lru"), Evictable, "allkeys-lru"),
        (making_room("volatile-lru"), DurableNode, ""),
    ] {
        check(server, "", promised, said);
    }
}

#[test]
fn so_it_is_with_what_the_url_demands() {
    use Persistence::{DurableNode, Evictable, UntilRestart};
    let user = |rules| durable().user("app", "pw", rules);
    for (server, url, promised, said) in [
        (Redis::builder(), "?durability=node", DurableNode, ""),
        (
            Redis::builder(),
            "?wait_replicas=1",
            UntilRestart,
            "0 replicas of the 1",
        ),
        (
            making_room("allkeys-lru"),
            "?allow_volatile_refresh_tokens=true",
            Evictable,
            "allkeys-lru",
        ),
        (user("~* +@all -config"), "?username=app", UntilRestart, "+config|get"),
        (user("~* +@all -config -info"), "?username=app", UntilRestart, "+info"),
        (
            user("~* +@all -config -info"),
            "?username=app&wait_replicas=1",
            UntilRestart,
            "+info",
        ),
    ] {
        check(server, url, promised, said);
    }
}

fn check(server: RedisBuilder, url: &str, promised: Persistence, said: &str) {
    let allowed = url.contains("allow_volatile_refresh_tokens");
    let (found, warning) = judged(server, url);
    assert_eq!(found.persistence, promised, "{warning}");
    assert_eq!(
        found.refuses_refresh_tokens(),
        promised == Persistence::Evictable && !allowed
    );
    assert_eq!(warning.is_empty(), said.is_empty(), "{warning}");
    assert!(warning.contains(said), "{warning}");
}

fn judged(server: RedisBuilder, url: &str) -> (Capabilities, String) {
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
    let store = tracing::subscriber::with_default(subscriber, || runtime.block_on(connected(&url)));
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(text.is_empty() || text.contains("WARN"), "{text}");
    (store.capabilities(), text)
}

#[tokio::test]
async fn a_write_that_was_answered_survives_a_kill() {
    let mut redis = Redis::builder().durable().start().unwrap();
    let store = connected(&redis.url()).await;
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

/// They are waited for half as long as an answer: the rest is for a busy machine.
const SOON: &str = "wait_replicas=1&connect_timeout=30000&answer_timeout=10000";

#[tokio::test]
async fn replicas_that_do_not_answer_make_a_save_uncertain() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::connect(&format!("{}?{SOON}", redis.url())).await.unwrap();
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
    let servers = RedisSentinel::start().unwrap();
    let waiting = RedisStore::connect(&with_replica(&servers.url())).await.unwrap();
    assert_eq!(waiting.capabilities().persistence, Persistence::DurableReplicated);
    waiting.save(&record("a", "1", None), WriteIf::Absent).await.unwrap();
    let plain = connected(&servers.url()).await;
    assert_eq!(plain.capabilities().persistence, Persistence::UntilRestart);
}

#[tokio::test]
async fn writes_that_wait_hold_up_nobody() {
    let redis = Redis::start().unwrap();
    let store = RedisStore::connect(&format!("{}?{SOON}", redis.url())).await.unwrap();
    let waiting: Vec<_> = (0..8)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                let grant = record(&format!("a{number}"), "1", None);
                store.save(&grant, WriteIf::Absent).await
            })
        })
        .collect();
    let token = Key::token(&Profile::default(), Target::new().id());
    let token = Record::from_parts(
        token,
        Version::after(None),
        None,
        Hints::default(),
        b"t".to_vec().into(),
    );
    store.save(&token, WriteIf::Absent).await.unwrap();
    assert!(store.remove(token.key(), RemoveIf::Any).await.unwrap());
    for save in waiting {
        let error = save.await.unwrap().unwrap_err();
        assert!(error.to_string().contains("0 replicas of the 1"), "{error}");
    }
}

#[tokio::test]
async fn a_save_that_is_sent_again_reaches_the_replicas_again() {
    let primary = Redis::start().unwrap();
    let follows = format!("127.0.0.1 {}", primary.address().port());
    let replica = Redis::builder().option("replicaof", &follows).start().unwrap();
    replica.wait_until_synced().unwrap();
    let store = RedisStore::connect(&with_replica(&primary.url())).await.unwrap();
    let first = record("a", "1", None);
    in_time(async || store.save(&first, WriteIf::Absent).await).await;
    // Who waits for replicas waits for what was written last: a save that writes nothing is confirmed by all.
    let writes = || primary.command(&["INFO", "commandstats"]).unwrap();
    let count = |stats: &str| {
        let line = stats.lines().find(|line| line.starts_with("cmdstat_hset:")).unwrap();
        line.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap()
    };
    let before = count(&writes());
    store.save(&first, WriteIf::Absent).await.unwrap();
    assert_eq!(count(&writes()), before + 1);
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(first));
}

#[tokio::test]
async fn where_room_is_made_refresh_tokens_have_no_end() {
    for (policy, kept) in [("volatile-lru", true), ("noeviction", false)] {
        let server = Redis::builder()
            .option("maxmemory", "100mb")
            .option("maxmemory-policy", policy);
        let redis = server.start().unwrap();
        let store = connected(&redis.url()).await;
        for (name, refreshable) in [("live", true), ("over", false)] {
            let end = SystemClock.now().plus(Duration::from_secs(3_600));
            let mut hints = Hints::default();
            hints.refreshable = refreshable;
            let grant = Record::from_parts(key(name), Version::after(None), Some(end), hints, b"g".to_vec().into());
            store.save(&grant, WriteIf::Absent).await.unwrap();
            let left = redis
                .command(&["PTTL", &format!("tokenkeep:record:{{{}}}", key(name))])
                .unwrap();
            assert_eq!(left == "-1", kept && refreshable, "{policy}, {name}: {left}");
        }
    }
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
