//! Credentials from several places, to tokens at a real server.

use std::collections::HashSet;
use std::ffi::OsString;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::client_auth::ClientAuthMethod;
use auth_core::error::{ConfigError, PartialCredentials, ReauthReason, TokenErrorKind};
use auth_core::grant::{ClientCredentials, Grant, Renewal, TokenRequest};
use auth_core::key::Key;
use auth_core::manager::Seed;
use auth_core::record::{ClientRecord, Contents, Recipe};
use auth_core::resolver::{Credential, Credentials, Environment, Resolved, Resolver, Rule, Use, WhyPassed};
use auth_core::store::{GetSet, GetSetStore, StoreErrorKind, TokenStoreExt as _};
use auth_core::{ClientRegistration, Secret, Target, TokenError, TokenManager, TokenSource, TokenStore};
use store_testkit::server::{AccessTokenFormat, Login};

use crate::setup::{Bench, HOUR};

type Variables = Vec<(String, String)>;

/// An environment of these variables.
fn environment(variables: &[(&str, &str)]) -> impl Environment + use<> {
    let variables: Variables = variables
        .iter()
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect();
    move |name: &str| {
        let found = variables.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| OsString::from(value))
    }
}

fn nothing() -> impl Environment + use<> {
    environment(&[])
}

impl Bench {
    fn prefixed(&self) -> auth_core::Provider {
        let mut provider = self.app().provider().clone();
        provider.environment_prefix = Some("PAN".into());
        provider
    }

    /// For the public client `app`.
    fn resolver(&self, environment: impl Environment + 'static) -> Resolver {
        Resolver::new(environment)
            .provider(self.prefixed())
            .authenticate_by(ClientAuthMethod::None)
            .clock(self.clock.clone())
    }

    async fn resolve(&self, resolver: &Resolver) -> Result<Resolved, TokenError> {
        resolver.resolve(&self.profile, &self.store).await
    }

    /// As a program that starts with these credentials.
    async fn run(&self, resolver: &Resolver) -> TokenSource {
        let found = self.resolve(resolver).await.unwrap();
        let manager = self.builder(found.registration().clone()).build().unwrap();
        found.source(&manager).await.unwrap()
    }

    async fn missing(&self, resolver: &Resolver) -> PartialCredentials {
        match self.resolve(resolver).await.unwrap_err().kind() {
            TokenErrorKind::Config(ConfigError::PartialCredentials(partial)) => partial.clone(),
            other => panic!("{other}"),
        }
    }

    async fn keep_client(&self, registration: &ClientRegistration) {
        let key = Key::client(&self.profile);
        let contents = Contents::from(registration.to_record());
        self.store.replace_contents(&key, &contents, None).await.unwrap();
    }

    fn is_live(&self, token: &auth_core::AccessToken) -> bool {
        self.server.is_live(token.secret().expose())
    }
}

fn with_refresh_token<'a>(login: &'a Login, prefix: &str) -> Vec<(&'static str, &'a str)> {
    match prefix {
        "PAN" => vec![
            ("PAN_CLIENT_ID", "app"),
            ("PAN_REFRESH_TOKEN", login.refresh_token.as_str()),
        ],
        "" => vec![("CLIENT_ID", "app"), ("REFRESH_TOKEN", login.refresh_token.as_str())],
        _ => vec![
            ("TOKENKEEP_CLIENT_ID", "app"),
            ("TOKENKEEP_REFRESH_TOKEN", login.refresh_token.as_str()),
        ],
    }
}

