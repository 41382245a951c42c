//! The refresh engine over a store that is sealed under AWS KMS.

use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::clock::{Clock, SystemClock, Timestamp};
use auth_core::endpoint::EndpointUrl;
use auth_core::grant::{AuthorizationCode, Grant as _};
use auth_core::key::Key;
use auth_core::record::Recipe;
use auth_core::store::{MemoryStore, StoreErrorKind, TokenStoreExt as _};
use auth_core::token::TokenResponse;
use auth_core::{ClientRegistration, Profile, Target, TokenErrorKind, TokenManager, TokenSource};
use auth_http::HttpTransport;
use store_kms::KmsStore;
use store_testkit::server::{AuthorizationServer, Client};
use test_services::{Kms, KmsTrouble, Proxy};

use super::given::{builder, kms};

const HOUR: Duration = Duration::from_hours(1);
/// Back after an outage within this time, however busy the machine.
const RECOVERY: Duration = Duration::from_mins(2);

/// An authorization server, a login, and its tokens behind a seal whose key service can be cut off.
struct Bench {
    server: AuthorizationServer,
    clock: ShiftedClock,
    kms: Kms,
    key: String,
    proxy: Proxy,
    store: KmsStore,
    source: TokenSource,
}

impl Bench {
    async fn new(max_uses: u64) -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::public("app").redirect_uri("http://127.0.0.1/callback"))
            .access_token_lifetime(HOUR)
            .start()
            .unwrap();
        let (kms, clock) = (kms(), ShiftedClock::default());
        let key = kms.create_key().unwrap();
        let proxy = Proxy::start(kms.address()).unwrap();
        let provider = builder(&Kms::url_at(proxy.address()), &key).connect().await.unwrap();
        let store = KmsStore::builder(MemoryStore::new(), provider)
            .clock(clock.clone())
            .max_uses(max_uses)
            .build();
        let source = log_in(&server, &store, &clock).await;
        Self {
            server,
            clock,
            kms,
            key,
            proxy,
            store,
            source,
        }
    }

    fn refreshes(&self) -> u64 {
        self.server.counters().requests_of("refresh_token")
    }

    async fn is_logged_in(&self) -> bool {
        let key = Key::grant(self.source.profile());
        let (_, contents) = self.store.load_contents(&key).await.unwrap().unwrap();
        let token = contents.into_grant().unwrap().refresh_token.unwrap();
        self.server.family_alive(token.expose())
    }
}

async fn log_in(server: &AuthorizationServer, store: &KmsStore, clock: &ShiftedClock) -> TokenSource {
    let endpoint = EndpointUrl::new(&server.token_endpoint()).unwrap();
    let client = ClientRegistration::public(auth_core::provider::with_endpoints(endpoint, None), "app");
    let manager = TokenManager::builder(client, store.clone())
        .transport(HttpTransport::new())
        .clock(clock.clone())
        .build()
        .unwrap();
    let login = server.log_in("app", "api");
    let body = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
        login.access_token, login.refresh_token
    );
    let tokens = TokenResponse::parse(body.as_bytes()).unwrap();
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
    let profile = Profile::new("ana").unwrap();
    manager.adopt(&profile, recipe, &tokens).await.unwrap();
    manager.source(&profile)
}

/// The system's clock, moved on by hand.
#[derive(Clone, Debug, Default)]
struct ShiftedClock(Arc<std::sync::atomic::AtomicU64>);

impl ShiftedClock {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), std::sync::atomic::Ordering::SeqCst);
    }

    fn shift(&self) -> Duration {
        Duration::from_secs(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.shift())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.shift()
    }

    fn sleep(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_it_serves_what_is_good_spends_nothing_and_comes_back_soon() {
    let bench = Bench::new(1_000).await;
    bench.proxy.close();
    // A data key serves to its age.
    bench.clock.advance(Duration::from_secs(200));
    let good = bench.source.force().await.unwrap();
    assert_eq!(bench.refreshes(), 1);
    // Ten minutes later it is gone; the token is not.
    bench.clock.advance(Duration::from_mins(10));
    assert_eq!(bench.source.token().await.unwrap(), good);
    for _ in 0..3 {
        let error = bench.source.force().await.unwrap_err();
        assert_eq!(
            error.kind(),
            &TokenErrorKind::Store(StoreErrorKind::Unavailable),
            "{error}"
        );
    }
    assert_eq!(bench.source.token().await.unwrap(), good);
    assert_eq!(
        bench.refreshes(),
        1,
        "a refresh token was spent without a key for what comes of it"
    );
    bench.proxy.open();
    let back = Instant::now();
    while bench.source.force().await.is_err() {
        assert!(back.elapsed() < RECOVERY, "{:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.refreshes(), 2);
    assert!(bench.is_logged_in().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_half_of_the_time_no_login_is_lost() {
    const REFRESHES: u64 = 30;
    // Nearly every refresh needs a new data key.
    let bench = Bench::new(3).await;
    bench.kms.set_trouble(&bench.key, KmsTrouble::Throttle(0.5)).unwrap();
    for _ in 0..REFRESHES {
        let token = bench.source.force().await.unwrap();
        assert!(bench.server.is_live(token.secret().expose()));
    }
    assert_eq!(bench.refreshes(), REFRESHES);
    assert!(bench.is_logged_in().await);
    let calls = bench.kms.calls(&bench.key).unwrap();
    assert!(
        calls.iter().any(|calls| calls.outcome == "ThrottlingException"),
        "{calls:?}"
    );
}
