//! Somebody else writes while a refresh is under way.

use auth_core::record::Outcome;
use auth_core::store::StoreErrorKind;
use std::time::Duration;
use store_testkit::server::{Fault, Gate};

use crate::setup::{Bench, HOUR};

/// Runs `meanwhile` after the server has spent the refresh token and before it
/// answers.
async fn refresh_with<F: Future<Output = ()>>(
    bench: &Bench,
    meanwhile: F,
) -> Result<auth_core::AccessToken, auth_core::TokenError> {
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let flight = tokio::spawn(async move { source.token().await });
    gate.wait_for_arrivals(1).await;
    meanwhile.await;
    gate.release();
    flight.await.unwrap()
}

#[tokio::test]
async fn what_others_noted_stays_and_the_child_is_saved_over_it() {
    let bench = Bench::standing();
    let noted = async {
        bench
            .change(|record| {
                record.note(
                    auth_core::clock::Timestamp::from_unix_seconds(5),
                    Outcome::Failed,
                    Some("other".into()),
                );
            })
            .await;
    };
    refresh_with(&bench, noted).await.unwrap();
    let record = bench.record().await;
    assert!(
        record
            .history
            .iter()
            .any(|entry| entry.detail.as_deref() == Some("other"))
    );
    assert!(record.mark.is_none() && bench.server.family_alive(record.refresh_token.unwrap().expose()));
}

#[tokio::test]
async fn another_login_meanwhile_stays() {
    let bench = Bench::standing();
    let login = async {
        let login = bench.server.log_in("app", "api");
        bench
            .change(|record| {
                record.login_id = auth_core::record::LoginId::random();
                record.refresh_token = Some(login.refresh_token.as_str().into());
                record.mark = None;
                let access = record.access.as_mut().unwrap();
                access.token = login.access_token.as_str().into();
                access.expires_at = access.expires_at.map(|end| end.plus(HOUR));
            })
            .await;
    };
    let token = refresh_with(&bench, login).await.unwrap();
    assert_eq!(bench.record().await.access.unwrap().token, *token.secret());
    assert_eq!(bench.events.count("ChildDropped"), 1);
}

#[tokio::test]
async fn a_logout_meanwhile_stays() {
    let bench = Bench::standing();
    let logout = async {
        bench
            .change(|record| *record = record.tombstone(auth_core::clock::Timestamp::from_unix_seconds(5)))
            .await;
    };
    let error = refresh_with(&bench, logout).await.unwrap_err();
    assert!(error.is_reauth_required(), "{error}");
    let record = bench.record().await;
    assert!(record.ended.is_some() && record.refresh_token.is_none());
}

#[tokio::test]
async fn an_answer_is_saved_until_it_is_saved() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let flight = tokio::spawn(async move { source.token().await });
    gate.wait_for_arrivals(1).await;
    bench.store.fail_saves(&[
        StoreErrorKind::Unavailable,
        StoreErrorKind::Denied,
        StoreErrorKind::Ambiguous,
    ]);
    gate.release();
    let token = flight.await.unwrap().unwrap();
    assert_eq!(bench.record().await.access.unwrap().token, *token.secret());
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!((bench.refreshes(), bench.events.count("SaveDelayed")), (1, 1));
}

#[tokio::test]
async fn who_waits_is_told_that_saving_takes_long_and_the_answer_is_kept() {
    let bench = Bench::standing();
    let mut timing = auth_core::refresh::Timing::default();
    timing.stall = Duration::ZERO;
    let manager = bench.builder(bench.app()).timing(timing).build().unwrap();
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    bench.store.fail_saves(&[StoreErrorKind::Unavailable; 3]);
    gate.release();
    let error = flight.await.unwrap().unwrap_err();
    assert_eq!(
        error.kind(),
        &auth_core::TokenErrorKind::Store(StoreErrorKind::Unavailable)
    );
    assert!(manager.drain().await);
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(
        source.token().await.unwrap().secret(),
        &bench.record().await.access.unwrap().token
    );
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_record_that_vanished_without_a_logout_is_kept_alive() {
    let bench = Bench::standing();
    let vanish = async {
        let key = auth_core::key::Key::grant(&bench.profile);
        assert!(
            auth_core::TokenStore::remove(&bench.store, &key, auth_core::store::RemoveIf::Any)
                .await
                .unwrap()
        );
    };
    refresh_with(&bench, vanish).await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
}
