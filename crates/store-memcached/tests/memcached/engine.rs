//! What a manager does over this store: whom it refuses, and what callers notice.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::endpoint::EndpointUrl;
use auth_core::error::{ConfigError, TokenErrorKind};
use auth_core::grant::{AuthorizationCode, ClientCredentials, Grant as _};
use auth_core::key::Key;
use auth_core::record::{ClientRecord, Contents, Recipe};
use auth_core::store::TokenStoreExt as _;
use auth_core::token::TokenResponse;
use auth_core::transfer::{Place, Transfer};
use auth_core::{
    ClientRegistration, MemoryStore, Profile, Provider, Secret, Target, TokenError, TokenManager, TokenManagerBuilder,
    TokenStore,
};
use auth_http::HttpTransport;
use store_memcached::{MemcachedConfig, MemcachedStore};
use store_testkit::server::{AuthorizationServer, Client};
use test_services::Memcached;

use crate::given::{open, patient, with_patience};

const OPT_IN: &str = "allow_volatile_refresh_tokens";
const HOUR: Duration = Duration::from_secs(3600);
/// Sooner than the store gives up to wait for an answer: whoever is done by then asked nobody who is away.
const ANSWER: Duration = Duration::from_secs(50);

/// A memcached, an authorization server, and a profile whose client id and secret are in
/// the memcached.
struct Bench {
    memcached: Memcached,
    server: AuthorizationServer,
    profile: Profile,
}

impl Bench {
    async fn new() -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::confidential("app", "app-secret").redirect_uri("http://127.0.0.1/callback"))
            .access_token_lifetime(HOUR);
        let bench = Self {
            memcached: Memcached::start().unwrap(),
            server: server.start().unwrap(),
            profile: Profile::new("ana").unwrap(),
        };
        bench.keep_client().await;
        bench
    }

    async fn keep_client(&self) {
        let mut client = ClientRecord::new(self.provider(), "app");
        client.client_secret = Some(Secret::new("app-secret"));
        let key = Key::client(&self.profile);
        let contents = Contents::from(client);
        self.store().replace_contents(&key, &contents, None).await.unwrap();
    }

    fn provider(&self) -> Provider {
        auth_core::provider::with_endpoints(EndpointUrl::new(&self.server.token_endpoint()).unwrap(), None)
    }

    fn store(&self) -> MemcachedStore {
        open(&patient(&[self.memcached.address()]))
    }

    fn store_with_opt_in(&self) -> MemcachedStore {
        let url = format!("memcached://{}?{OPT_IN}=true", self.memcached.address());
        open(&with_patience(MemcachedConfig::from_url(&url).unwrap()))
    }

    /// A manager for the client that is kept in the store.
    async fn builder(&self, store: MemcachedStore) -> TokenManagerBuilder {
        let kept = store.load_contents(&Key::client(&self.profile)).await.unwrap().unwrap();
        let client = ClientRegistration::from_record(kept.1.into_client().unwrap());
        TokenManager::builder(client, store).transport(HttpTransport::new())
    }

    /// A manager for a service's own tokens, whose client is not asked for from the store.
    fn service(&self) -> TokenManager {
        let client = ClientRegistration::confidential(self.provider(), "app", Secret::new("app-secret"));
        TokenManager::builder(client, self.store())
            .transport(HttpTransport::new())
            .grant(ClientCredentials::new())
            .build()
            .unwrap()
    }

    async fn log_in(&self, manager: &TokenManager) -> Result<(), TokenError> {
        let login = self.server.log_in("app", "api");
        let body = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
            login.access_token, login.refresh_token
        );
        let tokens = TokenResponse::parse(body.as_bytes()).unwrap();
        let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
        manager.adopt(&self.profile, recipe, &tokens).await
    }

    async fn has_grant(&self) -> bool {
        let found = self.store().load(&Key::grant(&self.profile)).await.unwrap();
        found.is_some()
    }

    fn profile_of_service(&self) -> Profile {
        Profile::from_parts([self.profile.to_string().as_str(), "service"])
    }

    fn refreshes(&self) -> u64 {
        self.server.counters().requests_of("refresh_token")
    }
}

#[tokio::test]
async fn refresh_tokens_are_refused_and_the_refusal_names_the_way() {
    let bench = Bench::new().await;
    let manager = bench.builder(bench.store()).await.build().unwrap();
    refused(&bench.log_in(&manager).await.unwrap_err());
    assert!(!bench.has_grant().await, "kept all the same");

    // One that somebody else put there is not spent.
    let allowed = bench.builder(bench.store_with_opt_in()).await.build().unwrap();
    bench.log_in(&allowed).await.unwrap();
    let kept = bench.store().load(&Key::grant(&bench.profile)).await.unwrap();
    refused(&manager.source(&bench.profile).force().await.unwrap_err());
    assert_eq!(bench.refreshes(), 0);
    assert_eq!(bench.store().load(&Key::grant(&bench.profile)).await.unwrap(), kept);
}

