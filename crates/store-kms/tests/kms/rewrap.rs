//! From one key to another, while others work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Binding, Contents, GrantRecord, Recipe};
use auth_core::store::{MemoryStore, StoreErrorKind, TokenStore as _, TokenStoreExt as _};
use auth_core::target::Target;
use store_json::JsonStore;
use store_kms::{KmsStore, LocalKeys, keys_in_use, rewrap};

use crate::given::{local_key, record};

fn grant(token: &str) -> Contents {
    let mut grant = GrantRecord::new(
        Recipe::new("authorization_code", Target::new()),
        Binding::new(None, None, "app"),
    );
    grant.refresh_token = Some(token.into());
    grant.into()
}

fn profile_key(number: usize) -> Key {
    Key::grant(&Profile::from_parts([&format!("user{number}")]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_records_move_while_eight_write_and_then_the_old_key_can_go() {
    const RECORDS: usize = 10_000;
    let under = Arc::new(MemoryStore::new());
    let (old, new) = (local_key(1), local_key(2));
    let before = KmsStore::wrap(under.clone(), LocalKeys::new(old.clone()));
    for number in 0..RECORDS {
        let contents = grant(&format!("token {number} 0"));
        before
            .save_contents(&profile_key(number), &contents, None, None)
            .await
            .unwrap();
    }
    let rotated = || KmsStore::wrap(under.clone(), LocalKeys::new(new.clone()).reading(old.clone()));
    let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (store, stop, written) = (rotated(), stop.clone(), written.clone());
            tokio::spawn(async move {
                let mut round = 0;
                while !stop.load(Ordering::SeqCst) {
                    let number = (round * 8 + writer) % 200;
                    let contents = grant(&format!("token {number} {round} by {writer}"));
                    store
                        .replace_contents(&profile_key(number), &contents, None)
                        .await
                        .unwrap();
                    written.fetch_add(1, Ordering::SeqCst);
                    round += 1;
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    let store = rotated();
    let mut pages = 0;
    let report = rewrap(&store, |_| pages += 1).await.unwrap();
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    assert!(report.failed.is_empty(), "{:?}", report.failed);
    assert_eq!(report.rewrapped + report.current, 10_000);
    assert!(report.rewrapped >= 9_800 && pages >= 10, "{report:?}");
    assert!(written.load(Ordering::SeqCst) > 100, "nobody wrote meanwhile");
    assert_eq!(report.remaining.keys.get(new.id()), Some(&10_000));
    assert_eq!(report.remaining.besides(new.id()), 0);
    // The old key is gone.
    let after = KmsStore::wrap(under, LocalKeys::new(new));
    for number in 0..RECORDS {
        let (_, contents) = after.load_contents(&profile_key(number)).await.unwrap().unwrap();
        let token = contents.into_grant().unwrap().refresh_token.unwrap();
        assert!(token.expose().starts_with(&format!("token {number} ")));
    }
}

#[tokio::test]
async fn a_rewrap_goes_on_and_tells_what_it_could_not_move() {
    let under = Arc::new(MemoryStore::new());
    let (old, new, lost) = (local_key(1), local_key(2), local_key(3));
    for (name, key) in [("ana", &old), ("ben", &new), ("eve", &lost)] {
        let store = KmsStore::wrap(under.clone(), LocalKeys::new(key.clone()));
        let key = Key::grant(&Profile::new(name).unwrap());
        store.save_contents(&key, &grant(name), None, None).await.unwrap();
    }
    let plain = Key::grant(&Profile::new("zoe").unwrap());
    under.save_contents(&plain, &grant("zoe"), None, None).await.unwrap();
    let rotated = KmsStore::wrap(under.clone(), LocalKeys::new(new.clone()).reading(old.clone()));
    let before = keys_in_use(&rotated).await.unwrap();
    assert_eq!(before.keys.len(), 3);
    assert_eq!((before.plain, before.besides(new.id())), (1, 3));
    let report = rewrap(&rotated, |_| {}).await.unwrap();
    assert_eq!((report.rewrapped, report.current), (1, 1));
    let mut failed: Vec<_> = report
        .failed
        .iter()
        .map(|(key, error)| (key.to_string(), error.kind()))
        .collect();
    failed.sort_by_key(|(key, _)| key.clone());
    assert_eq!(
        failed,
        [
            ("eve#grant".into(), StoreErrorKind::Denied),
            ("zoe#grant".into(), StoreErrorKind::Corrupt)
        ]
    );
    assert_eq!(report.remaining.besides(new.id()), 2);
    // What was plain is sealed where that is said; the rest stays.
    let accepting = KmsStore::builder(under.clone(), LocalKeys::new(new.clone()).reading(lost))
        .accept_plaintext()
        .build();
    let report = rewrap(&accepting, |_| {}).await.unwrap();
    assert_eq!((report.rewrapped, report.current), (2, 2));
    assert_eq!(report.remaining.besides(new.id()), 0);
    let strict = KmsStore::wrap(under, LocalKeys::new(new));
    for name in ["ana", "ben", "eve", "zoe"] {
        let key = Key::grant(&Profile::new(name).unwrap());
        let (_, contents) = strict.load_contents(&key).await.unwrap().unwrap();
        assert_eq!(contents.into_grant().unwrap().refresh_token.unwrap().expose(), name);
    }
}

#[tokio::test]
async fn what_the_store_can_not_read_is_told_and_keeps_the_old_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    let under = || JsonStore::open(&path).unwrap();
    let (old, new) = (local_key(1), local_key(2));
    let before = KmsStore::wrap(under(), LocalKeys::new(old.clone()));
    for name in ["ana", "ben"] {
        let key = Key::grant(&Profile::new(name).unwrap());
        before.save_contents(&key, &grant(name), None, None).await.unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let spoilt = text.replace("\"ana#grant\":{\"version\":\"", "\"ana#grant\":{\"version\":\"x");
    std::fs::write(&path, spoilt).unwrap();
    let rotated = KmsStore::wrap(under(), LocalKeys::new(new.clone()).reading(old));
    let report = rewrap(&rotated, |_| {}).await.unwrap();
    assert_eq!((report.rewrapped, report.failed.len()), (1, 1));
    let (key, error) = &report.failed[0];
    assert_eq!(
        (key.to_string().as_str(), error.kind()),
        ("ana#grant", StoreErrorKind::Corrupt)
    );
    assert_eq!((report.remaining.unknown, report.remaining.besides(new.id())), (1, 1));
}

#[tokio::test]
async fn new_writes_use_the_new_key_at_once() {
    let under = Arc::new(MemoryStore::new());
    let (old, new) = (local_key(1), local_key(2));
    let ana = record("ana", "{}", None);
    let before = KmsStore::wrap(under.clone(), LocalKeys::new(old.clone()));
    before.save(&ana, auth_core::store::WriteIf::Absent).await.unwrap();
    let rotated = KmsStore::wrap(under.clone(), LocalKeys::new(new.clone()).reading(old));
    let next = record("ana", "{}", Some(ana.version()));
    rotated
        .save(&next, auth_core::store::WriteIf::Matches(ana.version()))
        .await
        .unwrap();
    assert_eq!(keys_in_use(&rotated).await.unwrap().besides(new.id()), 0);
}