fn names(partial: &PartialCredentials) -> Vec<&str> {
    partial.missing.iter().map(|missing| missing.field).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_at_once_from_one_environment_spend_it_once() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(5)));
    let bench = std::sync::Arc::new(bench);
    let login = std::sync::Arc::new(bench.server.log_in("app", "api"));
    let starts: Vec<_> = (0..12)
        .map(|_| {
            let (bench, login) = (bench.clone(), login.clone());
            tokio::spawn(async move {
                let resolver = bench.resolver(environment(&with_refresh_token(&login, "TOKENKEEP")));
                let token = bench.run(&resolver).await.token().await.unwrap();
                token.secret().expose().to_owned()
            })
        })
        .collect();
    let mut tokens = HashSet::new();
    for start in starts {
        tokens.insert(start.await.unwrap());
    }
    let counters = bench.server.counters();
    assert_eq!((tokens.len(), bench.refreshes(), counters.double_spends), (1, 1, 0));
    // The next one finds the access token too, although its credentials are not from there.
    let resolver = bench.resolver(environment(&with_refresh_token(&login, "TOKENKEEP")));
    let token = bench.run(&resolver).await.token().await.unwrap();
    assert!(tokens.contains(token.secret().expose()));
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn the_first_place_that_has_any_is_used_alone_and_what_it_lacks_is_named() {
    let bench = Bench::new();
    bench.logged_in(&bench.manager()).await;
    bench.keep_client(&bench.app()).await;
    let resolver = Resolver::new(environment(&[("PAN_CLIENT_ID", "app"), ("TOKENKEEP_CLIENT_ID", "")]));
    let partial = bench.missing(&resolver.provider(bench.prefixed())).await;
    assert_eq!(
        TokenErrorKind::Config(ConfigError::PartialCredentials(partial)).to_string(),
        "credentials are missing: \
         client_secret (looked in the arguments, the client, environment variable TOKENKEEP_CLIENT_SECRET, \
         environment variable PAN_CLIENT_SECRET); \
         refresh_token (looked in the arguments, the client, environment variable TOKENKEEP_REFRESH_TOKEN, \
         environment variable PAN_REFRESH_TOKEN); \
         used alone: the environment (PAN_*), the first to have any"
    );
    assert_eq!(bench.server.counters().token_requests, 0);
}

#[tokio::test]
async fn where_nobody_has_any_all_places_are_named() {
    let bench = Bench::new();
    let partial = bench
        .missing(&Resolver::new(nothing()).provider(bench.prefixed()))
        .await;
    assert_eq!(names(&partial), ["client_id", "client_secret", "refresh_token"]);
    let looked_in = &partial.missing[0].looked_in;
    assert_eq!(looked_in.last().unwrap(), "the moody store");
    assert_eq!((looked_in.len(), partial.used_alone), (5, None));
}

#[tokio::test]
async fn a_provider_has_names_of_its_own_and_old_ones_only_when_asked_for() {
    let bench = Bench::new();
    for (prefix, works) in [("TOKENKEEP", true), ("PAN", true), ("", false)] {
        let login = bench.server.log_in("app", "api");
        let resolver = || bench.resolver(environment(&with_refresh_token(&login, prefix)));
        assert_eq!(bench.resolve(&resolver()).await.is_ok(), works, "{prefix}");
        let old_too = bench.run(&resolver().unprefixed_names()).await;
        assert!(bench.is_live(&old_too.token().await.unwrap()), "{prefix}");
        bench
            .store
            .remove(&Key::grant(&bench.profile), auth_core::store::RemoveIf::Any)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn arguments_beat_the_client_beats_the_environment_beats_the_store() {
    let bench = Bench::new();
    let logins: Vec<_> = (0..4).map(|_| bench.server.log_in("app", "api")).collect();
    let given = |login: &Login| {
        Credentials::new()
            .client_id("app")
            .refresh_token(login.refresh_token.as_str())
    };
    bench
        .manager()
        .seed(&bench.profile, Seed::new(logins[3].refresh_token.as_str()))
        .await
        .unwrap();
    bench.keep_client(&bench.app()).await;
    let store_alone = bench.resolver(nothing());
    let environment = || environment(&with_refresh_token(&logins[2], "PAN"));
    let from_environment = bench.resolver(environment());
    let from_client = bench.resolver(environment()).client(given(&logins[1]));
    let from_arguments = bench
        .resolver(environment())
        .client(given(&logins[1]))
        .arguments(given(&logins[0]));
    for (resolver, login) in [store_alone, from_environment, from_client, from_arguments]
        .iter()
        .zip(logins.iter().rev())
    {
        bench.run(resolver).await.token().await.unwrap();
        let seed = Secret::new(login.refresh_token.as_str()).hash();
        assert_eq!(bench.record().await.seed, Some(seed));
    }
    assert_eq!((bench.refreshes(), bench.server.counters().double_spends), (4, 0));
}

#[tokio::test]
async fn the_store_knows_the_client_and_its_server() {
    let bench = Bench::new();
    let login = bench.server.log_in("service", "api");
    bench.keep_client(&bench.service()).await;
    let manager = bench.builder(bench.service()).build().unwrap();
    manager
        .seed(&bench.profile, Seed::new(login.refresh_token.as_str()))
        .await
        .unwrap();
    let resolver = Resolver::new(nothing());
    let found = bench.resolve(&resolver).await.unwrap();
    assert_eq!(found.uses(), Use::RefreshToken);
    assert_eq!(found.registration().binding(), bench.service().binding());
    assert!(bench.is_live(&bench.run(&resolver).await.token().await.unwrap()));
    // Now a valid access token is there too.
    assert_eq!(bench.resolve(&resolver).await.unwrap().uses(), Use::AccessToken);
    bench.advance(HOUR);
    assert!(bench.is_live(&bench.run(&resolver).await.token().await.unwrap()));
    assert_eq!(bench.refreshes(), 2);
}

#[tokio::test]
async fn a_given_registration_wins_over_a_stored_one() {
    let bench = Bench::new();
    let source = bench.logged_in(&bench.manager()).await;
    source.token().await.unwrap();
    let elsewhere = auth_core::endpoint::EndpointUrl::new("http://127.0.0.1:9/token").unwrap();
    let stale = auth_core::provider::with_endpoints(elsewhere, None);
    bench.keep_client(&ClientRegistration::public(stale, "app")).await;
    bench.advance(HOUR);
    let token = bench.run(&bench.resolver(nothing())).await.token().await.unwrap();
    assert!(bench.is_live(&token));
    // By the strict rule a client that is given needs its refresh token beside it.
    let resolver = Resolver::new(nothing()).registration(&bench.app());
    assert_eq!(names(&bench.missing(&resolver).await), ["refresh_token"]);
    bench.advance(HOUR);
    let merged = resolver.rule(Rule::Merge);
    assert!(bench.is_live(&bench.run(&merged).await.token().await.unwrap()));
}

#[tokio::test]
async fn merged_credentials_come_from_where_they_are() {
    let bench = Bench::new();
    let login = bench.server.log_in("service", "api");
    bench.keep_client(&bench.service()).await;
    let resolver = Resolver::new(environment(&[("TOKENKEEP_REFRESH_TOKEN", &login.refresh_token)]));
    assert_eq!(names(&bench.missing(&resolver).await), ["client_id", "client_secret"]);
    let token = bench.run(&resolver.rule(Rule::Merge)).await.token().await.unwrap();
    assert!(bench.is_live(&token));
}

#[tokio::test]
async fn a_token_of_another_login_is_never_handed_out() {
    let bench = Bench::new();
    let stored = bench.logged_in(&bench.manager()).await.token().await.unwrap();
    bench.keep_client(&bench.app()).await;
    let other = bench.server.log_in_as("app", "somebody else", "api");
    let variables = [("TOKENKEEP_REFRESH_TOKEN", other.refresh_token.as_str())];
    let resolver = bench.resolver(environment(&variables)).rule(Rule::Merge);
    let token = bench.run(&resolver).await.token().await.unwrap();
    assert!(token != stored && bench.is_live(&token));
    // Another client has no use for it either.
    let other_client = [("TOKENKEEP_CLIENT_ID", "service")];
    let resolver = bench.resolver(environment(&other_client)).rule(Rule::Merge);
    let error = bench.run(&resolver).await.token().await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::BoundElsewhere { what: "client id" })
    ));
}

