//! Servers that refuse: each says which store, why, and what to do; none shows a password.

use std::error::Error as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use auth_core::store::{LeaseId, RemoveIf, StoreError, StoreErrorKind, TokenStore as _, WriteIf};
use store_redis::RedisStore;
use test_services::{Redis, free_port};

use crate::given::{connected, driver, key, patient, record, tls_server, tls_url};

/// The whole of an error in one text.
fn text(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut layer = error.source();
    while let Some(error) = layer {
        text = format!("{text} {error} {error:?}");
        layer = error.source();
    }
    assert!(!text.contains("canary"), "{text}");
    text
}

/// Far longer than it takes to say so, and sooner than somebody who never does is given up.
const SOON: Duration = Duration::from_secs(25);

async fn refused(url: &str, kind: StoreErrorKind, words: &str) {
    refused_as_usual(&patient(url), kind, words).await;
}

async fn refused_as_usual(url: &str, kind: StoreErrorKind, words: &str) {
    let begun = Instant::now();
    let error = RedisStore::connect(url).await.unwrap_err();
    assert_eq!(error.kind(), kind, "{}", text(&error));
    assert!(text(&error).contains(words), "{}", text(&error));
    assert!(error.to_string().starts_with("redis store: open: "), "{error}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_wrong_password() {
    let redis = Redis::builder().password("right").start().unwrap();
    let with = |userinfo: &str| format!("redis://{userinfo}{}", redis.address());
    refused(&with(":canary@"), StoreErrorKind::Denied, "password_file=").await;
    refused(
        &with("canary-user:canary@"),
        StoreErrorKind::Denied,
        "TOKENKEEP_REDIS_PASSWORD",
    )
    .await;
    refused(&with(""), StoreErrorKind::Denied, "missing").await;
    connected(&with(":right@")).await;
}

#[tokio::test]
async fn a_password_that_changes_is_noticed_at_the_next_connection() {
    let redis = Redis::builder().password("right").start().unwrap();
    let store = connected(&format!("redis://:right@{}", redis.address())).await;
    redis.command(&["CONFIG", "SET", "requirepass", "other"]).unwrap();
    let other = format!("redis://:other@{}", redis.address());
    connected(&other).await;
    assert_eq!(
        store.load(&key("a")).await.unwrap(),
        None,
        "an open connection stays open"
    );
    let mut connection = driver(&other).await;
    let mut kill = redis::cmd("CLIENT");
    kill.arg("KILL").arg("TYPE").arg("normal").arg("SKIPME").arg("yes");
    let _: i64 = kill.query_async(&mut connection).await.unwrap();
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{}", text(&error));
    assert!(text(&error).contains("password_file="), "{}", text(&error));
}

#[tokio::test]
async fn a_database_that_is_not_there_or_not_allowed() {
    let rules = "~tokenkeep:* +@all -select";
    let redis = Redis::builder().user("app", "canary", rules).start().unwrap();
    let without_database = redis.url();
    let without_database = without_database.trim_end_matches('/');
    refused(&format!("{without_database}/99"), StoreErrorKind::Denied, "`databases`").await;
    let app = format!("redis://app:canary@{}/1", redis.address());
    refused(&app, StoreErrorKind::Denied, "+select").await;
}

#[tokio::test]
async fn a_scheme_that_does_not_fit_the_server() {
    let redis = Redis::start().unwrap();
    let with = |scheme: &str, path: &str| format!("{scheme}://{}{path}", redis.address());
    refused(
        &with("redis+cluster", ""),
        StoreErrorKind::Invalid,
        "redis:// for one server",
    )
    .await;
    refused(&with("redis+sentinel", "/main"), StoreErrorKind::Invalid, "26379").await;
}

#[tokio::test]
async fn a_port_of_something_else() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    refused(&format!("redis://{address}"), StoreErrorKind::Unavailable, "port right").await;
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let rules = "~tokenkeep:* +@all -hset -scan -set";
    let redis = Redis::builder().user("app", "canary", rules).start().unwrap();
    let store = connected(&format!("redis://app:canary@{}", redis.address())).await;
    let save = store.save(&record("a", "1", None), WriteIf::Absent).await.unwrap_err();
    let list = store.list(auth_core::store::Page::first()).await.unwrap_err();
    let lease = store
        .try_lease(&key("a"), &LeaseId::random(), Duration::from_secs(1))
        .await
        .unwrap_err();
    for (error, command) in [(save, "hset"), (list, "scan"), (lease, "set")] {
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{}", text(&error));
        assert!(text(&error).contains(&format!("+{command}")), "{}", text(&error));
    }
    let other = format!("redis://app:canary@{}?prefix=other:", redis.address());
    let store = connected(&other).await;
    let error = store.load(&key("a")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{}", text(&error));
    assert!(text(&error).contains("~PREFIX*"), "{}", text(&error));
}

#[tokio::test]
async fn certificates_that_do_not_fit() {
    let redis = tls_server();
    let (url, files) = (tls_url(&redis), redis.certificates().unwrap().clone());
    let with = |from: &std::path::Path, to: &std::path::Path| url.replace(from.to_str().unwrap(), to.to_str().unwrap());
    refused(
        &with(&files.authority, &files.stranger),
        StoreErrorKind::Denied,
        "ca=FILE",
    )
    .await;
    let stranger_key = files.stranger.with_extension("key");
    let strange = with(&files.client, &files.stranger)
        .replace(files.client_key.to_str().unwrap(), stranger_key.to_str().unwrap());
    refused(&strange, StoreErrorKind::Denied, "cert= and key=").await;
    let bare = format!("{}?ca={}", redis.tls_url().unwrap(), files.authority.display());
    refused(&bare, StoreErrorKind::Denied, "cert= and key=").await;
    refused(
        &with(&files.authority, std::path::Path::new("/nowhere.pem")),
        StoreErrorKind::Invalid,
        "can't be read",
    )
    .await;
    refused(
        &with(&files.authority, &redis.folder().join("password")),
        StoreErrorKind::Denied,
        "ca=FILE",
    )
    .await;
    // TLS where there is none, and none where there is TLS: one of them waits for the other, so little patience is best.
    let plain = format!("rediss://{}?ca={}", redis.address(), files.authority.display());
    refused_as_usual(&plain, StoreErrorKind::Unavailable, "(rediss://)").await;
    let tls = redis.tls_url().unwrap().replace("rediss", "redis");
    refused_as_usual(&tls, StoreErrorKind::Unavailable, "").await;
}

#[tokio::test]
async fn a_replica_takes_no_writes() {
    let primary = Redis::start().unwrap();
    let follows = format!("127.0.0.1 {}", primary.address().port());
    let replica = Redis::builder().option("replicaof", &follows).start().unwrap();
    replica.wait_until_synced().unwrap();
    let store = connected(&replica.url()).await;
    let error = store.save(&record("a", "1", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{}", text(&error));
    assert!(text(&error).contains("redis+sentinel://"), "{}", text(&error));
}

#[tokio::test]
async fn a_server_whose_memory_is_full_keeps_what_it_has() {
    let redis = Redis::start().unwrap();
    let store = connected(&redis.url()).await;
    let old = record("a", "old", None);
    store.save(&old, WriteIf::Absent).await.unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let new = record("a", "new", Some(old.version()));
    let error = store.save(&new, WriteIf::Matches(old.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{}", text(&error));
    assert!(text(&error).contains("maxmemory"), "{}", text(&error));
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(old.clone()));
    redis.command(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    store.save(&new, WriteIf::Matches(old.version())).await.unwrap();
    redis.command(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    let stale = store.remove(&key("a"), RemoveIf::Matches(old.version())).await;
    assert_eq!(stale.unwrap_err().kind(), StoreErrorKind::Conflict);
    assert!(store.remove(&key("a"), RemoveIf::Any).await.unwrap());
    assert!(!store.remove(&key("a"), RemoveIf::Any).await.unwrap());
}

#[tokio::test]
async fn too_few_replicas_for_the_server_itself() {
    let redis = Redis::builder().option("min-replicas-to-write", "1").start().unwrap();
    let store = connected(&redis.url()).await;
    let error = store.save(&record("a", "1", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{}", text(&error));
    assert!(text(&error).contains("min-replicas-to-write"), "{}", text(&error));
}

#[tokio::test]
async fn servers_that_are_not_there() {
    let nobody = format!("127.0.0.1:{}", free_port().unwrap());
    for url in [
        format!("redis://u:canary@{nobody}"),
        format!("redis+cluster://u:canary@{nobody},{nobody}"),
        format!("redis+sentinel://u:canary@{nobody}/main"),
        format!("redis://u:canary@no-such-host.invalid:{}", 6379),
    ] {
        // A resolver may take long to find nobody.
        refused_as_usual(&url, StoreErrorKind::Unavailable, "").await;
    }
}
