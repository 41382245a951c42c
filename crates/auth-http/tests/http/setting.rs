//! An authorization server, its API, and managers of one client with one store.

use std::sync::Arc;
use std::time::Duration;

use auth_core::clock::{ManualClock, Timestamp};
use auth_core::endpoint::EndpointUrl;
use auth_core::grant::ClientCredentials;
use auth_core::provider::with_endpoints;
use auth_core::record::Recipe;
use auth_core::refresh::TokenRetry;
use auth_core::token::TokenResponse;
use auth_core::{ClientRegistration, MemoryStore, Profile, Secret, Target, TokenManager, TokenSource, TokenStore};
use auth_http::{AuthorizedClient, HttpTransport};
use store_testkit::server::{AuthorizationServer, Client, Counters};

pub(crate) struct Setting {
    pub(crate) server: AuthorizationServer,
    pub(crate) clock: ManualClock,
    store: Arc<dyn TokenStore>,
}

impl Setting {
    pub(crate) fn new() -> Self {
        let builder = AuthorizationServer::builder().client(Client::confidential("app", "secret"));
        Self {
            server: builder.start().unwrap(),
            clock: ManualClock::at(Timestamp::from_unix_seconds(1_800_000_000)),
            store: Arc::new(MemoryStore::new()),
        }
    }

    /// A process that asks with client credentials.
    pub(crate) fn machine(&self) -> TokenSource {
        self.manager(true).source(&Profile::default())
    }

    /// A process of a person who is logged in.
    pub(crate) async fn person(&self) -> (TokenSource, String) {
        let login = self.server.log_in("app", "read");
        let answer = format!(
            r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
            login.access_token, login.refresh_token
        );
        let manager = self.manager(false);
        let recipe = Recipe::new("authorization_code", Target::default());
        let tokens = TokenResponse::parse(answer.as_bytes()).unwrap();
        manager.adopt(&Profile::default(), recipe, &tokens).await.unwrap();
        (manager.source(&Profile::default()), login.refresh_token)
    }

    /// Another process of that person.
    pub(crate) fn other_process_of_the_person(&self) -> TokenSource {
        self.manager(false).source(&Profile::default())
    }

    /// From now on the clock moves too, and never further than time does: pauses end, and no limit comes nearer
    /// than on a clock of its own.
    pub(crate) fn let_time_pass(&self) {
        const STEP: Duration = Duration::from_millis(5);
        let clock = self.clock.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(STEP).await;
                clock.advance(STEP);
            }
        });
    }

    /// A client of the server's own API.
    pub(crate) fn client(&self, source: TokenSource) -> AuthorizedClient {
        AuthorizedClient::for_origin(&self.server.issuer(), source).unwrap()
    }

    pub(crate) fn counters(&self) -> Counters {
        self.server.counters()
    }

    fn manager(&self, repeats: bool) -> TokenManager {
        let endpoint = EndpointUrl::new(&self.server.token_endpoint()).unwrap();
        let registration =
            ClientRegistration::confidential(with_endpoints(endpoint, None), "app", Secret::new("secret"));
        let builder = TokenManager::builder(registration, Arc::clone(&self.store))
            .transport(HttpTransport::new())
            .token_retry(TokenRetry::none())
            .clock(self.clock.clone());
        let builder = if repeats {
            builder.grant(ClientCredentials::new())
        } else {
            builder
        };
        builder.build().unwrap()
    }
}