/// Does not answer.
struct Gone;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl GetSet for Gone {
    async fn get(&self, _name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Err("gone".into())
    }

    async fn set(&self, _name: &str, _value: &[u8], _ttl: Option<Duration>) -> Result<(), Failure> {
        Err("gone".into())
    }

    async fn delete(&self, _name: &str) -> Result<(), Failure> {
        Err("gone".into())
    }
}

#[tokio::test]
async fn an_access_token_alone_needs_neither_store_nor_server() {
    let bench = Bench::new();
    let login = bench.server.log_in("app", "api");
    let store: std::sync::Arc<dyn TokenStore> = std::sync::Arc::new(GetSetStore::new(Gone));
    let resolver = Resolver::new(environment(&[("TOKENKEEP_ACCESS_TOKEN", &login.access_token)]));
    let found = resolver.resolve(&bench.profile, &store).await.unwrap();
    let manager = TokenManager::builder(found.registration().clone(), store.clone())
        .transport(auth_http::HttpTransport::new())
        .build()
        .unwrap();
    let source = found.source(&manager).await.unwrap();
    let token = source.token().await.unwrap();
    assert_eq!(token.secret().expose(), login.access_token);
    let error = source.after_rejection(&token).await.unwrap_err();
    assert_eq!(
        error.kind(),
        &TokenErrorKind::ReauthRequired(ReauthReason::NoRefreshToken)
    );
    assert_eq!(bench.server.counters().token_requests, 0);
    // Where the store is needed, its failure is told.
    let error = Resolver::new(nothing())
        .resolve(&bench.profile, &store)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::Unavailable));
}

