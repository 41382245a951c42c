//! How often the key service is asked, and what is done when it does not answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::clock::ManualClock;
use auth_core::record::Version;
use auth_core::sealer::Sealer as _;
use auth_core::secret::SecretBytes;
use auth_core::store::{MemoryStore, StoreErrorKind, TokenStore as _, WriteIf};
use store_kms::KmsStore;

use crate::given::{Counted, ShiftedClock, key, record, whole};

const AGE: Duration = Duration::from_mins(5);

/// For what must come about, however busy the machine.
const LIMIT: Duration = Duration::from_mins(2);

fn turned(service: &Counted) -> (KmsStore, ManualClock) {
    let clock = ManualClock::default();
    let store = KmsStore::builder(MemoryStore::new(), service.clone()).clock(clock.clone());
    (store.build(), clock)
}

/// Saves a record over whatever is there.
async fn put(store: &KmsStore, name: &str, read: Option<Version>) -> Version {
    let record = record(name, "{}", read);
    store.save(&record, WriteIf::unchanged(read)).await.unwrap();
    record.version()
}

#[tokio::test]
async fn twenty_thousand_seals_in_five_minutes_take_at_most_21_calls() {
    let service = Counted::new();
    let (store, clock) = turned(&service);
    for number in 0..10_000 {
        let name = format!("user{}", number % 100);
        // A refresh: the key is pinned, the mark is saved, then what came of it.
        let pinned = store.data_key(&key(&name)).await.unwrap();
        let read = store.load(&key(&name)).await.unwrap().map(|record| record.version());
        let marked = put(&store, &name, read).await;
        put(&store, &name, Some(marked)).await;
        drop(pinned);
        clock.advance(Duration::from_millis(29));
    }
    assert!(service.generated() <= 21, "{} calls", service.generated());
    assert!(
        service.generated() >= 20,
        "{} calls: over a thousand uses each",
        service.generated()
    );
    assert_eq!(service.unwrapped(), 0, "what this process sealed it can open");
}

