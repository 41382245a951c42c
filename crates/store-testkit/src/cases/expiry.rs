//! `keep_until`: past it a record counts as absent.

use std::time::Duration;

use auth_core::record::Record;
use auth_core::store::{RemoveIf, StoreErrorKind, TokenStore, TokenStoreExt as _, WriteIf};

use super::given::{PAST_SHORT, PAST_TTL, SHORT, TTL, after, first, key, load, refused, remove, save, stored, until};
use crate::Subject;

/// There before its end, gone after.
pub async fn gone_after_keep_until<S: TokenStore>(subject: &Subject<S>) {
    let record = loop {
        let record = short_lived(subject, TTL).await;
        if load(subject.store(), record.key()).await.is_some() {
            break record;
        }
        // Where the whole machine stood still nothing was seen of it yet.
        let is_over = record.is_past(subject.now());
        assert!(is_over, "gone before keep_until");
    };
    subject.pass(PAST_TTL).await;
    assert_eq!(load(subject.store(), record.key()).await, None, "past keep_until");
    if let Some(second) = subject.reopen().await {
        assert_eq!(
            load(&*second, record.key()).await,
            None,
            "past keep_until, for a second handle"
        );
    }
}

/// A record can be made anew over one that is past.
pub async fn absent_succeeds_over_it<S: TokenStore>(subject: &Subject<S>) {
    let old = short_lived(subject, SHORT).await;
    subject.pass(PAST_SHORT).await;
    let new = stored(subject.store(), old.key(), "new").await;
    assert_eq!(load(subject.store(), old.key()).await, Some(new));
}

/// The version of a record that is past can't be matched any more.
pub async fn matches_conflicts_after_it<S: TokenStore>(subject: &Subject<S>) {
    let old = short_lived(subject, SHORT).await;
    subject.pass(PAST_SHORT).await;
    let next = after(old.key(), "next", Some(old.version()));
    let outcome = subject.store().save(&next, WriteIf::Matches(old.version())).await;
    refused(outcome, StoreErrorKind::Conflict, "a save over a record that is past");
    assert_eq!(load(subject.store(), old.key()).await, None);
}

/// Removing a record that is past removes nothing.
pub async fn remove_after_it_is_false<S: TokenStore>(subject: &Subject<S>) {
    let old = short_lived(subject, SHORT).await;
    subject.pass(PAST_SHORT).await;
    assert!(
        !remove(subject.store(), old.key(), RemoveIf::Any).await,
        "removed a record that is past"
    );
}

/// A record that is past is not listed.
pub async fn not_listed_after_it<S: TokenStore>(subject: &Subject<S>) {
    short_lived(subject, SHORT).await;
    let living = stored(subject.store(), &key("living"), "x").await;
    subject.pass(PAST_SHORT).await;
    match subject.store().list_all().await {
        Ok(listed) => assert_eq!(listed, [living.listed()], "a record that is past was listed"),
        refusal => {
            assert!(!subject.store().capabilities().lists, "{refusal:?}");
            refused(refusal, StoreErrorKind::Unsupported, "a list");
        }
    }
}

/// Without `keep_until` it stays.
pub async fn none_lives<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), "x").await;
    subject.pass_long().await;
    assert_eq!(load(subject.store(), record.key()).await, Some(record));
}

/// Ends more than 30 days away are kept too: some servers read such numbers as
/// dates.
pub async fn over_30_days<S: TokenStore>(subject: &Subject<S>) {
    for days in [29, 30, 31, 400, 20_000] {
        let end = subject.now().plus(Duration::from_secs(days * 86_400));
        let record = until(&key(&format!("d{days}")), "x", end);
        save(subject.store(), &record, WriteIf::Absent).await;
        subject.pass(Duration::from_millis(10)).await;
        assert_eq!(
            load(subject.store(), record.key()).await,
            Some(record),
            "gone, with {days} days left"
        );
    }
}

/// A record that is past when it is saved is not there afterwards, and takes the
/// place of none.
pub async fn past_when_saved<S: TokenStore>(subject: &Subject<S>) {
    let record = until(&key("a"), "x", subject.now().minus(Duration::from_secs(60)));
    save(subject.store(), &record, WriteIf::Absent).await;
    assert_eq!(load(subject.store(), record.key()).await, None);
    let living = first(record.key(), "y");
    save(subject.store(), &living, WriteIf::Absent).await;
    assert_eq!(load(subject.store(), record.key()).await, Some(living));
}

async fn short_lived<S: TokenStore>(subject: &Subject<S>, lives: Duration) -> Record {
    let record = until(&key("short"), "short", subject.now().plus(lives));
    save(subject.store(), &record, WriteIf::Absent).await;
    record
}
