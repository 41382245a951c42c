//! At a server that speaks as Palo Alto Networks' does: JSON, rolling refresh tokens, and a
//! service that redeems developer tokens.

use std::ffi::OsString;

use auth_core::endpoint::EndpointUrl;
use auth_core::error::{ConfigError, ReauthReason, TokenErrorKind};
use auth_core::grant::{AuthorizationRequest, DeveloperToken};
use auth_core::key::Key;
use auth_core::resolver::{Credential, Credentials, Resolved, Resolver, Use};
use auth_core::store::TokenStoreExt as _;
use auth_core::{ClientRegistration, Provider, Secret, Target, TokenManager, TokenSource, TokenStore as _};
use store_testkit::server::{AuthorizationServerBuilder, Client, Dialect, Endpoint, Fault};

use crate::login::{REDIRECT, location};
use crate::setup::{Bench, HOUR};

fn bench() -> Bench {
    Bench::with(pancloud)
}

fn pancloud(server: AuthorizationServerBuilder) -> AuthorizationServerBuilder {
    let client = Client::confidential("pan", "pan-secret").redirect_uri(REDIRECT);
    let server = server.dialect(Dialect::Pancloud).client(client);
    server.developer_token("developer-one").developer_token("developer-two")
}

impl Bench {
    fn pancloud(&self) -> Provider {
        let (api, authorization) = (self.server.issuer(), self.server.authorization_endpoint());
        let mut provider = auth_core::provider::pancloud_at(&api, &authorization).unwrap();
        let redemption = EndpointUrl::new(&self.server.developer_token_endpoint()).unwrap();
        provider.developer_token_endpoint = Some(redemption);
        provider
    }

    fn pan(&self) -> ClientRegistration {
        ClientRegistration::confidential(self.pancloud(), "pan", Secret::new("pan-secret"))
    }

    fn developer(&self, token: &str) -> TokenManager {
        let client = ClientRegistration::public(self.pancloud(), "");
        let builder = self.builder(client).grant(DeveloperToken::new(token));
        builder.build().unwrap()
    }

    fn redemptions(&self) -> u64 {
        self.server.counters().developer_token_requests
    }

