//! However often callers call: the token endpoint is asked seldom.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use auth_core::error::{ConfigError, TokenErrorKind};
use auth_core::store::StoreErrorKind;
use store_testkit::server::{Fault, Gate};

use crate::setup::{Bench, HOUR, NEARLY, until};

const REFUSED: &str = r#"{"error":"invalid_client"}"#;

#[tokio::test]
async fn a_refused_client_is_not_asked_about_at_every_call() {
    let bench = Bench::standing();
    let source = bench.service_manager().source(&bench.profile);
    bench.server.inject(Fault::answer(401).body(REFUSED).times(1000));
    for _ in 0..50 {
        source.token().await.unwrap_err();
    }
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn nor_behind_the_users_of_a_good_token() {
    let bench = Bench::standing();
    let source = bench.service_manager().source(&bench.profile);
    source.token().await.unwrap();
    bench.advance(Duration::from_secs(3400));
    bench.server.inject(Fault::answer(401).body(REFUSED).times(1000));
    source.token().await.unwrap();
    until(|| bench.events.count("Failed") == 1).await;
    for _ in 0..200 {
        source.token().await.unwrap();
        tokio::task::yield_now().await;
    }
    assert_eq!(bench.server.counters().token_requests, 2);
}

/// Ten minutes of an hour's token, with a look at its record every minute.
async fn ten_minutes(bench: &Bench, source: &auth_core::TokenSource) {
    for _ in 0..10 {
        bench.advance(Duration::from_secs(61));
        source.token().await.unwrap();
        // The look is made behind us; one after it shows that it is over.
        source.current().await.unwrap();
    }
}

#[tokio::test]
async fn looking_at_a_record_spends_nothing() {
    let bench = Bench::standing();
    let manager = bench.builder(bench.app()).cache_access_tokens(false).build().unwrap();
    let source = bench.logged_in(&manager).await;
    source.force().await.unwrap();
    ten_minutes(&bench, &source).await;
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn nor_does_it_ask_for_what_cannot_be_stored() {
    let bench = Bench::standing();
    bench.store.fail_saves(&[StoreErrorKind::Unavailable; 500]);
    let source = bench.service_manager().source(&bench.profile);
    source.token().await.unwrap();
    ten_minutes(&bench, &source).await;
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn a_validity_that_tokens_never_have_is_an_error() {
    let bench = Bench::standing();
    let wanted = Duration::from_secs(7200);
    for source in [
        bench.logged_in(&bench.manager()).await,
        bench.service_manager().source(&bench.profile),
    ] {
        source.token().await.unwrap();
        let before = bench.server.counters().token_requests;
        for _ in 0..20 {
            let error = source.clone().min_validity(wanted).token().await.unwrap_err();
            assert!(
                matches!(error.kind(), TokenErrorKind::Config(ConfigError::Unusable { .. })),
                "{error}"
            );
        }
        assert_eq!(bench.server.counters().token_requests, before);
    }
}

#[tokio::test]
async fn tokens_that_are_over_before_they_come_are_used_for_a_moment() {
    let bench = Bench::standing_with(|server| server.access_token_lifetime(Duration::ZERO));
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    for _ in 0..20 {
        source.token().await.unwrap();
    }
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn many_who_force_at_once_share_a_refresh() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let (first, second) = (Gate::new(), Gate::new());
    bench.server.inject(Fault::none().hold_before(&first));
    bench.server.inject(Fault::none().hold_before(&second));
    let asked = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let (source, asked) = (source.clone(), asked.clone());
            tokio::spawn(async move {
                // There is one thread: who has counted waits for a refresh before the next one counts.
                asked.fetch_add(1, Ordering::SeqCst);
                source.force().await.unwrap()
            })
        })
        .collect();
    until(|| asked.load(Ordering::SeqCst) == 50).await;
    first.wait_for_arrivals(1).await;
    first.release();
    second.wait_for_arrivals(1).await;
    // The others were woken before this refresh was begun; each has had its turn by now.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    second.release();
    for caller in callers {
        caller.await.unwrap();
    }
    // One that may have begun before the others asked, and one that surely did not.
    assert_eq!(bench.refreshes(), 2);
}

#[tokio::test]
async fn a_pause_of_nothing_is_still_a_pause() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    source.token().await.unwrap();
    bench.advance(NEARLY);
    bench
        .server
        .inject(Fault::answer(503).header("retry-after", "0").times(1000));
    for _ in 0..50 {
        source.token().await.unwrap();
    }
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn useless_401s_without_a_stored_token_cause_one_refresh() {
    let bench = Bench::standing();
    let manager = bench.builder(bench.app()).cache_access_tokens(false).build().unwrap();
    let source = bench.logged_in(&manager).await;
    let mut token = source.force().await.unwrap();
    for _ in 0..30 {
        token = source.after_rejection(&token).await.unwrap();
    }
    assert_eq!(bench.refreshes(), 2);
}
