//! What is in the file: others' writes, edits by hand, damage, many profiles.

use std::fs;
use std::path::Path;

use auth_core::store::{
    Lease, LeaseId, Listed, RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _, WriteIf,
};
use store_json::{JsonConfig, JsonStore};

use crate::given::{fresh_path, key, put, record};

const CANARY: &str = "canary-91c2-never-shown";

#[tokio::test]
async fn looking_leaves_nothing_behind() {
    let (folder, path) = fresh_path();
    let store = JsonStore::open(folder.path().join("a/b/tokens.json")).unwrap();
    assert_eq!(store.load(&key("a")).await.unwrap(), None);
    assert_eq!(store.list_all().await.unwrap(), []);
    assert!(!store.remove(&key("a"), RemoveIf::Any).await.unwrap());
    assert!(fs::read_dir(folder.path()).unwrap().next().is_none(), "{path:?}");
}

#[tokio::test]
async fn the_file_is_one_record_a_line_and_keeps_its_name() {
    let (_folder, path) = fresh_path();
    let (a, b) = (put(&path, "a", r#"{"format":1}"#).await, put(&path, "b", "\0").await);
    let due = format!(
        "{{\"tokenkeep\":{{\"format\":1}},\n\"records\":{{\n\"a#grant\":{{\"version\":\"{}\",\"body\":{{\"format\":1}}}},\n\
         \"b#grant\":{{\"version\":\"{}\",\"sealed\":\"AA==\"}}\n}}}}\n",
        a.version(),
        b.version()
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), due);
}

#[tokio::test]
async fn damage_is_told_by_place_and_kept_byte_for_byte() {
    let damaged = format!("{{\"tokenkeep\":{{\"format\":1}},\n\"records\":{{\"a#grant\": \"{CANARY}\" {CANARY}");
    for (content, words) in [
        (damaged.as_str(), "line 2, column"),
        ("", "is empty"),
        ("[]", "line 1, column"),
        ("{\"profiles\":{}}", "no member \"tokenkeep\""),
        ("\u{0}\u{0}", "not JSON"),
    ] {
        let error = refused_everywhere(content, StoreErrorKind::Corrupt).await;
        assert!(error.contains(words), "{error}");
    }
}

#[tokio::test]
async fn a_newer_format_is_named_and_kept() {
    let newer = format!("{{\"tokenkeep\":{{\"format\":2}},\"records\":{{\"a#grant\":\"{CANARY}\"}}}}");
    let error = refused_everywhere(&newer, StoreErrorKind::Unsupported).await;
    assert!(error.contains("format 2") && error.contains("update"), "{error}");
}

#[tokio::test]
async fn one_damaged_record_leaves_the_others() {
    let (_folder, path) = fresh_path();
    let good = put(&path, "good", "{}").await;
    let text = fs::read_to_string(&path).unwrap();
    let bad = format!("\"bad#grant\":{{\"version\":\"{CANARY}\",\"body\":{{}}}},\n\"good#grant\"");
    fs::write(&path, text.replace("\"good#grant\"", &bad)).unwrap();

    let store = JsonStore::open(&path).unwrap();
    assert_eq!(store.load(&key("good")).await.unwrap().as_ref(), Some(&good));
    let newer = record("good", "{\"n\":1}", Some(good.version()));
    store.save(&newer, WriteIf::Matches(good.version())).await.unwrap();
    assert!(
        fs::read_to_string(&path).unwrap().contains(CANARY),
        "the damaged record was dropped"
    );
    for error in [
        store.load(&key("bad")).await.unwrap_err(),
        store
            .save(&record("bad", "{}", None), WriteIf::Absent)
            .await
            .unwrap_err(),
        store.remove(&key("bad"), RemoveIf::Any).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        let text = format!("{error} {error:?}");
        assert!(text.contains("bad#grant, line 3, column"), "{text}");
        assert!(!text.contains(CANARY), "{text}");
    }
    assert_eq!(
        store.list_all().await.unwrap(),
        [Listed::damaged(key("bad")), newer.listed()]
    );
}

#[tokio::test]
async fn edits_by_hand_are_seen_and_kept() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    let first = put(&path, "a", r#"{"note":"before"}"#).await;
    assert_eq!(store.load(&key("a")).await.unwrap().as_ref(), Some(&first));

    // In place, as many editors do, and pretty, as people like it.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        text.replace("before", "edited")
            .replace("{\"version\"", "{\n    \"version\""),
    )
    .unwrap();
    let edited = store.load(&key("a")).await.unwrap().unwrap();
    assert_eq!(edited.body().expose(), br#"{"note":"edited"}"#);
    store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("edited") && text.contains("b#grant"), "{text}");

    // An edit that gives the record another version is another version.
    let old = first.version().to_string();
    fs::write(&path, text.replace(&old, &old.replace("1-", "9-"))).unwrap();
    let late = record("a", "{}", Some(first.version()));
    let error = store.save(&late, WriteIf::Matches(first.version())).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Conflict);
}