    /// As a program that has these variables.
    async fn found(&self, variables: &[(&'static str, String)]) -> Resolved {
        let variables = variables.to_vec();
        let environment = move |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let resolver = Resolver::new(environment)
            .provider(self.pancloud())
            .clock(self.clock.clone());
        resolver.resolve(&self.profile, &self.store).await.unwrap()
    }

    async fn source_of(&self, found: &Resolved) -> TokenSource {
        let mut builder = self.builder(found.registration().clone());
        if let Some(grant) = found.developer_token_grant() {
            builder = builder.grant(grant);
        }
        found.source(&builder.build().unwrap()).await.unwrap()
    }
}

#[tokio::test]
async fn a_login_rolls_its_refresh_tokens_and_is_revoked() {
    let bench = bench();
    let manager = bench.builder(bench.pan()).build().unwrap();
    let token = bench
        .log_in_by(&manager, REDIRECT, Target::new().scope("logging"))
        .await;
    let first = bench.record().await.refresh_token.unwrap();
    assert!(token.expires_at().is_some(), "a JWT says when it ends");
    bench.advance(HOUR);
    let source = manager.source(&bench.profile);
    let renewed = source.token().await.unwrap();
    assert!(bench.server.is_live(renewed.secret().expose()));
    let second = bench.record().await.refresh_token.unwrap();
    assert_ne!(first, second);
    assert_eq!((bench.refreshes(), bench.server.counters().double_spends), (1, 0));
    let other = source.after_rejection(&renewed).await.unwrap();
    assert_ne!(other, renewed);
    manager.revoke(&bench.profile).await.unwrap();
    assert!(!bench.server.is_live(other.secret().expose()));
    assert!(!bench.server.family_alive(second.expose()));
}

#[tokio::test]
async fn a_reply_without_a_refresh_token_keeps_the_one_there_is() {
    let bench = Bench::with(|server| {
        let server = server.dialect(Dialect::Pancloud);
        server
            .client(Client::confidential("pan", "pan-secret"))
            .rotation(store_testkit::server::Rotation::None)
    });
    let manager = bench.builder(bench.pan()).build().unwrap();
    bench.log_in_by(&manager, REDIRECT, Target::new()).await;
    let before = bench.record().await.refresh_token;
    for _ in 0..2 {
        bench.advance(HOUR);
        manager.source(&bench.profile).token().await.unwrap();
        assert!(before.is_some() && bench.record().await.refresh_token == before);
    }
    assert_eq!(bench.refreshes(), 2);
}

#[tokio::test]
async fn a_refused_refresh_is_an_error_and_leaves_what_there_is() {
    let bench = bench();
    let manager = bench.builder(bench.pan()).build().unwrap();
    bench.log_in_by(&manager, REDIRECT, Target::new()).await;
    bench.advance(HOUR);
    let before = bench.record().await.refresh_token;
    bench
        .server
        .inject(Fault::answer(400).body(r#"{"error":"invalid_request"}"#));
    let error = manager.source(&bench.profile).token().await.unwrap_err();
    assert!(matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.status == 400));
    assert_eq!(bench.record().await.refresh_token, before);
    manager.source(&bench.profile).force().await.unwrap();
}

#[tokio::test]
async fn instance_and_region_are_parameters_of_the_login() {
    let bench = bench();
    let manager = bench.builder(bench.pan()).build().unwrap();
    let request = AuthorizationRequest::new(Target::new().scope("logging"));
    let request = request
        .parameter("instance_id", "42")
        .unwrap()
        .parameter("region", "americas")
        .unwrap();
    let (url, _) = manager.begin_login(REDIRECT, request).unwrap();
    let query = url.query().unwrap();
    assert!(query.contains("&instance_id=42&region=americas"), "{query}");
    assert!(location(url.as_str()).await.contains("code="));
}

#[tokio::test]
async fn a_developer_token_gets_access_tokens_and_renews_them() {
    let bench = bench();
    let variables = [("PAN_DEVELOPER_TOKEN", "developer-one".to_owned())];
    let found = bench.found(&variables).await;
    assert_eq!(found.uses(), Use::DeveloperToken);
    let source = bench.source_of(&found).await;
    let token = source.token().await.unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    assert!(token.expires_at().is_some(), "a JWT says when it ends");
    let elsewhere = bench.source_of(&bench.found(&variables).await).await;
    assert_eq!(elsewhere.token().await.unwrap(), token, "shared through the store");
    assert_eq!(bench.redemptions(), 1);
    bench.advance(HOUR);
    let renewed = source.token().await.unwrap();
    assert!(renewed != token && bench.server.is_live(renewed.secret().expose()));
    assert_ne!(source.after_rejection(&renewed).await.unwrap(), renewed);
    assert_eq!((bench.redemptions(), bench.server.counters().token_requests), (3, 0));
}

#[tokio::test]
async fn of_a_developer_token_only_the_access_token_is_kept() {
    let bench = bench();
    let token = bench
        .developer("developer-one")
        .source(&bench.profile)
        .token()
        .await
        .unwrap();
    let records = bench.store.inner.list_all().await.unwrap();
    assert_eq!(records.len(), 1);
    let record = bench.store.inner.load(&records[0].key).await.unwrap().unwrap();
    let text = String::from_utf8(record.body().expose().to_vec()).unwrap();
    assert!(
        text.contains(token.secret().expose()) && !text.contains("developer-one"),
        "{text}"
    );
    assert!(
        bench
            .store
            .inner
            .load(&Key::grant(&bench.profile))
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn another_developer_token_does_not_get_what_the_first_one_got() {
    let bench = bench();
    let one = bench
        .developer("developer-one")
        .source(&bench.profile)
        .token()
        .await
        .unwrap();
    let two = bench
        .developer("developer-two")
        .source(&bench.profile)
        .token()
        .await
        .unwrap();
    assert_ne!(one, two);
    assert_eq!(bench.redemptions(), 2);
}

#[tokio::test]
async fn a_dead_developer_token_says_to_make_a_new_one() {
    let bench = Bench::standing_with(pancloud);
    let source = bench.developer("developer-one").source(&bench.profile);
    let token = source.token().await.unwrap();
    bench.server.revoke_developer_token("developer-one");
    assert_eq!(source.force().await.unwrap_err().kind(), &dead(401));
    assert_eq!(source.token().await.unwrap(), token, "a good token is used to its end");
    bench.advance(HOUR);
    let asked = bench.redemptions();
    for _ in 0..50 {
        let error = source.token().await.unwrap_err();
        assert_eq!(error.kind(), &dead(401));
        let text = error.to_string();
        assert!(
            text.contains("developer token") && text.contains("make a new one"),
            "{text}"
        );
    }
    assert_eq!(bench.redemptions(), asked + 1, "not asked at each call");
    let body = r#"{"error":"invalid_grant"}"#;
    bench
        .server
        .inject(Fault::answer(400).body(body).at(Endpoint::DeveloperTokens));
    let error = bench
        .developer("developer-two")
        .source(&bench.profile)
        .token()
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &dead(400));
}

fn dead(status: u16) -> TokenErrorKind {
    TokenErrorKind::ReauthRequired(ReauthReason::DeveloperTokenRefused { status })
}

#[tokio::test]
async fn a_live_access_token_comes_before_a_developer_token_before_a_refresh_token() {
    let bench = bench();
    let login = bench.server.log_in("pan", "logging");
    let all = [
        ("PAN_ACCESS_TOKEN", login.access_token.clone()),
        ("PAN_DEVELOPER_TOKEN", "developer-one".to_owned()),
        ("PAN_CLIENT_ID", "pan".to_owned()),
        ("PAN_CLIENT_SECRET", "pan-secret".to_owned()),
        ("PAN_REFRESH_TOKEN", login.refresh_token.clone()),
    ];
    let found = bench.found(&all).await;
    assert_eq!(found.uses(), Use::AccessToken);
    let source = bench.source_of(&found).await;
    assert_eq!(source.token().await.unwrap().secret().expose(), login.access_token);
    assert_eq!(bench.redemptions(), 0);
    bench.advance(HOUR);
    let redeemed = source.token().await.unwrap();
    assert!(bench.server.is_live(redeemed.secret().expose()));

    let found = bench.found(&all).await;
    assert_eq!(found.uses(), Use::DeveloperToken);
    let explained = found.explanation().to_string();
    assert!(explained.contains("used: the developer token"), "{explained}");
    assert!(
        explained.contains("PAN_DEVELOPER_TOKEN") && !explained.contains("developer-one"),
        "{explained}"
    );
    assert_eq!(bench.source_of(&found).await.token().await.unwrap(), redeemed);
    assert_eq!((bench.redemptions(), bench.refreshes()), (1, 0));

    let found = bench.found(&all[2..]).await;
    assert_eq!(found.uses(), Use::RefreshToken);
    bench.source_of(&found).await.token().await.unwrap();
    assert_eq!((bench.redemptions(), bench.refreshes()), (1, 1));
}

#[tokio::test]
async fn an_incomplete_set_names_what_is_missing() {
    let bench = bench();
    let given = Credentials::new().client_id("pan").client_secret(Secret::new("s"));
    let resolver = Resolver::new(|_: &str| None::<OsString>)
        .provider(bench.pancloud())
        .arguments(given);
    let error = resolver.resolve(&bench.profile, &bench.store).await.unwrap_err();
    let TokenErrorKind::Config(ConfigError::PartialCredentials(partial)) = error.kind() else {
        panic!("{error}");
    };
    assert_eq!(partial.missing[0].field, Credential::RefreshToken.as_str());
    assert_eq!(partial.used_alone.as_deref(), Some("the arguments"));
    assert_eq!(bench.server.counters().token_requests, 0);
}
