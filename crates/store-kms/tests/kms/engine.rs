//! The refresh engine over a sealed store.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::endpoint::{EndpointUrl, Issuer};
use auth_core::grant::{AuthorizationCode, Grant as _};
use auth_core::key::Key;
use auth_core::record::Recipe;
use auth_core::spill::SpillFolder;
use auth_core::store::{
    Capabilities, Lease, LeaseId, Listing, MemoryStore, Page, RemoveIf, StoreError, StoreErrorKind, TokenStoreExt as _,
    WriteIf,
};
use auth_core::token::TokenResponse;
use auth_core::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use auth_core::{ClientRegistration, Profile, Target, TokenErrorKind, TokenManager, TokenSource, TokenStore};
use auth_http::HttpTransport;
use store_kms::{KeyProvider, KmsStore};
use store_testkit::server::{AuthorizationServer, Client, Fault, Gate};

use crate::given::{Counted, ShiftedClock, local, whole};

pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// One client for all: to build one takes longer than most tests.
#[derive(Debug)]
struct Shared;

#[async_trait]
impl Transport for Shared {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        static SHARED: std::sync::LazyLock<HttpTransport> = std::sync::LazyLock::new(HttpTransport::new);
        SHARED.send(request).await
    }
}

pub(crate) struct Bench {
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: ShiftedClock,
    pub(crate) profile: Profile,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::public("app").redirect_uri("http://127.0.0.1/callback"))
            .access_token_lifetime(HOUR);
        Self {
            server: server.start().unwrap(),
            clock: ShiftedClock::default(),
            profile: Profile::new("ana").unwrap(),
        }
    }

    pub(crate) fn seal(&self, store: impl TokenStore, provider: impl KeyProvider) -> KmsStore {
        KmsStore::builder(store, provider).clock(self.clock.clone()).build()
    }

    pub(crate) fn manager(&self, store: &KmsStore, spill: Option<&Path>) -> TokenManager {
        let endpoint = EndpointUrl::new(&self.server.token_endpoint()).unwrap();
        let mut provider = auth_core::provider::with_endpoints(endpoint, None);
        provider.issuer = Some(Issuer::new(self.server.issuer()).unwrap());
        let mut timing = auth_core::refresh::Timing::default();
        timing.settle = Duration::from_millis(500);
        let mut builder = TokenManager::builder(ClientRegistration::public(provider, "app"), store.clone())
            .transport(Shared)
            .timing(timing)
            .clock(self.clock.clone());
        if let Some(folder) = spill {
            builder = builder.spill(SpillFolder::new(folder));
        }
        builder.build().unwrap()
    }

    /// Logs in, and gives a source of that login's tokens.
    pub(crate) async fn logged_in(&self, manager: &TokenManager) -> TokenSource {
        let login = self.server.log_in("app", "api");
        let body = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
            login.access_token, login.refresh_token
        );
        let tokens = TokenResponse::parse(body.as_bytes()).unwrap();
        let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
        manager.adopt(&self.profile, recipe, &tokens).await.unwrap();
        manager.source(&self.profile)
    }

    /// Moves both clocks, the server's and ours.
    pub(crate) fn advance(&self, by: Duration) {
        self.server.advance(by);
        self.clock.advance(by);
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.server.counters().requests_of("refresh_token")
    }

    pub(crate) async fn refresh_token(&self, store: &KmsStore) -> String {
        let (_, contents) = store.load_contents(&Key::grant(&self.profile)).await.unwrap().unwrap();
        contents
            .into_grant()
            .unwrap()
            .refresh_token
            .unwrap()
            .expose()
            .to_owned()
    }
}

#[tokio::test]
async fn tokens_are_refreshed_through_the_seal() {
    let bench = Bench::new();
    let under = Arc::new(MemoryStore::new());
    let store = bench.seal(under.clone(), local());
    let source = bench.logged_in(&bench.manager(&store, None)).await;
    for round in 1..=5 {
        bench.advance(HOUR);
        let token = source.token().await.unwrap();
        assert!(bench.server.is_live(token.secret().expose()));
        assert_eq!(bench.refreshes(), round);
    }
    // Another process, with a data key of its own, goes on.
    let other = bench.seal(under, local());
    bench.advance(HOUR);
    bench
        .manager(&other, None)
        .source(&bench.profile)
        .token()
        .await
        .unwrap();
    assert!(bench.server.family_alive(&bench.refresh_token(&store).await));
}

#[tokio::test]
async fn a_sealed_store_brings_its_sealer_also_through_arcs() {
    let bench = Bench::new();
    let service = Counted::new();
    let store: Arc<dyn TokenStore> = Arc::new(bench.seal(MemoryStore::new(), service.clone()));
    let endpoint = EndpointUrl::new(&bench.server.token_endpoint()).unwrap();
    let provider = auth_core::provider::with_endpoints(endpoint, None);
    let client = ClientRegistration::public(provider, "app");
    TokenManager::builder(client.clone(), store.clone())
        .transport(Shared)
        .build()
        .unwrap();
    // A store that forgets to forward it is noticed.
    let forgetful = Forgetful(store);
    let error = TokenManager::builder(client, forgetful)
        .transport(Shared)
        .build()
        .unwrap_err();
    assert!(matches!(error.kind(), TokenErrorKind::Config(_)), "{error}");
    assert!(whole(&error).contains("sealer"), "{}", whole(&error));
}

