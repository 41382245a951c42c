//! What was confirmed or marked too long ago is not sent: by then somebody else may be
//! sending.

use std::time::Duration;

use auth_core::error::TokenErrorKind;
use auth_core::record::Outcome;
use auth_core::refresh::Timing;

use crate::setup::{Bench, HOUR};

/// A moment more than `limit`.
fn beyond(limit: Duration) -> Duration {
    limit + Duration::from_millis(100)
}

/// Nothing was sent, and nothing says that something was.
async fn assert_untouched(bench: &Bench) {
    let record = bench.record().await;
    assert_eq!((bench.refreshes(), record.mark, record.back_off), (0, None, None));
    assert!(record.history.iter().all(|entry| entry.outcome == Outcome::LoggedIn));
}

#[tokio::test]
async fn a_second_after_the_lease_was_extended_nothing_is_sent() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench
        .store
        .slow_renewals(&bench.clock, beyond(Timing::default().send_within));
    let error = source.token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Timeout);
    assert_untouched(&bench).await;
    // Just within the second it is sent.
    bench.advance(HOUR);
    bench.store.slow_renewals(&bench.clock, Duration::from_millis(700));
    source.token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn nor_when_the_mark_is_older_than_others_wait() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.store.slow_saves(&bench.clock, beyond(Timing::default().settle));
    let error = source.token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Timeout);
    assert_untouched(&bench).await;
    bench.advance(HOUR);
    bench.store.slow_saves(&bench.clock, Duration::from_millis(1500));
    source.token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn nor_without_the_lease() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.store.lose_leases(true);
    let error = source.token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Timeout);
    assert_untouched(&bench).await;
    bench.advance(HOUR);
    bench.store.lose_leases(false);
    source.token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}
