//! Stores sealed under AWS KMS: how often it is asked, throttled, away, rotated, disabled.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_core::Target;
use auth_core::clock::ManualClock;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Binding, GrantRecord, Recipe, Record, Version};
use auth_core::store::{MemoryStore, StoreErrorKind, TokenStore as _, WriteIf};
use store_kms::{KmsStore, rewrap};
use store_testkit::Subject;
use test_services::{KmsKeyState, KmsTrouble};

use super::given::{builder, id, kms, provider};

const TASKS: usize = 8;

/// For the suite of all stores: one key for all cases.
pub(crate) async fn in_memory() -> Subject<KmsStore> {
    static KEY: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let kms = kms();
    let provider = provider(&kms, KEY.get_or_init(|| kms.create_key().unwrap())).await;
    let clock = ManualClock::default();
    let memory = MemoryStore::with_clock(Arc::new(clock.clone()));
    let store = KmsStore::builder(memory, provider).clock(clock.clone()).build();
    Subject::new(store, clock)
}

fn key(number: usize) -> Key {
    Key::grant(&Profile::from_parts([&format!("user{number}")]))
}

fn record(number: usize, read: Option<Version>) -> Record {
    let recipe = Recipe::new("authorization_code", Target::new());
    let mut grant = GrantRecord::new(recipe, Binding::new(None, None, "app"));
    grant.refresh_token = Some(token(number).as_str().into());
    Record::encode(key(number), Version::after(read), None, &grant.into())
}

fn token(number: usize) -> String {
    format!("token {number}")
}

fn is_right(record: &Record, number: usize) -> bool {
    let grant = record.decode().unwrap().into_grant().unwrap();
    grant.refresh_token.unwrap().expose() == token(number)
}