#[tokio::test]
async fn an_access_token_that_is_over_gives_way_to_the_refresh_token() {
    let bench = Bench::with(|server| server.access_token_format(AccessTokenFormat::Jwt));
    let login = bench.server.log_in("app", "api");
    let mut variables = with_refresh_token(&login, "TOKENKEEP");
    variables.push(("TOKENKEEP_ACCESS_TOKEN", &login.access_token));
    let resolver = bench.resolver(environment(&variables));
    let found = bench.resolve(&resolver).await.unwrap();
    assert_eq!(found.uses(), Use::AccessToken);
    let token = bench.run(&resolver).await.token().await.unwrap();
    assert_eq!(
        (token.secret().expose(), bench.refreshes()),
        (login.access_token.as_str(), 0)
    );
    bench.advance(HOUR);
    let found = bench.resolve(&resolver).await.unwrap();
    assert_eq!(found.uses(), Use::RefreshToken);
    let passed = &found.explanation().credentials[0].passed;
    assert!(passed.iter().any(|place| place.why == WhyPassed::Expired));
    assert!(bench.is_live(&bench.run(&resolver).await.token().await.unwrap()));
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_merged_access_token_is_used_first_and_never_kept_as_the_logins_own() {
    let bench = Bench::new();
    let given = bench.server.log_in("app", "api");
    let login = bench.server.log_in("app", "api");
    let arguments = Credentials::new().access_token(given.access_token.as_str());
    let resolver = bench
        .resolver(environment(&with_refresh_token(&login, "PAN")))
        .arguments(arguments)
        .rule(Rule::Merge);
    let source = bench.run(&resolver).await;
    let token = source.token().await.unwrap();
    assert_eq!(token.secret().expose(), given.access_token);
    assert_eq!((bench.record().await.access, bench.refreshes()), (None, 0));
    let next = source.after_rejection(&token).await.unwrap();
    assert!(next != token && bench.is_live(&next));
}

#[tokio::test]
async fn a_logout_is_said_to_be_one() {
    let bench = Bench::new();
    bench.logged_in(&bench.manager()).await;
    bench.keep_client(&bench.app()).await;
    bench.manager().logout(&bench.profile).await.unwrap();
    let error = bench.resolve(&Resolver::new(nothing())).await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::ReauthRequired(ReauthReason::LoggedOut));
    assert_eq!(error.profile(), Some(&bench.profile));
}

#[tokio::test]
async fn a_service_needs_no_refresh_token_and_shares_its_access_token() {
    let bench = Bench::new();
    let variables = [
        ("TOKENKEEP_CLIENT_ID", "service"),
        ("TOKENKEEP_CLIENT_SECRET", "service-secret"),
    ];
    let resolver = Resolver::new(environment(&variables))
        .provider(bench.prefixed())
        .without_refresh_token();
    let mut tokens = HashSet::new();
    for _ in 0..3 {
        let found = bench.resolve(&resolver).await.unwrap();
        assert_eq!(found.uses(), Use::Client);
        let manager = bench.builder(found.registration().clone());
        let manager = manager.grant(ClientCredentials::new()).build().unwrap();
        let token = found.source(&manager).await.unwrap().token().await.unwrap();
        tokens.insert(token.secret().expose().to_owned());
    }
    assert_eq!((tokens.len(), bench.server.counters().token_requests), (1, 1));
}

#[tokio::test]
async fn a_stored_login_that_can_be_repeated_needs_none_either() {
    let bench = Bench::new();
    bench.keep_client(&bench.service()).await;
    let manager = bench.builder(bench.service()).build().unwrap();
    let recipe = Recipe::new(ClientCredentials::new().name(), Target::new().scope("api"));
    manager.enrol(&bench.profile, recipe).await.unwrap();
    let token = bench.run(&Resolver::new(nothing())).await.token().await.unwrap();
    assert!(bench.is_live(&token));
}

/// Stands for the exchange of a developer token, which asks for the same each time.
#[derive(Debug)]
struct DeveloperToken;

impl Grant for DeveloperToken {
    fn name(&self) -> &'static str {
        "developer_token"
    }

    fn renewal(&self) -> Renewal {
        Renewal::Repeat
    }

    fn request(&self, target: &Target) -> Result<TokenRequest, ConfigError> {
        ClientCredentials::new().request(target)
    }
}

#[tokio::test]
async fn a_developer_token_is_left_to_its_grant() {
    let bench = Bench::new();
    let variables = [("TOKENKEEP_DEVELOPER_TOKEN", "canary")];
    let resolver = Resolver::new(environment(&variables)).provider(bench.prefixed());
    let found = bench.resolve(&resolver).await.unwrap();
    assert_eq!(found.uses(), Use::DeveloperToken);
    assert_eq!(found.developer_token(), Some(&Secret::new("canary")));
    let error = found.source(&bench.manager()).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::UnknownGrant { .. })
    ));
    let manager = bench.builder(bench.service()).grant(DeveloperToken).build().unwrap();
    let token = found.source(&manager).await.unwrap().token().await.unwrap();
    assert!(bench.is_live(&token));
}

