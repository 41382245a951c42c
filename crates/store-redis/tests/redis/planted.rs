//! Whatever lies in the server: never another key's record, and nothing of it is lost.

use auth_core::store::{Listed, RemoveIf, StoreError, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf};
use test_services::Redis;

use crate::given::{connected, driver, key, record};

fn name(key: &str) -> String {
    format!("tokenkeep:record:{{{key}}}")
}

fn is_damage<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    let error = outcome.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn a_record_under_anothers_name_is_not_handed_out() {
    let redis = Redis::start().unwrap();
    let store = connected(&redis.url()).await;
    store.save(&record("a", "canary", None), WriteIf::Absent).await.unwrap();
    let (from, to) = (name("a#grant"), name("b#grant"));
    redis.command(&["COPY", &from, &to]).unwrap();
    is_damage(store.load(&key("b")).await);
    let good = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(
        store.list_all().await.unwrap(),
        [good.listed(), Listed::damaged(key("b"))]
    );
    assert!(store.load(&key("a")).await.unwrap().is_some());
    assert_eq!(redis.command(&["HGET", &to, "value"]).unwrap(), "canary", "it was kept");
}

#[tokio::test]
async fn what_is_no_record_is_neither_read_nor_overwritten() {
    let redis = Redis::start().unwrap();
    let store = connected(&redis.url()).await;
    let to = name("a#grant");
    let hash = |fields: &str| format!("HSET {to} {fields}");
    let of = |key: &str, more: &str| format!(r#"{{"key":"{key}","version":"1-0011223344556677"{more}}}"#);
    let version = "version 1-0011223344556677";
    let plants = [
        format!("SET {to} canary"),
        hash("value canary"),
        hash(&format!("{version} value canary")),
        hash(&format!("{version} head canary value canary")),
        hash(&format!("{version} head {}", of("a#grant", ""))),
        hash(&format!("{version} head {} value canary", of("b#grant", ""))),
        hash(&format!(
            "{version} head {} value canary",
            of("a#grant", r#","hints":"canary""#)
        )),
        hash(&format!(
            "{version} head {} value canary",
            of("a#grant", r#","keep_until":"canary""#)
        )),
        hash(r#"version canary head {"key":"a#grant","version":"canary"} value canary"#),
    ];
    for plant in plants {
        redis.command(&["DEL", &to]).unwrap();
        redis.command(&plant.split(' ').collect::<Vec<_>>()).unwrap();
        is_damage(store.load(&key("a")).await);
        let listed = store.list_all().await.unwrap();
        let of_ours = !plant.ends_with("#grant} value canary");
        assert_eq!(listed.len(), usize::from(of_ours), "{plant}: {listed:?}");
        assert!(listed.iter().all(|entry| entry.key == key("a")), "{listed:?}");
        let before = redis.command(&["DUMP", &to]).unwrap();
        let error = store
            .save(&record("a", "new", None), WriteIf::Absent)
            .await
            .unwrap_err();
        assert!(
            matches!(error.kind(), StoreErrorKind::Corrupt | StoreErrorKind::Conflict),
            "{error}"
        );
        assert_eq!(redis.command(&["DUMP", &to]).unwrap(), before, "{plant:?}");
    }
    redis.command(&["SET", &to, "canary"]).unwrap();
    is_damage(store.remove(&key("a"), RemoveIf::Any).await);
}

#[tokio::test]
async fn names_that_are_none_of_ours_end_no_list() {
    let redis = Redis::start().unwrap();
    let store = connected(&redis.url()).await;
    for number in 0..20 {
        let name = format!("a{number}");
        store.save(&record(&name, "1", None), WriteIf::Absent).await.unwrap();
    }
    let mut connection = driver(&redis.url()).await;
    for foreign in [
        b"tokenkeep:record:{\xff#grant}".as_slice(),
        b"tokenkeep:record:{a#novel}",
    ] {
        let mut plant = redis::cmd("SET");
        let _: () = plant.arg(foreign).arg("x").query_async(&mut connection).await.unwrap();
    }
    assert_eq!(store.list_all().await.unwrap().len(), 20);
}

#[tokio::test]
async fn prefixes_share_nothing() {
    let redis = Redis::start().unwrap();
    let open = async |prefix: &str| connected(&format!("{}?prefix={prefix}", redis.url())).await;
    let (one, other, longer) = (open("a:").await, open("b:").await, open("a:a:").await);
    one.save(&record("x", "1", None), WriteIf::Absent).await.unwrap();
    for store in [other, longer] {
        assert_eq!(store.load(&key("x")).await.unwrap(), None);
        assert_eq!(store.list_all().await.unwrap(), []);
    }
    assert_eq!(one.list_all().await.unwrap().len(), 1);
}
