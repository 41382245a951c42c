//! Logins of web applications over two replicas.

use auth_core::grant::CallbackError;
use auth_core::manager::WebLoginError;
use auth_core::{Profile, Secret, Target};
use std::time::Duration;

use crate::login::{REDIRECT, location};
use crate::setup::Bench;

struct Begun {
    query: String,
    browser: Secret,
}

async fn begin(bench: &Bench, profile: &str) -> Begun {
    let browser = Secret::new(format!("cookie-of-{profile}"));
    let profile = Profile::from_parts([profile]);
    let target = Target::new().scope("api");
    let url = bench
        .manager()
        .begin_web_login(&profile, REDIRECT, target, &browser)
        .await
        .unwrap();
    let query = location(url.as_str()).await.split_once('?').unwrap().1.to_owned();
    Begun { query, browser }
}

#[tokio::test]
async fn begun_on_one_and_finished_on_the_other() {
    let bench = Bench::new();
    let begun = begin(&bench, "ana maria").await;
    let other = bench.manager();
    let profile = other.finish_web_login(&begun.query, &begun.browser).await.unwrap();
    assert_eq!(profile, Profile::from_parts(["ana maria"]));
    let token = bench.manager().source(&profile).token().await.unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
}

#[tokio::test]
async fn a_replay_is_refused_on_every_replica() {
    let bench = Bench::new();
    let begun = begin(&bench, "ana").await;
    bench
        .manager()
        .finish_web_login(&begun.query, &begun.browser)
        .await
        .unwrap();
    for _ in 0..3 {
        let error = bench
            .manager()
            .finish_web_login(&begun.query, &begun.browser)
            .await
            .unwrap_err();
        assert!(matches!(error, WebLoginError::Unknown), "{error}");
    }
    assert_eq!(bench.server.counters().requests_of("authorization_code"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_attempts_at_once_one_exchanges_the_code() {
    let bench = Bench::new();
    let begun = std::sync::Arc::new(begin(&bench, "ana").await);
    let attempts: Vec<_> = (0..16)
        .map(|_| {
            let (manager, begun) = (bench.manager(), begun.clone());
            tokio::spawn(async move { manager.finish_web_login(&begun.query, &begun.browser).await.is_ok() })
        })
        .collect();
    let mut finished = 0;
    for attempt in attempts {
        finished += usize::from(attempt.await.unwrap());
    }
    assert_eq!(
        (finished, bench.server.counters().requests_of("authorization_code")),
        (1, 1)
    );
}

#[tokio::test]
async fn another_browser_can_neither_finish_it_nor_use_it_up() {
    let bench = Bench::new();
    let begun = begin(&bench, "ana").await;
    let error = bench
        .manager()
        .finish_web_login(&begun.query, &"other-cookie".into())
        .await
        .unwrap_err();
    assert!(matches!(error, WebLoginError::OtherBrowser), "{error}");
    bench
        .manager()
        .finish_web_login(&begun.query, &begun.browser)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_query_without_the_state_of_a_login_sends_nothing() {
    let bench = Bench::new();
    let begun = begin(&bench, "ana").await;
    let manager = bench.manager();
    let error = manager.finish_web_login("code=x", &begun.browser).await.unwrap_err();
    assert!(matches!(error, WebLoginError::Callback(CallbackError::StateMissing)));
    let error = manager
        .finish_web_login("code=x&state=forged", &begun.browser)
        .await
        .unwrap_err();
    assert!(matches!(error, WebLoginError::Unknown));
    assert_eq!(bench.server.counters().requests_of("authorization_code"), 0);
}

/// By the clock of who finishes it, whether the store has forgotten it by then or not.
#[tokio::test]
async fn a_login_lasts_ten_minutes() {
    let bench = Bench::standing();
    let (in_time, late) = (begin(&bench, "ana").await, begin(&bench, "ben").await);
    let manager = bench.manager();
    bench.clock.advance(Duration::from_secs(595));
    manager
        .finish_web_login(&in_time.query, &in_time.browser)
        .await
        .unwrap();
    bench.clock.advance(Duration::from_secs(10));
    let error = manager.finish_web_login(&late.query, &late.browser).await.unwrap_err();
    assert!(
        matches!(
            error,
            WebLoginError::Callback(CallbackError::Expired) | WebLoginError::Unknown
        ),
        "{error:?}"
    );
    assert_eq!(bench.server.counters().requests_of("authorization_code"), 1);
}

#[tokio::test]
async fn a_denial_ends_the_login_and_leaves_the_one_before() {
    let bench = Bench::new();
    let first = begin(&bench, "ana").await;
    let manager = bench.manager();
    let ana = manager.finish_web_login(&first.query, &first.browser).await.unwrap();
    let token = manager.source(&ana).token().await.unwrap();
    bench.server.deny_next_authorization("access_denied");
    let denied = begin(&bench, "ana").await;
    let error = manager
        .finish_web_login(&denied.query, &"other-cookie".into())
        .await
        .unwrap_err();
    assert!(matches!(error, WebLoginError::OtherBrowser), "{error}");
    let error = manager
        .finish_web_login(&denied.query, &denied.browser)
        .await
        .unwrap_err();
    let WebLoginError::Callback(CallbackError::Denied { code, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(code, "access_denied");
    // It can't be turned into a success by a code from elsewhere.
    let forged = denied.query.replace("error=access_denied", "code=stolen");
    let error = manager.finish_web_login(&forged, &denied.browser).await.unwrap_err();
    assert!(matches!(error, WebLoginError::Unknown), "{error}");
    assert_eq!(bench.server.counters().requests_of("authorization_code"), 1);
    assert_eq!(bench.manager().source(&ana).token().await.unwrap(), token);
}