#[tokio::test]
async fn keys_end_by_age_and_partitions_have_their_own() {
    let service = Counted::new();
    let clock = ManualClock::default();
    let store = KmsStore::builder(MemoryStore::new(), service.clone())
        .clock(clock.clone())
        .partitions(4)
        .build();
    for number in 0..64 {
        put(&store, &format!("user{number}"), None).await;
    }
    assert_eq!(service.generated(), 4);
    clock.advance(AGE.saturating_sub(Duration::from_millis(1)));
    put(&store, "one-more", None).await;
    assert_eq!(service.generated(), 4);
    clock.advance(Duration::from_millis(1));
    put(&store, "another", None).await;
    assert_eq!(service.generated(), 5);
    // What was opened is asked for again when it is as old.
    store.load(&key("user1")).await.unwrap();
    store.load(&key("user1")).await.unwrap();
    assert_eq!(service.unwrapped(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_herd_makes_one_call() {
    let (service, under) = (Counted::new(), Arc::new(MemoryStore::new()));
    let before = KmsStore::wrap(under.clone(), service.clone());
    put(&before, "ana", None).await;
    service.slow(Duration::from_millis(50));
    let after = KmsStore::wrap(under, service.clone());
    let herd: Vec<_> = (0..500)
        .map(|_| {
            let store = after.clone();
            tokio::spawn(async move { store.load(&key("ana")).await.unwrap().unwrap() })
        })
        .collect();
    for one in herd {
        one.await.unwrap();
    }
    assert_eq!(service.unwrapped(), 1);
    let herd: Vec<_> = (0..500)
        .map(|number| {
            let store = after.clone();
            tokio::spawn(async move { put(&store, &format!("user{number}"), None).await })
        })
        .collect();
    for one in herd {
        one.await.unwrap();
    }
    assert_eq!(service.generated(), 2, "one for each process");
}

#[tokio::test]
async fn opened_keys_are_bounded() {
    let (service, under) = (Counted::new(), Arc::new(MemoryStore::new()));
    let writer = KmsStore::builder(under.clone(), service.clone()).max_uses(1).build();
    for number in 0..300 {
        put(&writer, &format!("user{number}"), None).await;
    }
    assert_eq!(service.generated(), 300, "each is used once");
    let reader = KmsStore::builder(under, service.clone()).max_opened(100).build();
    for round in 0..2 {
        for number in 0..300 {
            assert!(
                reader.load(&key(&format!("user{number}"))).await.unwrap().is_some(),
                "{round}"
            );
        }
    }
    let calls = service.unwrapped();
    assert!(
        (301..=600).contains(&calls),
        "{calls} calls: the cache is not bounded, or is none"
    );
}

#[tokio::test]
async fn a_pinned_key_seals_however_old_and_alone() {
    let service = Counted::new();
    let clock = ShiftedClock::default();
    let store = KmsStore::builder(MemoryStore::new(), service.clone())
        .clock(clock.clone())
        .build();
    let first = put(&store, "ana", None).await;
    let pinned = store.data_key(&key("ana")).await.unwrap();
    clock.advance(2 * AGE);
    service.away(true);
    let second = put(&store, "ana", Some(first)).await;
    assert_eq!(
        store.load(&key("ana")).await.unwrap().unwrap().version(),
        second,
        "and opens"
    );
    let aside = pinned.seal("aside", &SecretBytes::new(b"child".to_vec())).unwrap();
    assert_eq!(
        store.open(&key("ana"), "aside", &aside).await.unwrap().expose(),
        b"child"
    );
    assert!(store.open(&key("ana"), "other", &aside).await.is_err());
    // Another profile's, and ours once it is let go.
    let begun = Instant::now();
    assert!(store.save(&record("ben", "{}", None), WriteIf::Absent).await.is_err());
    drop(pinned);
    let late = store
        .save(&record("ana", "{}", Some(second)), WriteIf::Matches(second))
        .await;
    assert_eq!(late.unwrap_err().kind(), StoreErrorKind::Unavailable);
    assert!(begun.elapsed() < LIMIT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_another_process_put_aside_opens() {
    let service = Counted::new();
    let under = Arc::new(MemoryStore::new());
    let one = KmsStore::wrap(under.clone(), service.clone());
    let sealed = one.data_key(&key("ana")).await.unwrap();
    let aside = sealed.seal("name", &SecretBytes::new(b"child".to_vec())).unwrap();
    let other = KmsStore::wrap(under, service.clone());
    other.data_key(&key("ana")).await.unwrap();
    assert_eq!(
        other.open(&key("ana"), "name", &aside).await.unwrap().expose(),
        b"child"
    );
}

#[tokio::test]
async fn nothing_is_lost_while_half_of_the_calls_are_throttled() {
    let (service, under) = (Counted::new(), Arc::new(MemoryStore::new()));
    let store = KmsStore::builder(under.clone(), service.clone()).max_uses(5).build();
    service.throttle_half();
    for number in 0..100 {
        put(&store, &format!("user{number}"), None).await;
    }
    let reader = KmsStore::wrap(under, service.clone());
    for number in 0..100 {
        assert!(reader.load(&key(&format!("user{number}"))).await.unwrap().is_some());
    }
    assert!(
        service.generated() >= 40,
        "{} calls: none was throttled",
        service.generated()
    );
}

#[tokio::test]
async fn who_is_away_is_not_waited_for_and_is_noticed_when_back() {
    let service = Counted::new();
    let clock = ShiftedClock::default();
    let store = KmsStore::builder(MemoryStore::new(), service.clone())
        .clock(clock.clone())
        .build();
    let first = put(&store, "ana", None).await;
    service.away(true);
    clock.advance(AGE);
    let next = record("ana", "{}", Some(first));
    let error = store.save(&next, WriteIf::Matches(first)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(
        whole(&error).contains("can't be reached: nobody answers"),
        "{}",
        whole(&error)
    );
    let (asked, begun) = (service.generated(), Instant::now());
    for _ in 0..1_000 {
        assert!(store.save(&next, WriteIf::Matches(first)).await.is_err());
    }
    // To ask each time takes 150 ms each; whether it is back is asked once a second.
    let took = begun.elapsed();
    assert!(took < LIMIT, "{took:?}");
    assert!(
        service.generated() <= asked + 1 + took.as_secs(),
        "asked again and again"
    );
    service.away(false);
    let back = Instant::now();
    while store.save(&next, WriteIf::Matches(first)).await.is_err() {
        assert!(back.elapsed() < LIMIT, "{:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
