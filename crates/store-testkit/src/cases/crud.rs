//! Save, load, remove.

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, RecordState};
use auth_core::store::{LeaseScope, Persistence, RemoveIf, StoreErrorKind, TokenStore, WriteIf};
use auth_core::target::Target;

use super::given::{after, built, first, key, load, refused, remove, save, stored, until};
use crate::Subject;

/// Nothing is stored at first, under any part of any profile.
pub async fn absent_is_none<S: TokenStore>(subject: &Subject<S>) {
    for key in every_part(&Profile::default()) {
        assert_eq!(load(subject.store(), &key).await, None, "{key}");
    }
}

/// What was saved is loaded: key, version, end, hints, body.
pub async fn roundtrip<S: TokenStore>(subject: &Subject<S>) {
    for key in every_part(&Profile::default()) {
        let record = stored(subject.store(), &key, key.to_string()).await;
        assert_eq!(load(subject.store(), &key).await, Some(record));
    }
}

/// A save over an older version leaves the new record alone.
pub async fn overwrite<S: TokenStore>(subject: &Subject<S>) {
    let old = stored(subject.store(), &key("a"), "the older and longer body").await;
    let new = after(old.key(), "new", Some(old.version()));
    save(subject.store(), &new, WriteIf::Matches(old.version())).await;
    assert_eq!(load(subject.store(), old.key()).await, Some(new));
}

/// The first removal says `true`, the second `false`, as does one of nothing.
pub async fn remove_says_what_was_there<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    assert!(
        !remove(store, &key("a"), RemoveIf::Any).await,
        "removed what never was there"
    );
    let record = stored(store, &key("a"), "x").await;
    assert!(remove(store, record.key(), RemoveIf::Any).await);
    assert!(!remove(store, record.key(), RemoveIf::Any).await, "removed twice");
    assert_eq!(load(store, record.key()).await, None);

    let record = stored(store, &key("a"), "x").await;
    assert!(remove(store, record.key(), RemoveIf::Matches(record.version())).await);
    assert!(!remove(store, record.key(), RemoveIf::Matches(record.version())).await);
}

/// A removal of another version is a conflict and removes nothing.
pub async fn remove_stale_conflicts<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    let old = stored(store, &key("a"), "old").await;
    let new = after(old.key(), "new", Some(old.version()));
    save(store, &new, WriteIf::Matches(old.version())).await;
    let outcome = store.remove(old.key(), RemoveIf::Matches(old.version())).await;
    refused(outcome, StoreErrorKind::Conflict, "removal of a version that is gone");
    assert_eq!(load(store, old.key()).await, Some(new));
}

/// No key is taken for another: parts, profiles that look alike, escapes, case.
pub async fn keys_do_not_alias<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    let keys: Vec<Key> = profiles_that_look_alike().iter().flat_map(every_part).collect();
    for key in &keys {
        save(store, &first(key, key.to_string()), WriteIf::Absent).await;
    }
    for key in &keys {
        let body = load(store, key).await.map(|record| record.body().expose().to_vec());
        assert_eq!(body, Some(key.to_string().into_bytes()), "another record under {key}");
    }
    assert!(remove(store, &keys[0], RemoveIf::Any).await);
    for key in &keys[1..] {
        assert!(
            load(store, key).await.is_some(),
            "{key} went with the removal of {}",
            keys[0]
        );
    }
}

/// Hints come back as they were, whatever is set.
pub async fn hints_round_trip<S: TokenStore>(subject: &Subject<S>) {
    let mut full = Hints::default();
    full.access_expires_at = Some(Timestamp::from_unix_millis(1_800_000_000_123));
    full.grant = Some("authorization_code \"quoted\" é".into());
    full.refreshable = true;
    full.state = Some(RecordState::Marked);
    let mut ended = Hints::default();
    ended.state = Some(RecordState::LoggedOut);
    for (name, hints) in [("full", full), ("ended", ended), ("none", Hints::default())] {
        let record = built(&key(name), "{}", None, None, hints.clone());
        save(subject.store(), &record, WriteIf::Absent).await;
        let loaded = load(subject.store(), record.key()).await;
        assert_eq!(
            loaded.map(|record| record.hints().clone()),
            Some(hints),
            "hints of {name}"
        );
    }
}

/// `keep_until` comes back to the millisecond.
pub async fn keep_until_round_trips<S: TokenStore>(subject: &Subject<S>) {
    let end = Timestamp::from_unix_millis(subject.now().unix_millis() + 3_600_123);
    let record = until(&key("a"), "x", end);
    save(subject.store(), &record, WriteIf::Absent).await;
    let loaded = load(subject.store(), record.key()).await;
    assert_eq!(loaded.and_then(|record| record.keep_until()), Some(end), "keep_until");
}

/// A second handle sees what the first saved and removed, and the other way
/// round. A store without one is this process's alone.
pub async fn second_handle_sees_it<S: TokenStore>(subject: &Subject<S>) {
    let record = stored(subject.store(), &key("a"), "x").await;
    let Some(second) = subject.reopen().await else {
        let capabilities = subject.store().capabilities();
        assert!(capabilities.persistence <= Persistence::Evictable, "{capabilities:?}");
        assert_eq!(capabilities.lease_scope, LeaseScope::Process, "{capabilities:?}");
        return;
    };
    assert_eq!(load(&*second, record.key()).await.as_ref(), Some(&record));
    let newer = after(record.key(), "y", Some(record.version()));
    save(&*second, &newer, WriteIf::Matches(record.version())).await;
    assert_eq!(load(subject.store(), record.key()).await, Some(newer));
    assert!(remove(subject.store(), record.key(), RemoveIf::Any).await);
    assert_eq!(load(&*second, record.key()).await, None);
}

fn every_part(profile: &Profile) -> Vec<Key> {
    vec![
        Key::client(profile),
        Key::grant(profile),
        Key::login(profile, "state one"),
        Key::login(profile, "state two"),
        Key::token(profile, Target::new().id()),
        Key::token(profile, Target::new().scope("read").id()),
    ]
}

fn profiles_that_look_alike() -> Vec<Profile> {
    let long = "u".repeat(400);
    let parts: [&[&str]; 12] = [
        &["a/b", "c"],
        &["a", "b/c"],
        &["a", "b", "c"],
        &["a%2Fb", "c"],
        &["A", "B", "C"],
        &["a"],
        &["a", ""],
        &["a b"],
        &["a\nb"],
        &["ä"],
        &[&long],
        &[&long, "x"],
    ];
    parts.into_iter().map(Profile::from_parts).collect()
}
