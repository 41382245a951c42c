//! Changes that come at the same time: few replacements of the file, and each has its own answer.

use std::fs::File;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Waker};

use auth_core::store::{RemoveIf, StoreError, StoreErrorKind, TokenStore as _, WriteIf};
use store_json::JsonStore;

use crate::given::{fresh_path, key, put, record};

type Change<'a> = Pin<Box<dyn Future<Output = Result<bool, StoreError>> + Send + 'a>>;

/// Has them all wait for the lock of the file before one of them gets it.
async fn together(path: &Path, mut changes: Vec<Change<'_>>) -> Vec<Result<bool, StoreError>> {
    let held = File::open(path.with_extension("json.lock")).unwrap();
    held.lock().unwrap();
    for change in &mut changes {
        let begun = change.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(begun.is_pending(), "it did not wait for the lock");
    }
    held.unlock().unwrap();
    let mut answers = Vec::new();
    for change in changes {
        answers.push(change.await);
    }
    answers
}

fn save<'a>(store: &'a JsonStore, name: &str, body: &str, when: WriteIf) -> Change<'a> {
    let record = record(name, body, when.expected());
    Box::pin(async move { store.save(&record, when).await.map(|()| true) })
}

fn remove<'a>(store: &'a JsonStore, name: &str, when: RemoveIf) -> Change<'a> {
    let key = key(name);
    Box::pin(async move { store.remove(&key, when).await })
}

#[tokio::test]
async fn sixty_four_saves_are_two_replacements() {
    let (_folder, path) = fresh_path();
    put(&path, "first", "{}").await;
    let store = JsonStore::open(&path).unwrap();
    let names: Vec<String> = (0..64).map(|number| format!("user-{number}")).collect();
    let saves = names.iter().map(|name| save(&store, name, "{}", WriteIf::Absent));
    for answer in together(&path, saves.collect()).await {
        answer.unwrap();
    }
    // The first may have been taken alone, before the others came.
    assert!(store.writes() <= 2, "{} replacements", store.writes());
    let others = JsonStore::open(&path).unwrap();
    for name in &names {
        assert!(
            others.load(&key(name)).await.unwrap().is_some(),
            "{name} is not on the disk"
        );
    }
}

#[tokio::test]
async fn each_sees_what_those_before_it_did() {
    let (_folder, path) = fresh_path();
    let old = put(&path, "old", "{}").await;
    let store = JsonStore::open(&path).unwrap();
    // A removal looks first; now it need not wait for that.
    store.load(old.key()).await.unwrap();
    let answers = together(
        &path,
        vec![
            save(&store, "new", "1", WriteIf::Absent),
            save(&store, "new", "2", WriteIf::Absent),
            remove(&store, "old", RemoveIf::Any),
            save(&store, "old", "3", WriteIf::Matches(old.version())),
            save(&store, "old", "4", WriteIf::Absent),
        ],
    )
    .await;
    let answers: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map_err(|error| error.kind()))
        .collect();
    let conflict = Err(StoreErrorKind::Conflict);
    assert_eq!(answers, [Ok(true), conflict, Ok(true), conflict, Ok(true)]);
    let body = async |name| store.load(&key(name)).await.unwrap().unwrap().body().expose().to_vec();
    assert_eq!((body("new").await, body("old").await), (b"1".to_vec(), b"4".to_vec()));
}

#[tokio::test]
async fn what_stops_the_write_is_told_to_all() {
    let (_folder, path) = fresh_path();
    put(&path, "old", "{}").await;
    let store = JsonStore::open(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let saves = (0..8).map(|number| save(&store, &format!("user-{number}"), "{}", WriteIf::Absent));
    for answer in together(&path, saves.collect()).await {
        let error = answer.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        assert!(error.to_string().contains("no plain file"), "{error}");
    }
    assert_eq!(store.writes(), 0);
}
