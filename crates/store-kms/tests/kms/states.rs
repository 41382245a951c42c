//! What the key service says of a key: each its own error, and the record is kept.

use std::sync::Arc;

use auth_core::store::{MemoryStore, StoreErrorKind, TokenStore as _, WriteIf};
use store_kms::{KeyErrorKind, KmsStore, LocalKeys};

use crate::given::{Counted, key, local, local_key, record, whole, with_body};

#[tokio::test]
async fn each_state_of_a_key_has_its_own_words() {
    let (service, under) = (Counted::new(), Arc::new(MemoryStore::new()));
    let writer = KmsStore::wrap(under.clone(), service.clone());
    let ana = record("ana", "{}", None);
    writer.save(&ana, WriteIf::Absent).await.unwrap();
    let mut seen = Vec::new();
    for (state, kind, words, replaceable) in [
        (KeyErrorKind::Config, StoreErrorKind::Invalid, "settings", false),
        (KeyErrorKind::Denied, StoreErrorKind::Denied, "may not use", false),
        (KeyErrorKind::Disabled, StoreErrorKind::Denied, "disabled", true),
        (KeyErrorKind::Invalid, StoreErrorKind::Corrupt, "was changed", true),
        (KeyErrorKind::NotFound, StoreErrorKind::Denied, "no such key", true),
        (KeyErrorKind::PendingDeletion, StoreErrorKind::Denied, "deletion", true),
    ] {
        service.refuse(Some(state));
        let reader = KmsStore::wrap(under.clone(), service.clone());
        let error = reader.load(ana.key()).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{state:?}");
        let text = whole(&error);
        assert!(text.contains(words) && text.contains("ana#grant"), "{state:?}: {text}");
        assert!(
            text.contains("refused by the test") && text.contains("local:"),
            "{text}"
        );
        assert_eq!(error.stored().is_some(), replaceable, "{state:?}");
        assert_eq!(error.store(), "kms+memory");
        assert!(under.load(ana.key()).await.unwrap().is_some());
        let fresh = record("ben", "{}", None);
        assert!(reader.save(&fresh, WriteIf::Absent).await.is_err(), "{state:?}");
        seen.push(error.to_string());
    }
    seen.dedup();
    assert_eq!(seen.len(), 6);
    service.refuse(None);
    let reader = KmsStore::wrap(under, service);
    assert_eq!(reader.load(ana.key()).await.unwrap(), Some(ana));
}

#[tokio::test]
async fn a_key_that_is_not_configured_is_not_asked_for() {
    let under = Arc::new(MemoryStore::new());
    let elsewhere = KmsStore::wrap(under.clone(), LocalKeys::new(local_key(9)));
    elsewhere
        .save(&record("ana", "{}", None), WriteIf::Absent)
        .await
        .unwrap();
    let service = Counted::new();
    let store = KmsStore::wrap(under.clone(), service.clone());
    let error = store.load(&key("ana")).await.unwrap_err();
    assert_eq!((error.kind(), service.unwrapped()), (StoreErrorKind::Denied, 0));
    let text = error.to_string();
    assert!(
        text.contains(local_key(9).id().as_str()) && text.contains("not configured"),
        "{text}"
    );
    // The others work on.
    store.save(&record("ben", "{}", None), WriteIf::Absent).await.unwrap();
    assert!(store.load(&key("ben")).await.unwrap().is_some());
}

#[tokio::test]
async fn another_namespace_has_other_records() {
    let under = Arc::new(MemoryStore::new());
    let named = |name: &str| KmsStore::builder(under.clone(), local()).namespace(name).build();
    let ana = record("ana", "{}", None);
    named("one").save(&ana, WriteIf::Absent).await.unwrap();
    let error = named("two").load(ana.key()).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    assert!(error.to_string().contains("namespace"), "{error}");
    assert!(named("one").load(ana.key()).await.unwrap().is_some());
}

#[tokio::test]
async fn partitions_may_change() {
    let under = Arc::new(MemoryStore::new());
    let parted = |count| KmsStore::builder(under.clone(), local()).partitions(count).build();
    for number in 0..20 {
        let store = parted(1 + number % 4);
        let name = format!("user{number}");
        store.save(&record(&name, "{}", None), WriteIf::Absent).await.unwrap();
    }
    for number in 0..20 {
        assert!(parted(3).load(&key(&format!("user{number}"))).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn garbage_is_kept() {
    let under = Arc::new(MemoryStore::new());
    let store = KmsStore::wrap(under.clone(), local());
    let sealed_magic = [0xFE, b't', b'k', b's'];
    for (number, garbage) in [&b""[..], b"\xFE", &sealed_magic, b"\xFEtks\x01\x01", b"garbage"]
        .iter()
        .enumerate()
    {
        let planted = with_body(&record(&format!("user{number}"), "", None), garbage.to_vec());
        under.save(&planted, WriteIf::Absent).await.unwrap();
        let error = store.load(planted.key()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{garbage:?}");
        assert_eq!(under.load(planted.key()).await.unwrap(), Some(planted));
    }
}

#[tokio::test]
async fn the_store_says_what_it_is() {
    let store = KmsStore::wrap(MemoryStore::new(), local());
    assert_eq!(store.name(), "kms+memory");
    assert!(store.capabilities().sealed && store.sealer().is_some());
    assert_eq!(store.writing_key(), local_key(1).id());
    let debug = format!("{store:?}");
    assert!(debug.contains("local:") && !debug.contains("0, 3, 2"), "{debug}");
}
