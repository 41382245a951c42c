//! Logging in by code and PKCE, discovery included.

use auth_core::discovery::{DiscoveryError, discover};
use auth_core::endpoint::Issuer;
use auth_core::error::TokenErrorKind;
use auth_core::grant::{Callback, CallbackError};
use auth_core::{ClientRegistration, Target};
use auth_http::HttpTransport;
use store_testkit::server::{Endpoint, Fault};

use crate::setup::Bench;

pub(crate) const REDIRECT: &str = "http://127.0.0.1/callback";

/// Goes where a browser would, and gives the address that it is sent back to.
pub(crate) async fn location(url: &str) -> String {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = client.get(url).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

pub(crate) async fn browse(url: &str) -> Callback {
    Callback::from_url(&location(url).await).unwrap()
}

#[tokio::test]
async fn from_the_issuer_to_a_token_that_stays_fresh() {
    let bench = Bench::new();
    let issuer = Issuer::new(bench.server.issuer()).unwrap();
    let provider = discover(&HttpTransport::new(), &issuer).await.unwrap();
    assert!(provider.issuer_in_callback);
    let manager = bench
        .builder(ClientRegistration::public(provider, "app"))
        .build()
        .unwrap();
    let (url, login) = manager.begin_login(REDIRECT, Target::new().scope("api")).unwrap();
    let callback = browse(url.as_str()).await;
    let exchange = manager.accept_callback(login, &callback).unwrap();
    let token = manager.finish_login(&bench.profile, exchange).await.unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    bench.advance(crate::setup::HOUR);
    assert_ne!(manager.source(&bench.profile).token().await.unwrap(), token);
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test]
async fn a_code_of_another_login_is_refused_by_state_or_by_pkce() {
    let bench = Bench::new();
    let manager = bench.manager();
    let (url, _) = manager.begin_login(REDIRECT, Target::new()).unwrap();
    let (_, victim) = manager.begin_login(REDIRECT, Target::new()).unwrap();
    let stolen = browse(url.as_str()).await;
    assert_eq!(
        manager.accept_callback(victim.clone(), &stolen).unwrap_err(),
        CallbackError::StateMismatch
    );
    assert_eq!(bench.server.counters().token_requests, 0);
    let exchange = manager.accept_code(victim, stolen.code.unwrap()).unwrap();
    let error = manager.finish_login(&bench.profile, exchange).await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.code.as_deref() == Some("invalid_grant"))
    );
    assert_eq!(manager.status(&bench.profile).await.unwrap(), None);
}

#[tokio::test]
async fn a_denied_login_says_so() {
    let bench = Bench::new();
    bench.server.deny_next_authorization("access_denied");
    let (url, login) = bench.manager().begin_login(REDIRECT, Target::new()).unwrap();
    let error = bench
        .manager()
        .accept_callback(login, &browse(url.as_str()).await)
        .unwrap_err();
    assert!(matches!(error, CallbackError::Denied { code, .. } if code == "access_denied"));
}

#[tokio::test]
async fn a_new_login_replaces_the_old_one_everywhere() {
    let bench = Bench::new();
    let (manager, other) = (bench.manager(), bench.manager());
    let old = bench.logged_in(&manager).await.token().await.unwrap();
    let elsewhere = other.source(&bench.profile);
    assert_eq!(elsewhere.token().await.unwrap(), old);
    let (url, login) = manager.begin_login(REDIRECT, Target::new()).unwrap();
    let exchange = manager.accept_callback(login, &browse(url.as_str()).await).unwrap();
    let new = manager.finish_login(&bench.profile, exchange).await.unwrap();
    assert_eq!(manager.source(&bench.profile).token().await.unwrap(), new);
    // The other process looks at the record within a minute, behind its users.
    bench.advance(std::time::Duration::from_secs(61));
    elsewhere.token().await.unwrap();
    while *elsewhere.peek().unwrap() == old {
        tokio::task::yield_now().await;
    }
    assert_eq!(elsewhere.token().await.unwrap(), new);
    assert_eq!(bench.refreshes(), 0);
}

#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    let bench = Bench::new();
    let transport = HttpTransport::new();
    let slash = Issuer::new(format!("{}/", bench.server.issuer())).unwrap();
    let error = discover(&transport, &slash).await.unwrap_err();
    assert!(matches!(error, DiscoveryError::IssuerMismatch { .. }), "{error}");
    let nobody = Issuer::new("http://127.0.0.1:9").unwrap();
    assert!(matches!(
        discover(&transport, &nobody).await,
        Err(DiscoveryError::Unreachable { .. })
    ));
    bench.server.inject(
        Fault::redirect(307, "http://127.0.0.1:9/")
            .at(Endpoint::Discovery)
            .times(2),
    );
    let issuer = Issuer::new(bench.server.issuer()).unwrap();
    assert!(matches!(
        discover(&transport, &issuer).await,
        Err(DiscoveryError::Absent { status: 307, .. })
    ));
    discover(&transport, &issuer).await.unwrap();
}
