//! What is in the database: names, indexes, others' hands.

use std::time::{Duration, Instant};

use auth_core::clock::{Clock as _, ManualClock, SystemClock};
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, Record, Version};
use auth_core::store::{
    Lease, LeaseId, Listed, RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf,
};
use store_mongo::MongoStore;
use store_mongo::mongodb::bson::doc;

use crate::given::{LIMIT, bounded, documents, fresh_namespace, key, open, open_in, put, record, refused};

const HOUR: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn a_record_is_never_another_keys() {
    let namespace = fresh_namespace();
    let store = open(&namespace).await;
    let stored = put(&store, "a").await;
    let documents = documents(&namespace).await;
    let of = |name: &str| doc! { "_id": format!("{namespace}:{}", key(name)) };
    let mut moved = documents.find_one(of("a")).await.unwrap().unwrap();
    moved.insert("_id", format!("{namespace}:{}", key("b")));
    documents.insert_one(&moved).await.unwrap();
    let error = refused(store.load(&key("b"))).await;
    assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
    moved.insert("_id", format!("{namespace}:b#novel"));
    documents.insert_one(&moved).await.unwrap();
    let listed = bounded(store.list_all()).await.unwrap();
    assert_eq!(listed, [stored.listed(), Listed::damaged(key("b"))]);
    assert!(
        documents.find_one(of("b")).await.unwrap().is_some(),
        "it was kept as it is"
    );
    assert!(store.load(&key("a")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_damaged_document_is_corrupt_and_kept() {
    let namespace = fresh_namespace();
    let store = open(&namespace).await;
    let stored = put(&store, "a").await;
    let documents = documents(&namespace).await;
    let named = doc! { "_id": format!("{namespace}:{}", key("a")) };
    documents
        .update_one(named.clone(), doc! { "$set": { "version": "canary" } })
        .await
        .unwrap();
    for error in [
        refused(store.load(&key("a"))).await,
        refused(store.save(&record("a", "{}", None), WriteIf::Absent)).await,
        refused(store.save(&record("a", "{}", None), WriteIf::Matches(stored.version()))).await,
        refused(store.remove(&key("a"), RemoveIf::Matches(stored.version()))).await,
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{error}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("a#grant") && !text.contains("canary"), "{text}");
    }
    let listed = bounded(store.list_all()).await.unwrap();
    assert_eq!(listed, [Listed::damaged(key("a"))]);
    assert_eq!(
        documents
            .find_one(named)
            .await
            .unwrap()
            .unwrap()
            .get_str("version")
            .unwrap(),
        "canary"
    );
}

#[tokio::test]
async fn namespaces_see_nothing_of_each_other() {
    let (one, two) = (fresh_namespace(), fresh_namespace());
    let (one, two) = (open_in(&one, &one).await, open_in(&one, &two).await);
    let mine = put(&one, "a").await;
    assert_eq!(two.load(&key("a")).await.unwrap(), None);
    let theirs = put(&two, "a").await;
    assert_ne!(mine.version(), theirs.version());
    assert_eq!(one.list_all().await.unwrap(), [mine.listed()]);
    let (id, other) = (LeaseId::random(), LeaseId::random());
    assert_eq!(one.try_lease(&key("a"), &id, HOUR).await.unwrap(), Lease::Granted);
    assert_eq!(two.try_lease(&key("a"), &other, HOUR).await.unwrap(), Lease::Granted);
}

/// Also by those within one millisecond, which leave its end where it is.
#[tokio::test]
async fn a_lease_is_renewed_as_often_as_its_holder_asks() {
    let store = open(&fresh_namespace()).await;
    let id = LeaseId::random();
    assert_eq!(store.try_lease(&key("a"), &id, HOUR).await.unwrap(), Lease::Granted);
    let mut renewals = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, id) = (store.clone(), id.clone());
        renewals.spawn(async move { store.renew(&key("a"), &id, HOUR).await.unwrap() });
    }
    assert!(renewals.join_all().await.into_iter().all(|renewed| renewed));
}

#[tokio::test]
async fn the_index_sweeps_what_a_load_hides_already() {
    let namespace = fresh_namespace();
    let now = SystemClock.now();
    // To this clock both are alive, so that both are stored and found.
    let clock = ManualClock::at(now.minus(10 * HOUR));
    let store = open(&namespace).await.with_clock(std::sync::Arc::new(clock.clone()));
    let ends = [("swept", now.minus(2 * HOUR)), ("kept", now.minus(HOUR / 2))];
    for (name, end) in ends {
        let record = Record::from_parts(
            key(name),
            Version::after(None),
            Some(end),
            Hints::default(),
            b"x".to_vec().into(),
        );
        store.save(&record, WriteIf::Absent).await.unwrap();
    }
    let documents = documents(&namespace).await;
    let stored = |name: &str| documents.find_one(doc! { "_id": format!("{namespace}:{}", key(name)) });
    clock.set_wall(now);
    for (name, _) in ends {
        assert_eq!(store.load(&key(name)).await.unwrap(), None, "{name} is past its end");
    }
    // MongoDB sweeps once a minute, the server of the tests every five seconds.
    let begun = Instant::now();
    while stored("swept").await.unwrap().is_some() {
        assert!(begun.elapsed() < LIMIT, "never swept");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(
        stored("kept").await.unwrap().is_some(),
        "swept before its hour was over"
    );
}

#[tokio::test]
async fn the_callers_client_does() {
    let namespace = fresh_namespace();
    let store = MongoStore::from_client(&documents(&namespace).await);
    let record = put(&store, "a").await;
    assert_eq!(bounded(store.load(&key("a"))).await.unwrap(), Some(record));
    let lease = store.try_lease(&key("a"), &LeaseId::random(), HOUR).await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    assert!(store.with_namespace("Not One").is_err());
}

/// Opened on a runtime that has ended; used without any.
#[test]
fn a_store_outlives_the_runtime_that_opened_it() {
    let namespace = fresh_namespace();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let store = runtime().block_on(async {
        let store = open(&namespace).await;
        put(&store, "a").await;
        store
    });
    let found = runtime().block_on(store.load(&key("a"))).unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn other_parts_are_read_too() {
    let store = open(&fresh_namespace()).await;
    let profile = Profile::default();
    for key in [Key::client(&profile), Key::login(&profile, "state")] {
        let record = Record::from_parts(
            key.clone(),
            Version::after(None),
            None,
            Hints::default(),
            b"x".to_vec().into(),
        );
        store.save(&record, WriteIf::Absent).await.unwrap();
        assert_eq!(store.load(&key).await.unwrap(), Some(record));
    }
}
