//! A manager at the end of its process: what is under way is waited for, and nothing
//! begins that nobody would wait for.

use std::time::Duration;

use auth_core::error::TokenErrorKind;
use auth_core::{Target, TokenError};
use store_testkit::server::{Fault, Gate};

use crate::login::{REDIRECT, browse};
use crate::setup::{Bench, HOUR};

fn is_shutdown<T: std::fmt::Debug>(outcome: Result<T, TokenError>) {
    assert_eq!(outcome.unwrap_err().kind(), &TokenErrorKind::Shutdown);
}

#[tokio::test]
async fn what_is_under_way_is_saved_before_the_end() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let flight = tokio::spawn(async move { source.token().await });
    gate.wait_for_arrivals(1).await;
    let mut end = Box::pin(manager.shutdown());
    // Begun, and not over while the answer is out.
    assert!(poll_once(&mut end).is_none());
    gate.release();
    assert!(end.await);
    assert!(bench.record().await.mark.is_none());
    assert!(bench.refresh_token_is_alive().await);
    flight.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_refresh_that_has_only_just_begun_spends_nothing() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    let mut held = bench.store.hold_next_load();
    let flight = tokio::spawn(async move { source.token().await });
    held.reached().await;
    assert!(manager.shutdown().await, "nothing is being spent");
    held.let_go();
    is_shutdown(flight.await.unwrap());
    assert_eq!(bench.refreshes(), 0);
    // The login is as it was, for whoever comes next.
    assert!(bench.record().await.mark.is_none());
    bench.manager().source(&bench.profile).token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn the_drop_of_the_last_manager_closes_it_too() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    let mut held = bench.store.hold_next_load();
    {
        let mut asked = Box::pin(source.token());
        assert!(poll_once(&mut asked).is_none());
        held.reached().await;
    }
    drop((manager, source));
    held.let_go();
    // Nobody is left to ask, so the observer is.
    while bench.events.count("Failed") == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bench.refreshes(), 0);
    bench.manager().source(&bench.profile).token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn what_costs_no_login_is_still_given() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    let held = source.token().await.unwrap();
    assert!(manager.shutdown().await);
    assert_eq!(source.token().await.unwrap(), held);
    is_shutdown(source.force().await);
    let service = bench.service_manager();
    assert!(service.shutdown().await);
    service
        .source(&auth_core::Profile::new("service").unwrap())
        .token()
        .await
        .unwrap();
}

#[tokio::test]
async fn no_code_is_exchanged_and_no_login_ended() {
    let bench = Bench::new();
    let manager = bench.manager();
    bench.logged_in(&manager).await;
    let (url, login) = manager.begin_login(REDIRECT, Target::new()).unwrap();
    let callback = browse(url.as_str()).await;
    let exchange = || manager.accept_callback(login.clone(), &callback).unwrap();
    assert!(manager.shutdown().await);
    is_shutdown(manager.finish_login(&bench.profile, exchange()).await);
    is_shutdown(manager.revoke(&bench.profile).await);
    is_shutdown(manager.logout(&bench.profile).await);
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(bench.server.counters().token_requests, 0);
    // The code is as good as it was.
    bench.manager().finish_login(&bench.profile, exchange()).await.unwrap();
}

#[tokio::test]
async fn drained_it_goes_on() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    assert!(manager.drain().await);
    bench.advance(HOUR);
    source.token().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
}

/// Polls once; `None`: it is not ready.
fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::Pin::new(future).poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}