#[tokio::test]
async fn ten_thousand_profiles_cost_a_stat_to_read() {
    let (_folder, path) = fresh_path();
    fs::write(&path, ten_thousand()).unwrap();
    let store = JsonStore::open(&path).unwrap();
    for number in (0..10_000).step_by(7) {
        let name = format!("user{number}");
        let found = store.load(&key(&name)).await.unwrap().unwrap();
        assert!(found.body().expose().ends_with(format!("\"{number}\"}}").as_bytes()));
    }
    assert_eq!(store.reads(), 1, "reads of an unchanged file");

    put(&path, "user77", "{}").await;
    let tasks: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.load(&key("user77")).await })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap().unwrap().unwrap().body().expose(), b"{}");
    }
    assert_eq!(store.reads(), 2, "reads after one foreign change");
    assert_eq!(store.list_all().await.unwrap().len(), 10_000);
    assert_eq!(store.reads(), 2);
}

#[tokio::test]
async fn a_lease_whose_file_was_removed_is_not_renewed() {
    let (_folder, path) = fresh_path();
    let (store, id, ttl) = (
        JsonStore::open(&path).unwrap(),
        LeaseId::random(),
        std::time::Duration::from_secs(5),
    );
    assert_eq!(store.try_lease(&key("a"), &id, ttl).await.unwrap(), Lease::Granted);
    assert!(store.renew(&key("a"), &id, ttl).await.unwrap());
    fs::remove_dir_all(path.with_extension("json.leases")).unwrap();
    assert!(!store.renew(&key("a"), &id, ttl).await.unwrap());
}

#[tokio::test]
async fn create_no_makes_no_file() {
    let (_folder, path) = fresh_path();
    let config = JsonConfig::new(&path).create(false);
    let error = JsonStore::with_config(&config).unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    put(&path, "a", "{}").await;
    let store = JsonStore::with_config(&config).unwrap();
    store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap();
    fs::remove_file(&path).unwrap();
    let error = store.save(&record("c", "{}", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Invalid);
    assert!(!path.exists());
}

#[test]
fn works_without_a_runtime() {
    let (_folder, path) = fresh_path();
    let store = JsonStore::open(&path).unwrap();
    let record = record("a", "{}", None);
    ready(store.save(&record, WriteIf::Absent)).unwrap();
    assert_eq!(ready(store.load(&key("a"))).unwrap(), Some(record));
}

/// Every operation that needs the file fails alike, shows no value, and leaves
/// the file as it is. The text of the errors.
async fn refused_everywhere(content: &str, kind: StoreErrorKind) -> String {
    let (_folder, path) = fresh_path();
    fs::write(&path, content).unwrap();
    let store = JsonStore::open(&path).unwrap();
    let errors = [
        store.load(&key("a")).await.unwrap_err(),
        store.save(&record("a", "{}", None), WriteIf::Absent).await.unwrap_err(),
        store.remove(&key("a"), RemoveIf::Any).await.unwrap_err(),
        store.list_all().await.unwrap_err(),
    ];
    assert_eq!(fs::read_to_string(&path).unwrap(), content, "the file was touched");
    let mut text = String::new();
    for error in errors {
        assert_eq!(error.kind(), kind, "{error}");
        text = format!("{error} {error:?}");
        assert!(!text.contains(CANARY), "{text}");
        assert!(text.contains(shown(&path)), "{text}");
    }
    text
}

fn shown(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn ten_thousand() -> String {
    let filler = "x".repeat(900);
    let records: Vec<String> = (0..10_000)
        .map(|number| {
            let body = format!("{{\"a\":\"{filler}\",\"n\":\"{number}\"}}");
            format!("\n\"user{number}#grant\":{{\"version\":\"1-0000000000000000\",\"body\":{body}}}")
        })
        .collect();
    format!(
        "{{\"tokenkeep\":{{\"format\":1}},\"records\":{{{}}}}}\n",
        records.join(",")
    )
}

/// The outcome of a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(outcome) => outcome,
        std::task::Poll::Pending => panic!("it waits for something"),
    }
}
