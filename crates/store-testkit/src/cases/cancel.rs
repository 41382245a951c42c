//! A dropped future leaves the old or the new, never a mixture.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use auth_core::store::{LeaseId, StoreErrorKind, TokenStore, WriteIf};

use super::given::{TTL, after, granted, key, load, release, stored};
use crate::Subject;

/// For what was sent to arrive, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(120);

/// A save dropped at any of its polls, 100 times: the record is the old or the
/// new one, and the next save works.
pub async fn dropped_save_is_all_or_nothing<S: TokenStore>(subject: &Subject<S>) {
    let store = subject.store();
    let mut known = vec![stored(store, &key("a"), body(0)).await];
    for round in 1..=100_u8 {
        let Some(old) = load(store, &key("a")).await else {
            panic!("a dropped save lost the record")
        };
        assert!(known.contains(&old), "a dropped save left a mixture");
        let next = after(old.key(), body(round), Some(old.version()));
        let saving = store.save(&next, WriteIf::Matches(old.version()));
        known.push(next.clone());
        if let Some(Err(error)) = dropped_after(saving, usize::from(round % 5)).await {
            // The save dropped before may have been going on.
            assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}");
        }
    }
    let last = loop {
        let read = load(store, &key("a")).await.map(|record| record.version());
        let last = after(&key("a"), "last", read);
        match store.save(&last, WriteIf::unchanged(read)).await {
            Ok(()) => break last,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    };
    assert_eq!(load(store, &key("a")).await, Some(last));
}

/// A lease whose taking was dropped is free after a release at the latest.
pub async fn dropped_lease_can_be_given_back<S: TokenStore>(subject: &Subject<S>) {
    for polls in 0..4 {
        let dropped = LeaseId::random();
        dropped_after(subject.store().try_lease(&key("a"), &dropped, TTL), polls).await;
        // What was sent may still be under way.
        let (next, begun) = (LeaseId::random(), Instant::now());
        loop {
            release(subject.store(), &key("a"), &dropped).await;
            if granted(subject.store(), &key("a"), &next).await {
                break;
            }
            assert!(begun.elapsed() < LIMIT, "a lease whose taking was dropped stays held");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        release(subject.store(), &key("a"), &next).await;
    }
}

/// Polls the future so many times at most, then drops it; its outcome if it ended.
async fn dropped_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

fn body(round: u8) -> Vec<u8> {
    vec![round; 5_000]
}
