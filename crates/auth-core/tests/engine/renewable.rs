//! Tokens that can be asked for again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::error::{ConfigError, TokenErrorKind};
use auth_core::grant::{AuthorizationCode, ClientCredentials};
use auth_core::record::Recipe;
use auth_core::refresh::TokenRetry;
use auth_core::store::{GetSet, GetSetStore, StoreErrorKind};
use auth_core::{ClientRegistration, Secret, Target, TokenManager, TokenStore};
use auth_http::HttpTransport;
use store_testkit::server::Fault;

use crate::setup::{Bench, HOUR};

#[tokio::test]
async fn one_token_for_all_who_share_the_store() {
    let bench = Bench::new();
    let first = bench.service_manager().source(&bench.profile).token().await.unwrap();
    let second = bench.service_manager().source(&bench.profile).token().await.unwrap();
    assert_eq!(first, second);
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn each_target_has_its_own_token() {
    let bench = Bench::new();
    let source = bench.service_manager().source(&bench.profile);
    let one = source.token_for(&Target::new().audience("one")).await.unwrap();
    let two = source.token_for(&Target::new().audience("two")).await.unwrap();
    assert_ne!(one, two);
    assert_eq!(source.token_for(&Target::new().audience("one")).await.unwrap(), one);
    assert_eq!(bench.server.counters().token_requests, 2);
}

#[tokio::test]
async fn where_no_scopes_are_named_the_providers_are_asked_for() {
    let bench = Bench::new();
    let mut provider = bench.service().provider().clone();
    provider.default_scopes = vec!["usual".into()];
    let client = ClientRegistration::confidential(provider, "service", Secret::new("service-secret"));
    let manager = bench.builder(client).grant(ClientCredentials::new()).build().unwrap();
    let scope_of = async |target: Target| {
        let token = manager.source_for(&bench.profile, &target).token().await.unwrap();
        bench.server.scope_of(token.secret().expose()).unwrap()
    };
    assert_eq!(scope_of(Target::new()).await, "usual");
    assert_eq!(scope_of(Target::new().audience("a")).await, "usual");
    assert_eq!(scope_of(Target::new().scope("other")).await, "other");
}

#[tokio::test]
async fn a_process_without_the_grant_uses_the_token_that_others_got() {
    let bench = Bench::new();
    let with = bench.builder(bench.service()).build().unwrap();
    let recipe = Recipe::new(ClientCredentials::NAME, Target::new().scope("api"));
    with.enrol(&bench.profile, recipe).await.unwrap();
    let token = with.source(&bench.profile).token().await.unwrap();
    let without = bench.builder(bench.service()).grant(AuthorizationCode).build().unwrap();
    let source = without.source(&bench.profile);
    assert_eq!(source.token().await.unwrap(), token);
    let error = source.force().await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::UnknownGrant { .. })
    ));
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn a_store_that_is_away_costs_a_request_never_a_token() {
    let bench = Bench::new();
    bench.store.fail_saves(&[StoreErrorKind::Unavailable; 50]);
    let source = bench.service_manager().source(&bench.profile);
    let token = source.token().await.unwrap();
    assert_eq!(source.token().await.unwrap(), token);
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn failures_are_retried_as_told() {
    let bench = Bench::new();
    let mut retry = TokenRetry::default();
    retry.back_off = Duration::from_millis(1);
    let manager = bench
        .builder(bench.service())
        .grant(ClientCredentials::new())
        .token_retry(retry)
        .build()
        .unwrap();
    bench.server.inject(Fault::answer(503).times(2));
    manager.source(&bench.profile).token().await.unwrap();
    assert_eq!(bench.server.counters().token_requests, 3);
    bench.server.inject(Fault::drop_before_handling());
    manager.source(&bench.profile).force().await.unwrap();
    bench
        .server
        .inject(Fault::answer(400).body(r#"{"error":"invalid_scope"}"#));
    let error = manager.source(&bench.profile).force().await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.code.as_deref() == Some("invalid_scope"))
    );
    assert_eq!(bench.server.counters().token_requests, 6);
}

#[tokio::test]
async fn near_its_end_a_token_is_renewed_behind_its_users() {
    let bench = Bench::new();
    let source = bench.service_manager().source(&bench.profile);
    let old = source.token().await.unwrap();
    bench.advance(Duration::from_secs(3400));
    assert_eq!(source.token().await.unwrap(), old, "nobody waits");
    bench.server.wait_for_token_requests(2).await;
    while *source.peek().unwrap() == old {
        tokio::task::yield_now().await;
    }
    assert_ne!(source.token().await.unwrap(), old);
    assert_eq!(bench.server.counters().token_requests, 2);
}

#[tokio::test]
async fn a_longer_validity_can_be_demanded() {
    let bench = Bench::new();
    let source = bench.service_manager().source(&bench.profile);
    let old = source.token().await.unwrap();
    bench.advance(Duration::from_secs(1800));
    assert_eq!(
        source
            .clone()
            .min_validity(Duration::from_secs(600))
            .token()
            .await
            .unwrap(),
        old
    );
    assert_ne!(
        source
            .clone()
            .min_validity(Duration::from_secs(2400))
            .token()
            .await
            .unwrap(),
        old
    );
}

#[tokio::test]
async fn current_asks_nobody() {
    let bench = Bench::new();
    let source = bench.service_manager().source(&bench.profile);
    assert!(source.current().await.unwrap_err().is_reauth_required());
    let token = source.token().await.unwrap();
    assert_eq!(
        bench.service_manager().source(&bench.profile).current().await.unwrap(),
        token
    );
    bench.advance(HOUR);
    source.current().await.unwrap_err();
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn access_tokens_can_be_kept_out_of_the_store() {
    let bench = Bench::new();
    let manager = || {
        bench
            .builder(bench.service())
            .grant(ClientCredentials::new())
            .cache_access_tokens(false)
            .build()
            .unwrap()
    };
    let first = manager();
    let token = first.source(&bench.profile).token().await.unwrap();
    assert_eq!(first.source(&bench.profile).token().await.unwrap(), token);
    assert_ne!(manager().source(&bench.profile).token().await.unwrap(), token);

    let people = bench.builder(bench.app()).cache_access_tokens(false).build().unwrap();
    let source = bench.logged_in(&people).await;
    bench.advance(HOUR);
    let token = source.token().await.unwrap();
    assert_eq!(bench.record().await.access, None);
    assert_eq!(source.token().await.unwrap(), token);
}

#[derive(Clone, Default)]
struct Dictionary(Arc<Mutex<HashMap<String, Vec<u8>>>>);

#[async_trait]
impl GetSet for Dictionary {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn set(
        &self,
        name: &str,
        value: &[u8],
        _ttl: Option<Duration>,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().insert(name.into(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

#[tokio::test]
async fn any_dictionary_will_do_and_keeps_no_refresh_tokens() {
    let bench = Bench::new();
    let dictionary = Dictionary::default();
    let store = || -> Arc<dyn TokenStore> { Arc::new(GetSetStore::new(dictionary.clone())) };
    let service = || {
        let builder = TokenManager::builder(bench.service(), store()).transport(HttpTransport::new());
        builder
            .grant(ClientCredentials::new())
            .build()
            .unwrap()
            .source(&bench.profile)
    };
    assert_eq!(service().token().await.unwrap(), service().token().await.unwrap());
    assert_eq!(bench.server.counters().token_requests, 1);

    let login = bench.server.log_in("app", "api");
    let body = format!(r#"{{"access_token":"a","refresh_token":"{}"}}"#, login.refresh_token);
    let tokens = auth_core::token::TokenResponse::parse(body.as_bytes()).unwrap();
    let recipe = || auth_core::record::Recipe::new("authorization_code", Target::new());
    let people = TokenManager::builder(bench.app(), store()).transport(HttpTransport::new());
    let error = people
        .build()
        .unwrap()
        .adopt(&bench.profile, recipe(), &tokens)
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Config(ConfigError::VolatileStore { .. })),
        "{error}"
    );
    let people = TokenManager::builder(bench.app(), store()).transport(HttpTransport::new());
    let people = people.allow_volatile_refresh_tokens().build().unwrap();
    people.adopt(&bench.profile, recipe(), &tokens).await.unwrap();
}