/// Saves each of these records so often, by eight at a time.
async fn write(store: &KmsStore, records: usize, rounds: usize) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for number in (task..records).step_by(TASKS) {
                    let mut read = None;
                    for _ in 0..rounds {
                        let next = record(number, read);
                        store.save(&next, WriteIf::unchanged(read)).await.unwrap();
                        read = Some(next.version());
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

/// How many of them do not come back as they were.
async fn lost(store: &KmsStore, records: usize) -> usize {
    let mut lost = 0;
    for number in 0..records {
        let found = store.load(&key(number)).await;
        let is_there = found.is_ok_and(|found| found.is_some_and(|found| is_right(&found, number)));
        lost += usize::from(!is_there);
    }
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_refreshes_take_at_most_21_data_keys() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let under = Arc::new(MemoryStore::new());
    let store = KmsStore::wrap(under.clone(), provider(&kms, &key).await);
    // A refresh saves twice: its mark, and what came of it.
    write(&store, 400, 50).await;
    let calls = kms.count(&key, "GenerateDataKey").unwrap();
    assert!((20..=21).contains(&calls), "{calls}");
    assert_eq!(kms.count(&key, "Decrypt").unwrap(), 0);
    // Another process opens each data key once.
    let other = KmsStore::wrap(under, provider(&kms, &key).await);
    assert_eq!(lost(&other, 400).await, 0);
    let opened = kms.count(&key, "Decrypt").unwrap();
    assert!((1..=calls).contains(&opened), "{opened}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_partition_has_data_keys_of_its_own() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    let store = KmsStore::builder(MemoryStore::new(), provider(&kms, &key).await)
        .namespace("billing")
        .partitions(4);
    write(&store.build(), 200, 20).await;
    let calls = kms.calls(&key).unwrap();
    assert_eq!(calls.len(), 4, "{calls:?}");
    for (partition, calls) in calls.iter().enumerate() {
        assert!((1..=2).contains(&calls.count), "{calls:?}");
        assert!(
            calls.context.contains(r#""tokenkeep:namespace":"billing""#),
            "{partition}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn when_half_of_all_calls_are_throttled_nothing_is_lost() {
    let kms = kms();
    let key = kms.create_key().unwrap();
    kms.set_trouble(&key, KmsTrouble::Throttle(0.5)).unwrap();
    let under = Arc::new(MemoryStore::new());
    let patient = |provider| KmsStore::builder(under.clone(), provider).max_uses(20).build();
    write(&patient(provider(&kms, &key).await), 500, 2).await;
    assert_eq!(lost(&patient(provider(&kms, &key).await), 500).await, 0);
    let calls = kms.calls(&key).unwrap();
    let throttled = |operation: &str| {
        let mut outcomes = calls.iter().filter(|calls| calls.operation == operation);
        outcomes.any(|calls| calls.outcome == "ThrottlingException")
    };
    assert!(throttled("GenerateDataKey") && throttled("Decrypt"), "{calls:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn records_move_to_another_key_while_others_write_and_the_old_one_is_disabled() {
    const RECORDS: usize = 300;
    let kms = kms();
    let (old, new) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let under = Arc::new(MemoryStore::new());
    let before = KmsStore::wrap(under.clone(), provider(&kms, &old).await);
    write(&before, RECORDS, 1).await;
    let rotated = builder(&kms.url(), &new).reading_key(&old).connect().await.unwrap();
    let rotated = KmsStore::wrap(under.clone(), rotated);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (store, stop) = (rotated.clone(), stop.clone());
        async move {
            let mut written = 0;
            while !stop.load(Ordering::SeqCst) {
                let number = written % 20;
                let read = store.load(&key(number)).await.unwrap().map(|found| found.version());
                match store.save(&record(number, read), WriteIf::unchanged(read)).await {
                    Ok(()) => written += 1,
                    Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict),
                }
                tokio::task::yield_now().await;
            }
            written
        }
    });
    let report = rewrap(&rotated, |_| {}).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > 0);
    assert_eq!(report.remaining.besides(&id(&new)), 0, "{report:?}");
    kms.set_state(&old, KmsKeyState::Disabled).unwrap();
    let after = KmsStore::wrap(under, provider(&kms, &new).await);
    assert_eq!(lost(&after, RECORDS).await, 0);
}

#[tokio::test]
async fn a_disabled_key_closes_its_own_records_and_no_others() {
    let kms = kms();
    let (one, two) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let under = Arc::new(MemoryStore::new());
    let first = KmsStore::wrap(under.clone(), provider(&kms, &one).await);
    first.save(&record(1, None), WriteIf::Absent).await.unwrap();
    let open = async || {
        let both = builder(&kms.url(), &two).reading_key(&one).connect().await.unwrap();
        KmsStore::wrap(under.clone(), both)
    };
    open().await.save(&record(2, None), WriteIf::Absent).await.unwrap();
    for state in [KmsKeyState::Disabled, KmsKeyState::PendingDeletion] {
        kms.set_state(&one, state).unwrap();
        let store = open().await;
        let error = store.load(&key(1)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied);
        assert!(error.to_string().contains(&one), "{error}");
        assert!(store.load(&key(2)).await.unwrap().is_some());
    }
    // It was kept.
    kms.set_state(&one, KmsKeyState::Enabled).unwrap();
    let found = open().await.load(&key(1)).await.unwrap().unwrap();
    assert!(is_right(&found, 1));
}

#[tokio::test]
async fn a_record_of_another_namespace_or_key_does_not_open() {
    let kms = kms();
    let (one, two) = (kms.create_key().unwrap(), kms.create_key().unwrap());
    let under = Arc::new(MemoryStore::new());
    let named = async |namespace: &str| {
        let provider = provider(&kms, &one).await;
        KmsStore::builder(under.clone(), provider).namespace(namespace).build()
    };
    named("billing")
        .await
        .save(&record(1, None), WriteIf::Absent)
        .await
        .unwrap();
    let error = named("others").await.load(&key(1)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    let before = kms.calls(&one).unwrap();
    let foreign = KmsStore::wrap(under.clone(), provider(&kms, &two).await);
    assert_eq!(foreign.load(&key(1)).await.unwrap_err().kind(), StoreErrorKind::Denied);
    assert_eq!(
        kms.calls(&one).unwrap(),
        before,
        "a key that is not configured was asked for"
    );
    assert!(kms.calls(&two).unwrap().is_empty());
    assert!(named("billing").await.load(&key(1)).await.unwrap().is_some());
}

#[test]
fn it_outlives_the_runtime_that_it_was_made_in() {
    let runtime = || {
        tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let kms = kms();
    let kms_key = kms.create_key().unwrap();
    let first = runtime();
    let store = first.block_on(async {
        let provider = provider(&kms, &kms_key).await;
        let store = KmsStore::builder(MemoryStore::new(), provider).max_uses(1).build();
        store.save(&record(1, None), WriteIf::Absent).await.unwrap();
        store
    });
    drop(first);
    for number in 2..6 {
        let save = async { store.save(&record(number, None), WriteIf::Absent).await };
        runtime().block_on(save).unwrap();
    }
}
