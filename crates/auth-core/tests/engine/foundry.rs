//! At a server that speaks as Palantir Foundry's does: redirects as prescribed, client
//! authentication by step, failures that go away at once.

use auth_core::error::{ReauthReason, TokenErrorKind};
use auth_core::{ClientRegistration, Secret, Target};
use store_testkit::server::{Client, Dialect, Fault};

use crate::setup::{Bench, HOUR};

const HERE: &str = "http://127.0.0.1:8888/";

fn bench() -> Bench {
    Bench::with(|server| {
        let server = server.dialect(Dialect::Foundry);
        server
            .client(Client::public("native"))
            .client(Client::confidential("web", "s:e+c%ret"))
    })
}

impl Bench {
    fn foundry(&self) -> auth_core::Provider {
        auth_core::provider::foundry(&self.server.issuer()).unwrap()
    }

    fn native(&self) -> ClientRegistration {
        ClientRegistration::public(self.foundry(), "native")
    }
}

fn offline() -> Target {
    Target::new().scopes(["offline_access", "api:read"])
}

fn internal_failure() -> Fault {
    Fault::answer(500).body(r#"{"error":"internal_failure"}"#)
}

#[tokio::test]
async fn a_login_lasts_where_offline_access_is_asked_for() {
    let bench = bench();
    let manager = bench.builder(bench.native()).build().unwrap();
    let console = bench.foundry().redirects.console.unwrap();
    let token = bench.log_in_by(&manager, console.as_str(), offline()).await;
    assert_eq!(token.scopes().len(), 2, "granted as `scopes`");
    bench.advance(HOUR);
    let renewed = manager.source(&bench.profile).token().await.unwrap();
    assert!(renewed != token && bench.server.is_live(renewed.secret().expose()));
    assert!(bench.refresh_token_is_alive().await);

    bench.log_in_by(&manager, HERE, Target::new().scope("api:read")).await;
    assert_eq!(bench.record().await.refresh_token, None);
    bench.advance(HOUR);
    let error = manager.source(&bench.profile).token().await.unwrap_err();
    assert_eq!(
        error.kind(),
        &TokenErrorKind::ReauthRequired(ReauthReason::NoRefreshToken)
    );
}

#[tokio::test]
async fn a_confidential_client_authenticates_by_step() {
    let bench = bench();
    let client = ClientRegistration::confidential(bench.foundry(), "web", Secret::new("s:e+c%ret"));
    let manager = bench.builder(client).build().unwrap();
    bench.log_in_by(&manager, HERE, offline()).await;
    bench.advance(HOUR);
    let source = manager.source(&bench.profile);
    let token = source.token().await.unwrap();
    assert_ne!(source.after_rejection(&token).await.unwrap(), token);
    assert_eq!(bench.server.counters().refusals_of("invalid_client"), 0);
}

#[tokio::test]
async fn an_internal_failure_is_tried_again_at_once() {
    let bench = bench();
    let manager = bench.builder(bench.native()).build().unwrap();
    bench.log_in_by(&manager, HERE, offline()).await;
    bench.advance(HOUR);
    bench.server.inject(internal_failure().times(2));
    let source = manager.source(&bench.profile);
    source.token().await.unwrap();
    assert_eq!((bench.refreshes(), bench.server.counters().double_spends), (3, 0));

    bench.advance(HOUR);
    bench.server.inject(internal_failure().times(3));
    let error = source.token().await.unwrap_err();
    let TokenErrorKind::Refused(refusal) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(refusal.code.as_deref(), Some("internal_failure"));
    assert_eq!(bench.refreshes(), 6);
    source.force().await.unwrap();
    assert!(
        bench.refresh_token_is_alive().await,
        "the refresh token was not given up"
    );
}

#[tokio::test]
async fn a_code_is_sent_once_whatever_the_failure() {
    let bench = bench();
    let manager = bench.builder(bench.native()).build().unwrap();
    bench.server.inject(internal_failure());
    let (url, login) = manager.begin_login(HERE, offline()).unwrap();
    let callback = crate::login::browse(url.as_str()).await;
    let exchange = manager.accept_callback(login, &callback).unwrap();
    manager.finish_login(&bench.profile, exchange).await.unwrap_err();
    assert_eq!(bench.server.counters().token_requests, 1);
}
