//! The end of a login, and refreshes that race it.

use auth_core::error::{ConfigError, ReauthReason, TokenErrorKind};
use auth_core::record::RecordState;
use std::time::Duration;
use store_testkit::server::{Endpoint, Fault, Gate};

use crate::setup::{Bench, HOUR};

#[tokio::test]
async fn revoking_ends_the_tokens_at_the_server_and_here() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    let token = source.token().await.unwrap();
    let refresh = bench.record().await.refresh_token.unwrap();
    assert!(manager.revoke(&bench.profile).await.unwrap());
    assert!(!bench.server.is_live(token.secret().expose()));
    assert!(!bench.server.family_alive(refresh.expose()));
    let record = bench.record().await;
    assert!(record.ended.is_some() && record.refresh_token.is_none() && record.access.is_none());
    let logged_out = TokenErrorKind::ReauthRequired(ReauthReason::LoggedOut);
    assert_eq!(source.token().await.unwrap_err().kind(), &logged_out);
    assert_eq!(
        bench.manager().status(&bench.profile).await.unwrap().unwrap().state,
        RecordState::LoggedOut
    );
    assert!(
        !manager.revoke(&bench.profile).await.unwrap(),
        "there is nothing left to revoke"
    );
    bench.logged_in(&manager).await;
    source.token().await.unwrap();
}

#[tokio::test]
async fn a_service_gives_its_token_back() {
    let bench = Bench::new();
    let manager = bench.service_manager();
    let token = manager.source(&bench.profile).token().await.unwrap();
    assert!(manager.revoke(&bench.profile).await.unwrap());
    assert!(!bench.server.is_live(token.secret().expose()));
    assert_ne!(manager.source(&bench.profile).token().await.unwrap(), token);
}

#[tokio::test]
async fn logging_out_tells_nobody_but_us() {
    let bench = Bench::new();
    let manager = bench.manager();
    let token = bench.logged_in(&manager).await.token().await.unwrap();
    assert!(manager.logout(&bench.profile).await.unwrap());
    assert!(bench.server.is_live(token.secret().expose()));
    assert!(
        manager
            .source(&bench.profile)
            .token()
            .await
            .unwrap_err()
            .is_reauth_required()
    );
    assert!(!manager.logout(&bench.profile).await.unwrap());
}

#[tokio::test]
async fn what_the_server_did_not_revoke_is_not_forgotten() {
    let bench = Bench::new();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    bench
        .server
        .inject(Fault::answer(503).header("retry-after", "9").at(Endpoint::Revocation));
    let error = manager.revoke(&bench.profile).await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.retry_after == Some(Duration::from_secs(9)))
    );
    source.token().await.unwrap();
    assert!(manager.revoke(&bench.profile).await.unwrap());
}

#[tokio::test]
async fn a_provider_without_revocation_says_so() {
    let bench = Bench::new();
    let mut provider = bench.app().provider().clone();
    provider.revocation_endpoint = None;
    let manager = bench
        .builder(auth_core::ClientRegistration::public(provider, "app"))
        .build()
        .unwrap();
    bench.logged_in(&manager).await;
    let error = manager.revoke(&bench.profile).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &TokenErrorKind::Config(ConfigError::MissingEndpoint("revocation endpoint"))
    );
}

#[tokio::test]
async fn a_child_that_comes_after_the_tombstone_is_revoked() {
    let bench = Bench::new();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let flight = tokio::spawn(async move { source.token().await });
    gate.wait_for_arrivals(1).await;
    // As a process whose lease ran out would: the tombstone comes in between.
    bench
        .change(|record| *record = record.tombstone(auth_core::clock::Timestamp::from_unix_seconds(5)))
        .await;
    gate.release();
    flight.await.unwrap().unwrap_err();
    assert_eq!(bench.server.live_access_tokens(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_races_leave_nothing_alive() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(2)));
    for round in 0..200_u64 {
        let (refresher, leaver) = (bench.manager(), bench.manager());
        let source = bench.logged_in(&refresher).await;
        bench.advance(HOUR);
        let refresh = tokio::spawn(async move { source.token().await });
        tokio::time::sleep(Duration::from_micros(round * 40)).await;
        assert!(leaver.revoke(&bench.profile).await.unwrap(), "round {round}");
        let _ = refresh.await.unwrap();
        assert!(refresher.drain().await);
        assert_eq!(bench.server.live_access_tokens(), Vec::<String>::new(), "round {round}");
        assert!(bench.record().await.ended.is_some(), "round {round}");
    }
    assert_eq!(bench.server.counters().double_spends, 0);
}