#[tokio::test]
async fn who_opts_in_is_warned_and_served() {
    let bench = Bench::new().await;
    let by_url = bench.builder(bench.store_with_opt_in()).await;
    let by_builder = bench.builder(bench.store()).await.allow_volatile_refresh_tokens();
    for builder in [by_url, by_builder] {
        let (manager, log) = logged(|| builder.build().unwrap());
        assert!(
            log.contains("WARN") && log.contains(OPT_IN) && log.contains("memcached"),
            "{log}"
        );
        bench.log_in(&manager).await.unwrap();
        let source = manager.source(&bench.profile);
        let first = source.token().await.unwrap();
        let refreshes = bench.refreshes();
        let second = source.force().await.unwrap();
        assert_ne!(first, second);
        assert_eq!(bench.refreshes(), refreshes + 1);
    }
    assert_eq!(bench.server.counters().double_spends, 0);
    let without = bench.builder(bench.store()).await;
    assert_eq!(
        logged(|| without.build().unwrap()).1,
        "",
        "a warning that nobody asked for"
    );
}

#[tokio::test]
async fn a_login_moves_here_only_by_the_opt_in() {
    let bench = Bench::new().await;
    let elsewhere: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let client = ClientRegistration::confidential(bench.provider(), "app", Secret::new("app-secret"));
    let manager = TokenManager::builder(client, elsewhere.clone()).transport(HttpTransport::new());
    bench.log_in(&manager.build().unwrap()).await.unwrap();
    for (store, moves) in [(bench.store(), false), (bench.store_with_opt_in(), true)] {
        let from = Place::new(elsewhere.clone(), "memory");
        let transfer = Transfer::new(from, Place::new(Arc::new(store), "memcached"));
        let outcome = transfer
            .overwrite(true)
            .delete_source(true)
            .profile(&bench.profile, &bench.profile)
            .await;
        assert_eq!(outcome.is_ok(), moves, "{outcome:?}");
        assert_eq!(bench.has_grant().await, moves);
    }
}

#[tokio::test]
async fn a_login_that_was_forgotten_is_said_to_be_needed() {
    let mut bench = Bench::new().await;
    let manager = bench.builder(bench.store_with_opt_in()).await.build().unwrap();
    bench.log_in(&manager).await.unwrap();
    let source = manager.source(&bench.profile);
    let token = source.token().await.unwrap();
    bench.memcached.restart().unwrap();
    assert_eq!(source.token().await.unwrap(), token, "it is valid, and in memory");
    bench.keep_client().await;
    let other = bench.builder(bench.store_with_opt_in()).await.build().unwrap();
    let error = other.source(&bench.profile).token().await.unwrap_err();
    assert!(error.is_reauth_required(), "{error}");
    bench.log_in(&other).await.unwrap();
    other.source(&bench.profile).token().await.unwrap();
}

#[tokio::test]
async fn with_a_valid_token_nobody_notices_that_the_servers_are_away() {
    let mut bench = Bench::new().await;
    let manager = bench.builder(bench.store_with_opt_in()).await.build().unwrap();
    bench.log_in(&manager).await.unwrap();
    let (person, service) = (
        manager.source(&bench.profile),
        bench.service().source(&bench.profile_of_service()),
    );
    let (mine, its) = (person.token().await.unwrap(), service.token().await.unwrap());
    for freeze in [true, false] {
        if freeze {
            bench.memcached.freeze();
        } else {
            bench.memcached.kill();
        }
        let started = Instant::now();
        for _ in 0..1_000 {
            assert_eq!(person.token().await.unwrap(), mine);
            assert_eq!(service.token().await.unwrap(), its);
        }
        assert!(started.elapsed() < ANSWER, "{:?}", started.elapsed());
    }
    assert_eq!(bench.server.counters().token_requests, 1);
}

#[tokio::test]
async fn client_credentials_are_served_from_memory_while_the_servers_are_away() {
    let mut bench = Bench::new().await;
    bench.memcached.kill();
    let manager = bench.service();
    let source = manager.source(&bench.profile_of_service());
    let token = source.token().await.unwrap();
    assert_eq!(source.token().await.unwrap(), token);
    assert_eq!(bench.server.counters().token_requests, 1);
    let next = source.force().await.unwrap();
    assert_ne!(next, token);

    // Back again: the next token is shared.
    bench.memcached.restart().unwrap();
    let shared = source.force().await.unwrap();
    let other = bench.service().source(&bench.profile_of_service());
    assert_eq!(other.token().await.unwrap(), shared);
    assert_eq!(bench.server.counters().token_requests, 3);
}

fn refused(error: &TokenError) {
    assert!(
        matches!(error.kind(), TokenErrorKind::Config(ConfigError::VolatileStore { store }) if store == "memcached"),
        "{error}"
    );
    let mut layers = vec![error.to_string()];
    let mut layer = std::error::Error::source(error);
    while let Some(under) = layer {
        layers.push(under.to_string());
        layer = under.source();
    }
    assert!(layers.iter().any(|text| text.contains(OPT_IN)), "{layers:?}");
}

/// What this does, and what it logs from warnings up.
fn logged<T>(work: impl FnOnce() -> T) -> (T, String) {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let done = tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    (done, text)
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
