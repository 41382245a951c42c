//! What callers of a manager notice of the store.

use std::time::{Duration, Instant};

use auth_core::endpoint::EndpointUrl;
use auth_core::error::TokenErrorKind;
use auth_core::grant::{AuthorizationCode, Grant as _};
use auth_core::record::Recipe;
use auth_core::store::StoreErrorKind;
use auth_core::token::TokenResponse;
use auth_core::{ClientRegistration, Profile, Secret, Target, TokenManager};
use auth_http::HttpTransport;
use store_testkit::server::{AuthorizationServer, Client};
use test_services::MongoDb;

use crate::given::{bounded, in_time, less_patient};

const HOUR: Duration = Duration::from_secs(3_600);

async fn logged_in(server: &AuthorizationServer, url: &str) -> (TokenManager, Profile) {
    let provider = auth_core::provider::with_endpoints(EndpointUrl::new(&server.token_endpoint()).unwrap(), None);
    let client = ClientRegistration::confidential(provider, "app", Secret::new("app-secret"));
    let manager = TokenManager::builder(client, less_patient(url).await)
        .transport(HttpTransport::new())
        .build()
        .unwrap();
    let login = server.log_in("app", "api");
    let body = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
        login.access_token, login.refresh_token
    );
    let tokens = TokenResponse::parse(body.as_bytes()).unwrap();
    let profile = Profile::new("ana").unwrap();
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
    manager.adopt(&profile, recipe, &tokens).await.unwrap();
    (manager, profile)
}

fn authorization_server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::confidential("app", "app-secret").redirect_uri("http://127.0.0.1/callback"))
        .access_token_lifetime(HOUR)
        .start()
        .unwrap()
}

#[tokio::test]
async fn callers_with_a_valid_token_notice_nothing_while_the_server_is_away() {
    let (server, mut mongo) = (authorization_server(), MongoDb::start().unwrap());
    let (manager, profile) = logged_in(&server, &mongo.url()).await;
    let source = manager.source(&profile);
    let token = source.token().await.unwrap();
    mongo.kill();
    let started = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(source.token().await.unwrap(), token);
    }
    // To ask for the server once takes longer.
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());

    // One that has to be new is not to be had: nothing consumable is spent without the store.
    let error = bounded(source.force()).await.unwrap_err();
    assert_eq!(
        *error.kind(),
        TokenErrorKind::Store(StoreErrorKind::Unavailable),
        "{error}"
    );
    assert_eq!(server.counters().requests_of("refresh_token"), 0);
    assert_eq!(source.token().await.unwrap(), token, "an error displaced a good token");

    mongo.restart().unwrap();
    let renewed = in_time(async || source.force().await).await;
    assert_ne!(renewed, token);
    assert_eq!(server.counters().requests_of("refresh_token"), 1);
}

#[tokio::test]
async fn several_managers_refresh_once() {
    let (server, mongo) = (authorization_server(), MongoDb::start().unwrap());
    let (first, profile) = logged_in(&server, &mongo.url()).await;
    let old = first.source(&profile).token().await.unwrap();
    let provider = auth_core::provider::with_endpoints(EndpointUrl::new(&server.token_endpoint()).unwrap(), None);
    let mut managers = vec![first];
    for _ in 0..7 {
        let client = ClientRegistration::confidential(provider.clone(), "app", Secret::new("app-secret"));
        let store = less_patient(&mongo.url()).await;
        managers.push(
            TokenManager::builder(client, store)
                .transport(HttpTransport::new())
                .build()
                .unwrap(),
        );
    }
    for manager in &managers {
        assert_eq!(manager.source(&profile).token().await.unwrap(), old);
    }
    let refreshing: Vec<_> = managers
        .iter()
        .map(|manager| {
            let source = manager.source(&profile);
            let old = old.clone();
            tokio::spawn(async move { source.after_rejection(&old).await.unwrap() })
        })
        .collect();
    for refreshed in refreshing {
        assert_ne!(refreshed.await.unwrap(), old);
    }
    assert_eq!(server.counters().requests_of("refresh_token"), 1);
}
