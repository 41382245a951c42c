//! Large records, and many.

use auth_core::store::{StoreErrorKind, TokenStore, WriteIf};

use super::given::{after, key, load, refused, save, stored};
use crate::Subject;

/// One byte over the largest record is refused and leaves the old; the largest
/// itself fits. Without a limit 4 MiB come back.
pub async fn large_records<S: TokenStore>(subject: &Subject<S>) {
    let old = stored(subject.store(), &key("a"), "old").await;
    let fits = subject.store().capabilities().largest_record.unwrap_or(4 << 20);
    if subject.store().capabilities().largest_record.is_some() {
        let over = after(old.key(), vec![b'x'; fits + 1], Some(old.version()));
        let outcome = subject.store().save(&over, WriteIf::Matches(old.version())).await;
        refused(outcome, StoreErrorKind::TooLarge, "a record over the limit");
        assert_eq!(load(subject.store(), old.key()).await.as_ref(), Some(&old));
    }
    let large = after(old.key(), vec![b'x'; fits], Some(old.version()));
    save(subject.store(), &large, WriteIf::Matches(old.version())).await;
    let loaded = load(subject.store(), old.key()).await;
    assert!(loaded == Some(large), "{fits} bytes came back otherwise");
}

/// 150 records live side by side.
pub async fn many_records<S: TokenStore>(subject: &Subject<S>) {
    let mut records = Vec::new();
    for number in 0..150 {
        let name = format!("user{number}");
        records.push(stored(subject.store(), &key(&name), &name).await);
    }
    for record in records {
        assert_eq!(load(subject.store(), record.key()).await, Some(record));
    }
}