#[tokio::test]
async fn without_the_key_service_good_tokens_are_served_and_nothing_is_spent() {
    let bench = Bench::new();
    let service = Counted::new();
    let under = Arc::new(MemoryStore::new());
    let store = bench.seal(under.clone(), service.clone());
    let source = bench.logged_in(&bench.manager(&store, None)).await;
    let good = source.token().await.unwrap();
    service.away(true);
    // Ten minutes: all data keys are over age.
    for _ in 0..20 {
        bench.advance(Duration::from_secs(30));
        assert_eq!(source.token().await.unwrap(), good);
    }
    // Also when it is due, and while it is still valid.
    bench.advance(Duration::from_secs(2_900));
    assert_eq!(source.token().await.unwrap(), good);
    bench.advance(HOUR);
    let error = source.token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::Unavailable));
    // Nor by a process that starts now.
    let late = bench.seal(under, service.clone());
    let cold = bench.manager(&late, None).source(&bench.profile);
    assert!(cold.token().await.is_err());
    assert_eq!(bench.refreshes(), 0);
    service.away(false);
    let back = std::time::Instant::now();
    while source.token().await.is_err() {
        assert!(back.elapsed() < Duration::from_mins(2), "{:?}", back.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bench.refreshes(), 1);
    assert!(bench.server.family_alive(&bench.refresh_token(&store).await));
}

#[tokio::test]
async fn a_key_service_that_goes_while_the_answer_is_under_way_costs_nothing() {
    let bench = Bench::new();
    let service = Counted::new();
    let store = bench.seal(MemoryStore::new(), service.clone());
    let source = bench.logged_in(&bench.manager(&store, None)).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    service.away(true);
    bench.clock.advance(Duration::from_secs(400));
    gate.release();
    flight.await.unwrap().unwrap();
    service.away(false);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(bench.server.family_alive(&bench.refresh_token(&store).await));
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn what_the_store_does_not_take_is_put_aside_sealed_and_found_again() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let under = Moody::default();
    let store = bench.seal(under.clone(), local());
    let manager = bench.manager(&store, Some(folder.path()));
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    under.fail(true);
    gate.release();
    let token = flight.await.unwrap().unwrap();
    drop((manager, source));
    let files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    let aside = std::fs::read(&files[0]).unwrap();
    assert!(aside.starts_with(b"\xFEtks"));
    let shows = |part: &[u8]| aside.windows(part.len()).any(|window| window == part);
    assert!(!shows(token.secret().expose().as_bytes()) && !shows(b"refresh_token"));
    // The next process has another data key by then.
    under.fail(false);
    let next = bench.seal(under, local());
    next.sealer()
        .unwrap()
        .data_key(&Key::grant(&bench.profile))
        .await
        .unwrap();
    let source = bench.manager(&next, Some(folder.path())).source(&bench.profile);
    assert_eq!(source.token().await.unwrap(), token);
    assert!(bench.server.family_alive(&bench.refresh_token(&next).await));
    assert_eq!(bench.refreshes(), 1);
}

/// A store that can stop taking records.
#[derive(Clone, Debug, Default)]
struct Moody {
    inner: MemoryStore,
    fails: Arc<std::sync::atomic::AtomicBool>,
}

impl Moody {
    fn fail(&self, yes: bool) {
        self.fails.store(yes, std::sync::atomic::Ordering::SeqCst);
    }
}

/// A store around another that does not forward the sealer.
#[derive(Debug)]
struct Forgetful(Arc<dyn TokenStore>);

macro_rules! forward {
    ($store:ident, $inner:tt, $check:expr) => {
        #[async_trait]
        impl TokenStore for $store {
            fn name(&self) -> &str {
                self.$inner.name()
            }

            fn capabilities(&self) -> Capabilities {
                self.$inner.capabilities()
            }

            async fn load(&self, key: &Key) -> Result<Option<auth_core::record::Record>, StoreError> {
                self.$inner.load(key).await
            }

            async fn save(&self, record: &auth_core::record::Record, when: WriteIf) -> Result<(), StoreError> {
                let check: fn(&Self) -> Result<(), StoreError> = $check;
                check(self)?;
                self.$inner.save(record, when).await
            }

            async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
                self.$inner.remove(key, when).await
            }

            async fn list(&self, page: Page) -> Result<Listing, StoreError> {
                self.$inner.list(page).await
            }

            async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
                self.$inner.try_lease(key, id, ttl).await
            }

            async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
                self.$inner.renew(key, id, ttl).await
            }

            async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
                self.$inner.release(key, id).await
            }
        }
    };
}

forward!(Forgetful, 0, |_| Ok(()));
forward!(Moody, inner, |store| {
    if store.fails.load(std::sync::atomic::Ordering::SeqCst) {
        let operation = auth_core::store::Operation::Save;
        return Err(StoreError::new(StoreErrorKind::Unavailable, operation, "moody"));
    }
    Ok(())
});
