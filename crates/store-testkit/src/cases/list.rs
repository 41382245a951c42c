//! Lists: keys, versions and hints, never secrets. A store that can't list says
//! so.

use std::collections::BTreeSet;

use auth_core::clock::Timestamp;
use auth_core::record::{Hints, RecordState};
use auth_core::store::{LeaseId, Listed, Page, RemoveIf, StoreErrorKind, TokenStore, TokenStoreExt as _, WriteIf};

use super::given::{CANARY, after, built, granted, key, refused, remove, save, stored};
use crate::Subject;

/// An empty store lists nothing.
pub async fn nothing_at_first<S: TokenStore>(subject: &Subject<S>) {
    lists_exactly(subject, &[]).await;
}

/// Every record is there, with its own version and hints.
pub async fn keys_versions_and_hints<S: TokenStore>(subject: &Subject<S>) {
    let mut hints = Hints::default();
    hints.access_expires_at = Some(Timestamp::from_unix_millis(1_800_000_000_001));
    hints.grant = Some("refresh_token".into());
    hints.refreshable = true;
    hints.state = Some(RecordState::Active);
    let hinted = built(&key("b"), "x", None, None, hints);
    save(subject.store(), &hinted, WriteIf::Absent).await;
    let old = stored(subject.store(), &key("a/b c"), "old").await;
    let new = after(old.key(), "new", Some(old.version()));
    save(subject.store(), &new, WriteIf::Matches(old.version())).await;
    lists_exactly(subject, &[hinted.listed(), new.listed()]).await;
}

/// Page after page every record comes exactly once, and the list ends.
pub async fn every_page_once<S: TokenStore>(subject: &Subject<S>) {
    let mut due = BTreeSet::new();
    for number in 0..25 {
        due.insert(
            stored(subject.store(), &key(&format!("p{number}")), "x")
                .await
                .key()
                .to_string(),
        );
    }
    let mut seen = Vec::new();
    let mut page = Page::first().limit(7);
    for _ in 0..100 {
        let listing = match subject.store().list(page).await {
            Ok(listing) => listing,
            refusal => {
                assert!(!subject.store().capabilities().lists, "{refusal:?}");
                return drop(refused(refusal, StoreErrorKind::Unsupported, "a list"));
            }
        };
        assert!(
            listing.entries.len() <= 7,
            "{} entries on a page of 7",
            listing.entries.len()
        );
        seen.extend(listing.entries.iter().map(|listed| listed.key.to_string()));
        match listing.next {
            Some(next) => page = Page::after(next).limit(7),
            None => break,
        }
    }
    assert_eq!(seen.len(), due.len(), "entries in all pages");
    assert_eq!(
        seen.into_iter().collect::<BTreeSet<_>>(),
        due,
        "an entry twice, or none of it"
    );
}

/// Leases are not listed.
pub async fn never_leases<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), "x").await;
    for name in ["a", "b"] {
        assert!(granted(subject.store(), &key(name), &LeaseId::random()).await);
    }
    lists_exactly(subject, &[record.listed()]).await;
}

/// What was removed is not listed.
pub async fn after_remove<S: TokenStore>(subject: &Subject<S>) {
    let (gone, stays) = (
        stored(subject.store(), &key("a"), "x").await,
        stored(subject.store(), &key("b"), "y").await,
    );
    assert!(remove(subject.store(), gone.key(), RemoveIf::Any).await);
    lists_exactly(subject, &[stays.listed()]).await;
}

/// No body shows in a listing.
pub async fn no_secret_in_listing<S: TokenStore>(subject: &Subject<S>) {
    stored(subject.store(), &key("a"), format!("{{\"t\":\"{CANARY}\"}}")).await;
    let outcome = subject.store().list_all().await;
    assert!(!format!("{outcome:?}").contains(CANARY), "a listing shows a secret");
    if !subject.store().capabilities().lists {
        refused(outcome, StoreErrorKind::Unsupported, "a list by a store that can't");
        return;
    }
    assert!(outcome.is_ok(), "{outcome:?}");
}

async fn lists_exactly<S: TokenStore>(subject: &Subject<S>, due: &[Listed]) {
    let outcome = subject.store().list_all().await;
    if !subject.store().capabilities().lists {
        refused(outcome, StoreErrorKind::Unsupported, "a list by a store that can't");
        return;
    }
    let mut listed = outcome.unwrap_or_else(|error| panic!("list failed: {error}"));
    listed.sort_by_key(|entry| entry.key.to_string());
    let mut due = due.to_vec();
    due.sort_by_key(|entry| entry.key.to_string());
    assert_eq!(listed, due, "the list");
}
