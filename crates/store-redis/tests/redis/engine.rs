//! What a manager does over this store.

use std::time::{Duration, Instant};

use auth_core::endpoint::EndpointUrl;
use auth_core::grant::{AuthorizationCode, ClientCredentials, Grant as _};
use auth_core::record::Recipe;
use auth_core::token::TokenResponse;
use auth_core::{ClientRegistration, Profile, Provider, Secret, Target, TokenManager, TokenSource};
use auth_http::HttpTransport;
use store_redis::RedisStore;
use store_testkit::server::{AuthorizationServer, Client, Rotation};
use test_services::Redis;

use crate::given::{LIMIT, connected};

/// Sooner than the store gives up to wait for an answer: whoever is done by then did not wait for one that never
/// comes.
const ANSWER: Duration = Duration::from_secs(25);

/// An authorization server that rotates strictly, and a durable Redis.
struct Bench {
    server: AuthorizationServer,
    redis: Redis,
    profile: Profile,
}

impl Bench {
    fn new() -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::public("app"))
            .client(Client::confidential("service", "service-secret"))
            .rotation(Rotation::Strict)
            .access_token_lifetime(Duration::from_secs(3600));
        Self {
            server: server.start().unwrap(),
            redis: Redis::builder().durable().start().unwrap(),
            profile: Profile::new("ana").unwrap(),
        }
    }

    fn provider(&self) -> Provider {
        auth_core::provider::with_endpoints(EndpointUrl::new(&self.server.token_endpoint()).unwrap(), None)
    }

    async fn store(&self) -> RedisStore {
        connected(&self.redis.url()).await
    }

    async fn app(&self) -> TokenManager {
        let client = ClientRegistration::public(self.provider(), "app");
        let builder = TokenManager::builder(client, self.store().await);
        builder.transport(HttpTransport::new()).build().unwrap()
    }

    async fn service(&self) -> TokenSource {
        let client = ClientRegistration::confidential(self.provider(), "service", Secret::new("service-secret"));
        let builder = TokenManager::builder(client, self.store().await);
        let builder = builder.transport(HttpTransport::new()).grant(ClientCredentials::new());
        builder.build().unwrap().source(&Profile::new("service").unwrap())
    }

    async fn log_in(&self, manager: &TokenManager) -> TokenSource {
        let login = self.server.log_in("app", "api");
        let mut tokens = TokenResponse::bearer(login.access_token.as_str());
        tokens.refresh_token = Some(login.refresh_token.as_str().into());
        tokens.expires_in = Some(Duration::from_secs(3600));
        let recipe = Recipe::new(AuthorizationCode.name(), Target::new());
        manager.adopt(&self.profile, recipe, &tokens).await.unwrap();
        manager.source(&self.profile)
    }

    fn has_lost_nothing(&self, refreshes: u64) {
        let counters = self.server.counters();
        assert_eq!(counters.requests_of("refresh_token"), refreshes);
        assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
    }
}

#[tokio::test]
async fn with_a_valid_token_nobody_notices_that_the_server_is_away() {
    let mut bench = Bench::new();
    let manager = bench.app().await;
    let source = bench.log_in(&manager).await;
    let first = source.force().await.unwrap();
    bench.redis.stop();
    let begun = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(source.token().await.unwrap(), first);
    }
    assert!(begun.elapsed() < ANSWER, "{:?}", begun.elapsed());

    // No mark can be saved, so nothing is spent.
    assert!(source.force().await.is_err());
    assert_eq!(source.token().await.unwrap(), first, "an error displaced a good token");
    bench.has_lost_nothing(1);

    bench.redis.restart().unwrap();
    let next = refreshed_in_time(&source).await;
    assert_ne!(next, first);
    let other = bench.app().await.source(&bench.profile);
    assert_eq!(other.token().await.unwrap(), next);
    bench.has_lost_nothing(2);
}

#[tokio::test]
async fn a_service_gets_tokens_while_the_server_is_away_and_shares_them_after() {
    let mut bench = Bench::new();
    let source = bench.service().await;
    bench.redis.kill();
    let token = source.token().await.unwrap();
    assert_eq!(source.token().await.unwrap(), token);
    assert_eq!(bench.server.counters().token_requests, 1);
    bench.redis.restart().unwrap();
    // For a tenth of a second the store takes the server for gone.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let shared = source.force().await.unwrap();
    assert_eq!(bench.service().await.token().await.unwrap(), shared);
    assert_eq!(bench.server.counters().token_requests, 2);
}

/// Connections live on a thread of their own: not on this runtime, which ends first.
#[test]
fn a_runtime_that_ends_takes_no_connection_with_it() {
    let bench = Bench::new();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let manager = first.block_on(bench.app());
    let source = first.block_on(bench.log_in(&manager));
    drop(first);
    let begun = Instant::now();
    runtime().block_on(source.force()).unwrap();
    assert!(begun.elapsed() < ANSWER, "{:?}", begun.elapsed());
    bench.has_lost_nothing(1);
}

async fn refreshed_in_time(source: &TokenSource) -> auth_core::AccessToken {
    let begun = Instant::now();
    loop {
        match source.force().await {
            Ok(token) => return token,
            Err(error) => assert!(begun.elapsed() < LIMIT, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
