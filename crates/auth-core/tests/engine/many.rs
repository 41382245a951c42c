//! Many at once: one request.

use std::collections::HashSet;

use futures_at_once::all;

use crate::setup::{Bench, HOUR};

mod futures_at_once {
    use auth_core::{AccessToken, TokenError, TokenSource};

    /// So many tasks that all want a token at once.
    pub(super) async fn all(source: &TokenSource, tasks: usize) -> Vec<Result<AccessToken, TokenError>> {
        let handles: Vec<_> = (0..tasks)
            .map(|_| {
                let source = source.clone();
                tokio::spawn(async move { source.token().await })
            })
            .collect();
        let mut landed = Vec::with_capacity(tasks);
        for handle in handles {
            landed.push(handle.await.unwrap());
        }
        landed
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_on_a_cold_cache_make_one_request() {
    let bench = Bench::with(|server| server.latency(std::time::Duration::from_millis(30)));
    let source = bench.service_manager().source(&bench.profile);
    let landed = all(&source, 10_000).await;
    let tokens: HashSet<String> = landed
        .into_iter()
        .map(|token| token.unwrap().secret().expose().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_on_an_expired_grant_make_one_refresh() {
    let bench = Bench::with(|server| server.latency(std::time::Duration::from_millis(30)));
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    let landed = all(&source, 10_000).await;
    let tokens: HashSet<String> = landed
        .into_iter()
        .map(|token| token.unwrap().secret().expose().to_owned())
        .collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(bench.refreshes(), 1);
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn managers_over_one_store_make_one_refresh_per_expiry() {
    let bench = Bench::with(|server| server.latency(std::time::Duration::from_millis(5)));
    let managers: Vec<_> = (0..16).map(|_| bench.manager()).collect();
    bench.logged_in(&managers[0]).await;
    for round in 1..=20 {
        bench.advance(HOUR);
        let handles: Vec<_> = managers
            .iter()
            .map(|manager| {
                let source = manager.source(&bench.profile);
                tokio::spawn(async move { source.token().await.unwrap().secret().expose().to_owned() })
            })
            .collect();
        let mut tokens = HashSet::new();
        for handle in handles {
            tokens.insert(handle.await.unwrap());
        }
        assert_eq!(tokens.len(), 1, "round {round}");
        assert_eq!(bench.refreshes(), round);
    }
    let counters = bench.server.counters();
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_shared_too() {
    // It stands: the pause after the failure is not over before the last of them has asked.
    let bench = Bench::standing_with(|server| server.latency(std::time::Duration::from_millis(30)));
    let source = bench.logged_in(&bench.manager()).await;
    bench.server.inject(store_testkit::server::Fault::answer(503));
    bench.advance(HOUR);
    let landed = all(&source, 1_000).await;
    assert!(landed.iter().all(Result::is_err));
    assert_eq!(bench.refreshes(), 1);
}
