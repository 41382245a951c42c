//! Callers that give up and runtimes that end: the new refresh token is stored all
//! the same.

use std::time::Duration;

use crate::setup::{Bench, HOUR};

const TIMES: u64 = 1_000;

fn random(below: u64) -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).unwrap();
    u64::from_ne_bytes(bytes) % below
}

#[tokio::test(flavor = "multi_thread")]
async fn every_caller_dropped_at_random_loses_nothing() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(8)));
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    for round in 1..=TIMES {
        let before = bench.record().await.refresh_token.unwrap();
        bench.advance(HOUR);
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let source = source.clone();
                let patience = Duration::from_micros(random(20_000));
                tokio::spawn(async move { tokio::time::timeout(patience, source.token()).await })
            })
            .collect();
        for caller in callers {
            let _ = caller.await.unwrap();
        }
        // A caller may have given up before anything was begun.
        if bench.refreshes() < round {
            source.token().await.unwrap();
        }
        assert!(manager.drain().await);
        let after = bench.record().await.refresh_token.unwrap();
        assert!(
            after != before && bench.server.family_alive(after.expose()),
            "round {round}"
        );
        assert_eq!(bench.refreshes(), round);
    }
    let counters = bench.server.counters();
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
}

#[test]
fn a_runtime_that_ends_in_mid_flight_loses_nothing() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(4)));
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let manager = bench.manager();
    let source = runtime().block_on(bench.logged_in(&manager));
    for round in 1..=TIMES {
        bench.advance(HOUR);
        let short = runtime();
        let caller = source.clone();
        let _ =
            short.block_on(async { tokio::time::timeout(Duration::from_micros(random(8_000)), caller.token()).await });
        drop(short);
        let reader = runtime();
        if bench.refreshes() < round {
            reader.block_on(source.token()).unwrap();
        }
        assert!(reader.block_on(manager.drain()));
        assert!(reader.block_on(bench.refresh_token_is_alive()), "round {round}");
        assert_eq!(bench.refreshes(), round);
    }
    assert_eq!(bench.server.counters().double_spends, 0);
}

#[test]
fn dropping_the_last_manager_waits_for_the_refresh() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(500)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let manager = bench.manager();
    let source = runtime.block_on(bench.logged_in(&manager));
    bench.advance(HOUR);
    runtime.block_on(async {
        tokio::select! {
            biased;
            token = source.token() => panic!("{token:?} came at once"),
            () = bench.server.wait_for_token_requests(1) => {}
        }
    });
    drop((manager, source));
    // The drop above has waited: the answer is in the store, without any further wait.
    assert_eq!(bench.server.counters().requests_of("refresh_token"), 1);
    assert!(runtime.block_on(bench.record()).mark.is_none());
    assert!(runtime.block_on(bench.refresh_token_is_alive()));
}