#[tokio::test]
async fn an_explanation_names_places_and_shows_no_value() {
    let bench = Bench::new();
    bench.keep_client(&bench.app()).await;
    let variables = [
        ("PAN_CLIENT_ID", "canary-id"),
        ("PAN_CLIENT_SECRET", "canary-secret"),
        ("PAN_REFRESH_TOKEN", "canary-refresh"),
    ];
    let resolver = Resolver::new(environment(&variables)).provider(bench.prefixed());
    let explanation = resolver.explain(&bench.profile, &bench.store).await.unwrap();
    assert_eq!(
        explanation.to_string(),
        "\
credential       from                                    passed over
access_token     -                                       the arguments (none), the client (none), TOKENKEEP_ACCESS_TOKEN (none), PAN_ACCESS_TOKEN (none), the moody store (none)
client_id        environment variable PAN_CLIENT_ID      the arguments (none), the client (none), TOKENKEEP_CLIENT_ID (none), the moody store (not used)
client_secret    environment variable PAN_CLIENT_SECRET  the arguments (none), the client (none), TOKENKEEP_CLIENT_SECRET (none), the moody store (none)
developer_token  -                                       the arguments (none), the client (none), TOKENKEEP_DEVELOPER_TOKEN (none), PAN_DEVELOPER_TOKEN (none), the moody store (none)
refresh_token    environment variable PAN_REFRESH_TOKEN  the arguments (none), the client (none), TOKENKEEP_REFRESH_TOKEN (none), the moody store (none)
rule: strict; the environment (PAN_*) alone, the first to have any
used: the refresh token"
    );
    let found = bench.resolve(&resolver).await.unwrap();
    let json = serde_json::to_string(found.explanation()).unwrap();
    let all = format!("{explanation}{explanation:?}{json}{found:?}{resolver:?}");
    for value in ["canary-secret", "canary-refresh"] {
        assert!(!all.contains(value), "{all}");
    }
    // Resolving does not read the store where it need not.
    let whole = &found.explanation().credentials;
    assert!(
        whole
            .iter()
            .all(|one| one.passed.last().unwrap().why == WhyPassed::NotRead)
    );
    assert!(!format!("{explanation}{json}").contains("canary"));
}

#[tokio::test]
async fn an_explanation_says_what_is_missing_even_without_the_store() {
    let bench = Bench::new();
    let gone = GetSetStore::new(Gone);
    let resolver = Resolver::new(environment(&[("TOKENKEEP_CLIENT_ID", "app")])).provider(bench.prefixed());
    let explanation = resolver.explain(&bench.profile, &gone).await.unwrap();
    assert_eq!(explanation.uses, None);
    assert_eq!(
        explanation.missing,
        [Credential::ClientSecret, Credential::RefreshToken]
    );
    let text = explanation.to_string();
    assert!(text.ends_with("missing: client_secret, refresh_token"), "{text}");
    assert!(text.contains("(can't be read)"), "{text}");
}

#[tokio::test]
async fn without_a_provider_the_stored_ones_names_count_too() {
    let bench = Bench::new();
    let mut record = ClientRecord::new(bench.prefixed(), "another-app");
    record.authentication = Some(ClientAuthMethod::None);
    let key = Key::client(&bench.profile);
    bench.store.replace_contents(&key, &record.into(), None).await.unwrap();
    let login = bench.server.log_in("app", "api");
    let resolver =
        Resolver::new(environment(&with_refresh_token(&login, "PAN"))).authenticate_by(ClientAuthMethod::None);
    let found = bench.resolve(&resolver).await.unwrap();
    assert_eq!(found.registration().client_id(), "app");
    assert!(bench.is_live(&bench.run(&resolver).await.token().await.unwrap()));
}

#[tokio::test]
async fn a_stored_access_token_without_a_known_server_is_used_to_its_end() {
    let bench = Bench::new();
    let stored = bench.logged_in(&bench.manager()).await.token().await.unwrap();
    let source = bench.run(&Resolver::new(nothing())).await;
    assert_eq!(source.token().await.unwrap(), stored);
    bench.advance(HOUR);
    let error = source.token().await.unwrap_err();
    assert!(matches!(error.kind(), TokenErrorKind::Config(_)), "{error}");
    assert_eq!(bench.refreshes(), 0);
}
