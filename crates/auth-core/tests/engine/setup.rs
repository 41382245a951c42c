//! A server, a store, a clock that can be turned, and a manager over them.

use std::convert::Infallible;
use std::io::{self, Write as _};
use std::sync::{Arc, LazyLock, Mutex, mpsc};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::endpoint::{EndpointUrl, Issuer};
use auth_core::grant::{AuthorizationCode, AuthorizationRequest, ClientCredentials, Grant as _};
use auth_core::key::Key;
use auth_core::observer::{Event, Observer};
use auth_core::provider::Rotation;
use auth_core::record::{Contents, GrantRecord, Recipe};
use auth_core::store::TokenStoreExt as _;
use auth_core::token::TokenResponse;
use auth_core::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use auth_core::{
    AccessToken, ClientRegistration, Profile, Secret, Target, TokenManager, TokenManagerBuilder, TokenSource,
    TokenStore,
};
use auth_http::HttpTransport;
use store_testkit::server::{AuthorizationServer, AuthorizationServerBuilder, Client};

use crate::clock::ShiftedClock;
use crate::moody::Moody;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// So long after it was issued an hour's token is due and still valid, with most of the half minute between the two
/// ahead of it.
pub(crate) const NEARLY: Duration = Duration::from_secs(3575);

/// Returns when this has come true: for what comes by itself, on another thread.
pub(crate) async fn until(come_true: impl Fn() -> bool) {
    while !come_true() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Remembers the names of events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn count(&self, name: &str) -> usize {
        self.0
            .lock()
            .unwrap()
            .iter()
            .filter(|event| event.starts_with(name))
            .count()
    }
}

impl Observer for Events {
    fn event(&self, _profile: &Profile, event: &Event) {
        self.0.lock().unwrap().push(format!("{event:?}"));
    }
}

/// How long a test may take: many times what the longest takes on a slow machine.
const LIMIT: Duration = Duration::from_secs(600);

/// Ends the test run where a test hangs, and says which: a flight that waits for ever
/// can't be told from a slow one otherwise.
#[derive(Debug)]
struct Limit {
    _over: mpsc::Sender<Infallible>,
}

impl Limit {
    fn of_this_test() -> Self {
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let (over, ended) = mpsc::channel::<Infallible>();
        std::thread::spawn(move || {
            if ended.recv_timeout(LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
                let seconds = LIMIT.as_secs();
                // Not by a macro: what those print is kept until the test ends.
                let _ = writeln!(io::stderr(), "\n{test} hangs: it is not over after {seconds} seconds");
                std::process::exit(101);
            }
        });
        Self { _over: over }
    }
}

/// One client for all benches: to build one takes longer than most tests, and each
/// request has its own connection anyway.
#[derive(Debug)]
struct SharedTransport;

#[async_trait]
impl Transport for SharedTransport {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        static SHARED: LazyLock<HttpTransport> = LazyLock::new(HttpTransport::new);
        SHARED.send(request).await
    }
}

