//! What a store says of itself, and of what went wrong.

#![allow(clippy::unused_async, reason = "every case is called the same way")]

use std::error::Error;

use auth_core::store::{Operation, RemoveIf, Retry, StoreErrorKind, TokenStore, WriteIf};

use super::given::{CANARY, first, key, refused, stored};
use crate::Subject;

/// A store has a name for messages: one short word, or words joined by `+`.
pub async fn name_is_given<S: TokenStore>(subject: &Subject<S>) {
    let name = subject.store().name();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-');
    assert!(
        !name.is_empty() && name.len() <= 40 && name.chars().all(plain),
        "name: {name:?}"
    );
}

/// The capabilities are those the documentation promises, and never change.
pub async fn capabilities_as_documented<S: TokenStore>(subject: &Subject<S>) {
    let capabilities = subject.store().capabilities();
    assert_eq!(subject.store().capabilities(), capabilities);
    if let Some(expected) = subject.expected() {
        assert_eq!(capabilities, expected, "capabilities");
    }
}

/// A conflict names the store and the operation, and that trying again after
/// reading can help.
pub async fn conflict_says_where<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), "x").await;
    let outcome = subject.store().save(&first(record.key(), "y"), WriteIf::Absent).await;
    let error = refused(outcome, StoreErrorKind::Conflict, "a second creation");
    assert_eq!((error.operation(), error.retry()), (Operation::Save, Retry::Now));
    assert_eq!(error.store(), subject.store().name());
    let stale = RemoveIf::Matches(first(record.key(), "z").version());
    let error = refused(
        subject.store().remove(record.key(), stale).await,
        StoreErrorKind::Conflict,
        "a stale removal",
    );
    assert_eq!(error.operation(), Operation::Remove);
}

/// No error shows a record's body: not in `Display`, not in `Debug`, not in what
/// lies underneath.
pub async fn no_secret_in_errors<S: TokenStore>(subject: &Subject<S>) {
    let body = format!("{{\"refresh_token\":\"{CANARY}\"}}");
    let record = stored(subject.store(), &key("a"), &body).await;
    let outcome = subject.store().save(&first(record.key(), &body), WriteIf::Absent).await;
    let error = refused(outcome, StoreErrorKind::Conflict, "a second creation");
    let mut layer: Option<&dyn Error> = Some(&error);
    while let Some(error) = layer {
        assert!(
            !format!("{error} {error:?}").contains(CANARY),
            "an error shows a secret"
        );
        layer = error.source();
    }
}

/// The store's `Debug` shows no record's body.
pub async fn no_secret_in_debug<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), CANARY).await;
    drop(subject.store().load(record.key()).await);
    assert!(
        !format!("{:?} {:#?}", subject.store(), subject.store()).contains(CANARY),
        "the store's Debug shows a secret"
    );
}
