//! Compare-and-swap: required of every store.

use std::sync::Arc;

use auth_core::key::Key;
use auth_core::store::{RemoveIf, StoreErrorKind, TokenStore, WriteIf};

use super::given::{after, first, key, load, refused, remove, save, stored};
use crate::Subject;

const TASKS: u64 = 8;
const TIMES: u64 = 25;

/// `Absent` holds once.
pub async fn create_once<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), "first").await;
    let outcome = subject
        .store()
        .save(&first(record.key(), "second"), WriteIf::Absent)
        .await;
    refused(outcome, StoreErrorKind::Conflict, "a second creation");
    assert_eq!(load(subject.store(), record.key()).await, Some(record));
}

/// `Matches` holds for the stored version, again and again.
pub async fn update_matches<S: TokenStore>(subject: &Subject<S>) {
    let mut record = stored(subject.store(), &key("a"), "0").await;
    for round in 1..5 {
        let next = after(record.key(), round.to_string(), Some(record.version()));
        save(subject.store(), &next, WriteIf::Matches(record.version())).await;
        record = next;
    }
    assert_eq!(load(subject.store(), record.key()).await, Some(record));
}

/// `Matches` does not hold for a version that was replaced.
pub async fn stale_conflicts<S: TokenStore>(subject: &Subject<S>) {
    let old = stored(subject.store(), &key("a"), "old").await;
    let new = after(old.key(), "new", Some(old.version()));
    save(subject.store(), &new, WriteIf::Matches(old.version())).await;
    let late = after(old.key(), "late", Some(old.version()));
    let outcome = subject.store().save(&late, WriteIf::Matches(old.version())).await;
    refused(outcome, StoreErrorKind::Conflict, "a save over a version that is gone");
    assert_eq!(load(subject.store(), old.key()).await, Some(new));
}

/// `Matches` does not hold where nothing is stored.
pub async fn matches_nothing_conflicts<S: TokenStore>(subject: &Subject<S>) {
    let ghost = first(&key("a"), "ghost");
    let next = after(ghost.key(), "next", Some(ghost.version()));
    let outcome = subject.store().save(&next, WriteIf::Matches(ghost.version())).await;
    refused(outcome, StoreErrorKind::Conflict, "a save over nothing");
    assert_eq!(load(subject.store(), ghost.key()).await, None);
}

/// A conflict changes nothing: neither this record nor another.
pub async fn conflict_leaves_old<S: TokenStore>(subject: &Subject<S>) {
    let (one, two) = (
        stored(subject.store(), &key("a"), "one").await,
        stored(subject.store(), &key("b"), "two").await,
    );
    for when in [WriteIf::Absent, WriteIf::Matches(two.version())] {
        let outcome = subject.store().save(&first(one.key(), "never"), when).await;
        refused(outcome, StoreErrorKind::Conflict, "a save that must not happen");
    }
    assert_eq!(load(subject.store(), one.key()).await, Some(one));
    assert_eq!(load(subject.store(), two.key()).await, Some(two));
}

/// The same save sent again is fine, though its condition does not hold any more.
pub async fn save_is_idempotent<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    let old = stored(store, &key("a"), "old").await;
    save(store, &old, WriteIf::Absent).await;
    let new = after(old.key(), "new", Some(old.version()));
    for _ in 0..3 {
        save(store, &new, WriteIf::Matches(old.version())).await;
    }
    assert_eq!(load(store, old.key()).await.as_ref(), Some(&new));
    refused(
        store.save(&old, WriteIf::Absent).await,
        StoreErrorKind::Conflict,
        "the save before last, sent again",
    );
}

/// A record removed and made anew is not taken for the old one.
pub async fn delete_recreate_aba<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    let old = stored(store, &key("a"), "same").await;
    assert!(remove(store, old.key(), RemoveIf::Any).await);
    let again = stored(store, &key("a"), "same").await;
    let late = after(old.key(), "late", Some(old.version()));
    let outcome = store.save(&late, WriteIf::Matches(old.version())).await;
    refused(
        outcome,
        StoreErrorKind::Conflict,
        "a save over a record made anew since it was read",
    );
    let outcome = store.remove(old.key(), RemoveIf::Matches(old.version())).await;
    refused(
        outcome,
        StoreErrorKind::Conflict,
        "a removal of a record made anew since it was read",
    );
    assert_eq!(load(store, old.key()).await, Some(again));
}

/// 8 tasks count to 25 each: none of the 200 is lost.
pub async fn race_counter<S: TokenStore>(subject: &Subject<S>) {
    stored(subject.store(), &key("counter"), "0").await;
    count_together(subject, |_| subject.handle()).await;
}

/// The same with every other task on a second handle.
pub async fn race_between_handles<S: TokenStore>(subject: &Subject<S>) {
    stored(subject.store(), &key("counter"), "0").await;
    let second = subject.reopen().await.unwrap_or_else(|| subject.handle());
    let handle = |task| {
        if task % 2 == 0 {
            subject.handle()
        } else {
            second.clone()
        }
    };
    count_together(subject, handle).await;
}

/// Of 8 tasks that create the same record, one does.
pub async fn race_create_one_winner<S: TokenStore>(subject: &Subject<S>) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (store, record) = (subject.handle(), first(&key("a"), task.to_string()));
            tokio::spawn(async move { (store.save(&record, WriteIf::Absent).await, record) })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        match joined(task.await) {
            (Ok(()), record) => winners.push(record),
            (outcome, _) => drop(refused(outcome, StoreErrorKind::Conflict, "the loser of a race")),
        }
    }
    assert_eq!(winners.len(), 1, "winners of a race to create one record");
    assert_eq!(load(subject.store(), &key("a")).await, winners.pop());
}

async fn count_together<S: TokenStore>(subject: &Subject<S>, handle: impl Fn(u64) -> Arc<S>) {
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| tokio::spawn(count(handle(task), key("counter"))))
        .collect();
    for task in tasks {
        joined(task.await);
    }
    let total = number(subject.store(), &key("counter")).await.0;
    assert_eq!(total, TASKS * TIMES, "increments were lost");
}

async fn count<S: TokenStore>(store: Arc<S>, key: Key) {
    let mut left = TIMES;
    while left > 0 {
        let (number, read) = number(&*store, &key).await;
        let next = after(&key, (number + 1).to_string(), Some(read));
        match store.save(&next, WriteIf::Matches(read)).await {
            Ok(()) => left -= 1,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    }
}

async fn number<S: TokenStore>(store: &S, key: &Key) -> (u64, auth_core::record::Version) {
    let Some(record) = load(store, key).await else {
        panic!("the counter is gone")
    };
    let text = String::from_utf8_lossy(record.body().expose()).into_owned();
    let number = text
        .parse()
        .unwrap_or_else(|_| panic!("the counter became a text of {} bytes", text.len()));
    (number, record.version())
}

fn joined<T>(task: Result<T, tokio::task::JoinError>) -> T {
    task.unwrap_or_else(|error| panic!("a task of the race failed: {error}"))
}