pub(crate) struct Bench {
    pub(crate) server: AuthorizationServer,
    pub(crate) store: Moody,
    pub(crate) clock: ShiftedClock,
    pub(crate) events: Events,
    pub(crate) profile: Profile,
    pub(crate) rotation: Rotation,
    _limit: Limit,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self::with(|server| server)
    }

    pub(crate) fn with(change: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder) -> Self {
        Self::by(ShiftedClock::default(), change)
    }

    /// With a clock that stands: for all that depends on how near a token is to its end, or on a pause that is not
    /// over yet. The server's clock goes on, as slowly or as fast as the machine.
    pub(crate) fn standing() -> Self {
        Self::standing_with(|server| server)
    }

    pub(crate) fn standing_with(change: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder) -> Self {
        Self::by(ShiftedClock::standing(), change)
    }

    fn by(clock: ShiftedClock, change: impl FnOnce(AuthorizationServerBuilder) -> AuthorizationServerBuilder) -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::public("app").redirect_uri("http://127.0.0.1/callback"))
            .client(Client::confidential("service", "service-secret"))
            .access_token_lifetime(HOUR);
        Self {
            server: change(server).start().unwrap(),
            store: Moody::default(),
            clock,
            events: Events::default(),
            profile: Profile::new("ana").unwrap(),
            rotation: Rotation::Strict,
            _limit: Limit::of_this_test(),
        }
    }

    fn provider(&self) -> auth_core::Provider {
        let endpoint = |url: String| EndpointUrl::new(&url).unwrap();
        let token = endpoint(self.server.token_endpoint());
        let mut provider =
            auth_core::provider::with_endpoints(token, Some(endpoint(self.server.authorization_endpoint())));
        provider.issuer = Some(Issuer::new(self.server.issuer()).unwrap());
        provider.issuer_in_callback = true;
        provider.revocation_endpoint = Some(endpoint(self.server.revocation_endpoint()));
        provider.rotation = self.rotation;
        provider
    }

    pub(crate) fn app(&self) -> ClientRegistration {
        ClientRegistration::public(self.provider(), "app")
    }

    pub(crate) fn service(&self) -> ClientRegistration {
        ClientRegistration::confidential(self.provider(), "service", Secret::new("service-secret"))
    }

    pub(crate) fn builder(&self, client: ClientRegistration) -> TokenManagerBuilder {
        let store: Arc<dyn TokenStore> = Arc::new(self.store.clone());
        TokenManager::builder(client, store)
            .transport(SharedTransport)
            .clock(self.clock.clone())
            .observer(self.events.clone())
    }

    /// A manager for logins of people.
    pub(crate) fn manager(&self) -> TokenManager {
        self.builder(self.app()).build().unwrap()
    }

    /// A manager for a service's own tokens.
    pub(crate) fn service_manager(&self) -> TokenManager {
        self.builder(self.service())
            .grant(ClientCredentials::new())
            .build()
            .unwrap()
    }

    /// Logs in in a browser, all the way.
    pub(crate) async fn log_in_by(
        &self,
        manager: &TokenManager,
        redirect_uri: &str,
        request: impl Into<AuthorizationRequest>,
    ) -> AccessToken {
        let (url, login) = manager.begin_login(redirect_uri, request).unwrap();
        let callback = crate::login::browse(url.as_str()).await;
        let exchange = manager.accept_callback(login, &callback).unwrap();
        manager.finish_login(&self.profile, exchange).await.unwrap()
    }

    /// Logs in, and gives a source of that login's tokens.
    pub(crate) async fn logged_in(&self, manager: &TokenManager) -> TokenSource {
        let login = self.server.log_in("app", "api");
        let body = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","expires_in":{}}}"#,
            login.access_token, login.refresh_token, 3600
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

    pub(crate) async fn record(&self) -> GrantRecord {
        let (_, contents) = self
            .store
            .inner
            .load_contents(&Key::grant(&self.profile))
            .await
            .unwrap()
            .unwrap();
        contents.into_grant().unwrap()
    }

    pub(crate) async fn version(&self) -> auth_core::record::Version {
        self.store
            .inner
            .load(&Key::grant(&self.profile))
            .await
            .unwrap()
            .unwrap()
            .version()
    }

    /// Changes the stored record as another process would.
    pub(crate) async fn change(&self, change: impl FnOnce(&mut GrantRecord)) {
        let mut record = self.record().await;
        change(&mut record);
        self.store
            .inner
            .replace_contents(&Key::grant(&self.profile), &Contents::from(record), None)
            .await
            .unwrap();
    }

    pub(crate) async fn refresh_token_is_alive(&self) -> bool {
        let token = self.record().await.refresh_token.unwrap();
        self.server.family_alive(token.expose())
    }

    pub(crate) fn refreshes(&self) -> u64 {
        self.server.counters().requests_of("refresh_token")
    }
}
