use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_core::endpoint::EndpointUrl;
use auth_core::provider::{Provider, with_endpoints};
use auth_core::store::TokenStoreExt as _;
use store_json::JsonStore;
use store_testkit::server::{AuthorizationServer, Client, ClientAuthentication, Fault, Rotation};
use tokio::sync::mpsc;
use url::Url;

use super::*;

const CONSOLE: &str = "https://foundry.example/multipass/api/oauth2/callback";
const SCOPES: [&str; 2] = [OFFLINE_ACCESS, "api:read"];

/// A server with the habits of Foundry, a folder, and a person who does as told.
struct Bench {
    server: AuthorizationServer,
    folder: tempfile::TempDir,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        Self::with_client(Client::public("app"))
    }

    fn with_client(client: Client) -> Self {
        let server = AuthorizationServer::builder()
            .client(client.redirect_uri(CONSOLE).redirect_uri("http://127.0.0.1/"))
            .rotation(Rotation::Strict)
            .start()
            .unwrap();
        Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            told: Arc::default(),
        }
    }

    fn provider(&self) -> Provider {
        let endpoint = |url: String| EndpointUrl::new(&url).unwrap();
        let authorization = endpoint(self.server.authorization_endpoint());
        let mut provider = with_endpoints(endpoint(self.server.token_endpoint()), Some(authorization));
        provider.redirects.console = Some(EndpointUrl::new(CONSOLE).unwrap());
        provider.redirects.loopback_path = Some("/".into());
        provider
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("credentials.json")
    }

    /// Nobody is there.
    fn credentials(&self) -> UserCredentials {
        self.credentials_of(ClientRegistration::public(self.provider(), "app"))
    }

    fn credentials_of(&self, registration: ClientRegistration) -> UserCredentials {
        UserCredentials::new(registration, JsonStore::open(self.path()).unwrap())
            .scopes(SCOPES)
            .somebody_is_there(false)
    }

    /// Somebody is there, goes where they are told, and enters what `enter` makes of the
    /// address that they are led to.
    fn attended(&self, credentials: UserCredentials, enter: fn(&str) -> String) -> UserCredentials {
        let (lines, entered) = mpsc::channel(4);
        let told = self.told.clone();
        credentials.somebody_is_there(true).entered(entered).tell(move |text| {
            told.lock().unwrap().push(text.to_owned());
            let (lines, address) = (lines.clone(), address_in(text));
            tokio::spawn(async move {
                let Some(address) = address else { return };
                let last = visit(&address).await;
                // The login may be over already.
                let _ = lines.send(Secret::new(enter(&last))).await;
            });
        })
    }

    fn logins(&self) -> usize {
        self.told
            .lock()
            .unwrap()
            .iter()
            .filter(|text| address_in(text).is_some())
            .count()
    }
}

fn address_in(text: &str) -> Option<String> {
    text.split_whitespace()
        .find(|word| word.starts_with("http://"))
        .map(str::to_owned)
}

/// The address that the browser is led to.
async fn visit(address: &str) -> String {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let answer = client.get(address).send().await.unwrap();
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// As a browser that follows.
async fn follow(address: &str) {
    let last = visit(address).await;
    reqwest::get(last).await.unwrap();
}

fn whole(address: &str) -> String {
    address.to_owned()
}

fn code_alone(address: &str) -> String {
    let url = Url::parse(address).unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1;
    format!("  {code} ")
}

#[tokio::test]
async fn the_console_asks_and_the_login_is_kept() {
    let bench = Bench::new();
    for enter in [whole, code_alone] {
        let bench = Bench::new();
        let source = bench.attended(bench.credentials(), enter).get().await.unwrap();
        assert!(bench.server.is_live(source.token().await.unwrap().secret().expose()));
        let address = address_in(&bench.told.lock().unwrap()[0]).unwrap();
        let asked: Vec<_> = Url::parse(&address).unwrap().query_pairs().into_owned().collect();
        for pair in [("redirect_uri", CONSOLE), ("code_challenge_method", "S256")] {
            assert!(asked.contains(&(pair.0.into(), pair.1.into())), "{pair:?} {asked:?}");
        }
        bench.credentials().get().await.unwrap();
        assert_eq!(bench.logins(), 1);
    }
    assert_eq!(bench.logins(), 0);
}

#[tokio::test]
async fn the_browser_brings_the_code_to_the_registered_path() {
    let bench = Bench::new();
    let told = bench.told.clone();
    let browser = bench
        .credentials()
        .browser(Browser::None)
        .somebody_is_there(true)
        .entered(mpsc::channel(1).1)
        .tell(move |text| {
            told.lock().unwrap().push(text.to_owned());
            if let Some(address) = address_in(text) {
                tokio::spawn(async move { follow(&address).await });
            }
        });
    let source = browser.get().await.unwrap();
    assert!(bench.server.is_live(source.token().await.unwrap().secret().expose()));
    let address = Url::parse(&address_in(&bench.told.lock().unwrap()[0]).unwrap()).unwrap();
    let redirect = address
        .query_pairs()
        .find(|(name, _)| name == "redirect_uri")
        .unwrap()
        .1;
    assert_eq!(Url::parse(&redirect).unwrap().path(), "/");
}

#[tokio::test]
async fn what_is_kept_is_renewed_and_nobody_is_asked() {
    let bench = Bench::new();
    let first = bench.attended(bench.credentials(), whole).get().await.unwrap();
    let first = first.token().await.unwrap();
    bench.server.advance(Duration::from_secs(86_400));
    bench.server.expire_access_tokens();
    let source = bench.credentials().get().await.unwrap();
    let renewed = source.force().await.unwrap();
    assert_ne!(first.secret(), renewed.secret());
    assert_eq!(
        (bench.logins(), bench.server.counters().requests_of("refresh_token")),
        (1, 1)
    );
    let loaded = load_user_credentials(bench.path()).await.unwrap();
    assert_eq!(loaded.token().await.unwrap().secret(), renewed.secret());
}

#[tokio::test]
async fn a_definite_refusal_leads_to_a_login() {
    let bench = Bench::new();
    let refused = kept_but_refused(&bench).await;
    let source = bench.attended(bench.credentials(), whole).get().await.unwrap();
    let token = source.token().await.unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    assert_ne!(token.secret().expose(), refused);
    assert_eq!(bench.logins(), 2);
}

#[tokio::test]
async fn without_a_terminal_nobody_is_asked() {
    let bench = Bench::new();
    assert!(matches!(bench.credentials().get().await, Err(UserError::Nobody(None))));
    kept_but_refused(&bench).await;
    let error = bench.credentials().get().await.unwrap_err();
    let UserError::Nobody(Some(why)) = &error else {
        panic!("{error:?}")
    };
    assert!(why.is_reauth_required());
    assert!(error.to_string().contains("terminal"), "{error}");
}

#[tokio::test]
async fn a_failing_network_asks_nobody() {
    let bench = Bench::new();
    bench.attended(bench.credentials(), whole).get().await.unwrap();
    expire(&bench).await;
    bench.server.inject(Fault::drop_before_handling().times(100));
    let error = bench.attended(bench.credentials(), whole).get().await.unwrap_err();
    assert!(
        matches!(&error, UserError::Token(error) if !error.is_reauth_required()),
        "{error:?}"
    );
    assert_eq!(bench.logins(), 1);
    bench.server.clear_faults();
}

#[tokio::test]
async fn without_offline_access_nothing_is_kept() {
    let bench = Bench::new();
    let online = || bench.credentials().scopes(["profile"]);
    let mut credentials = online();
    credentials.target = Target::new().scope("api:read");
    let source = bench.attended(credentials, whole).get().await.unwrap();
    source.token().await.unwrap();
    assert!(!holds_something(&bench.path()));
}

#[tokio::test]
async fn reauthenticate_asks_each_time_and_keeps() {
    let bench = Bench::new();
    for logins in 1..=2 {
        let credentials = bench.credentials().cache(CredentialsCache::Reauthenticate);
        bench.attended(credentials, whole).get().await.unwrap();
        assert_eq!(bench.logins(), logins);
    }
    bench.credentials().get().await.unwrap();
}

#[tokio::test]
async fn without_a_cache_nothing_is_read_or_kept() {
    let bench = Bench::new();
    for logins in 1..=2 {
        let credentials = bench.credentials().cache(CredentialsCache::None);
        bench.attended(credentials, whole).get().await.unwrap();
        assert_eq!(bench.logins(), logins);
    }
    assert!(!holds_something(&bench.path()));
}

#[tokio::test]
async fn other_scopes_and_other_clients_get_a_login_of_their_own() {
    let bench = Bench::new();
    bench.attended(bench.credentials(), whole).get().await.unwrap();
    let wider = bench.credentials().scopes(["api:write"]);
    assert!(matches!(wider.get().await, Err(UserError::Nobody(None))));
    let other = bench.credentials_of(ClientRegistration::public(bench.provider(), "other"));
    assert!(matches!(other.get().await, Err(UserError::Nobody(None))));
    assert!(bench.credentials().get().await.is_ok());
}

#[tokio::test]
async fn the_url_first_and_the_code_later() {
    let bench = Bench::new();
    let mut login = bench.credentials().begin().unwrap();
    let last = visit(login.url().as_str()).await;
    let error = login.finish("two words").await.unwrap_err();
    assert!(matches!(error, UserError::Entered(_)), "{error:?}");
    let forged = last.replace("state=", "state=x");
    assert!(matches!(login.finish(&forged).await, Err(UserError::Entered(_))));
    let source = login.finish(&last).await.unwrap();
    assert!(bench.server.is_live(source.token().await.unwrap().secret().expose()));
}

#[tokio::test]
async fn a_confidential_client_authenticates_at_each_step() {
    let client = Client::confidential("app", "canary").auth(ClientAuthentication::Basic);
    let bench = Bench::with_client(client);
    let registration = || ClientRegistration::confidential(bench.provider(), "app", Secret::new("canary"));
    let credentials = bench.credentials_of(registration());
    bench.attended(credentials, whole).get().await.unwrap();
    expire(&bench).await;
    let source = bench.credentials_of(registration()).get().await.unwrap();
    assert!(bench.server.is_live(source.token().await.unwrap().secret().expose()));
    assert_eq!(bench.server.counters().requests_of("refresh_token"), 1);
}

#[tokio::test]
async fn what_is_loaded_is_named_where_there_are_several() {
    let bench = Bench::new();
    assert!(matches!(
        load_user_credentials(bench.path()).await,
        Err(UserError::NotKept)
    ));
    for name in ["one", "two"] {
        let credentials = bench.credentials().profile(Profile::new(name).unwrap());
        bench.attended(credentials, whole).get().await.unwrap();
    }
    let error = load_user_credentials(bench.path()).await.unwrap_err();
    assert!(error.to_string().contains("one, two"), "{error}");
    let store = JsonStore::open(bench.path()).unwrap();
    let named = load(store, Some(Profile::new("two").unwrap())).await.unwrap();
    named.token().await.unwrap();
}

#[tokio::test]
async fn wrong_entries_may_be_mended() {
    let bench = Bench::new();
    let (lines, entered) = mpsc::channel(4);
    let credentials = bench
        .credentials()
        .somebody_is_there(true)
        .entered(entered)
        .tell(|_| {});
    for line in ["", "two words", "and three words"] {
        lines.send(Secret::new(line)).await.unwrap();
    }
    assert!(matches!(credentials.get().await, Err(UserError::Entered(_))));
    let credentials = bench
        .credentials()
        .somebody_is_there(true)
        .entered(mpsc::channel(1).1)
        .tell(|_| {});
    assert!(matches!(credentials.get().await, Err(UserError::NothingEntered)));
}

/// The access token of a login that is kept and whose refresh token is revoked.
async fn kept_but_refused(bench: &Bench) -> String {
    let source = bench.attended(bench.credentials(), whole).get().await.unwrap();
    let token = source.token().await.unwrap().secret().expose().to_owned();
    let refresh_token = expire(bench).await;
    assert!(bench.server.revoke_family_of(&refresh_token));
    token
}

/// What is kept is over, as far as we know too; its refresh token.
async fn expire(bench: &Bench) -> String {
    let store = JsonStore::open(bench.path()).unwrap();
    let key = store
        .list(auth_core::store::Page::first())
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.key)
        .find(|key| *key == auth_core::key::Key::grant(key.profile()))
        .unwrap();
    let (_, contents) = store.load_contents(&key).await.unwrap().unwrap();
    let mut grant = contents.into_grant().unwrap();
    let refresh_token = grant.refresh_token.clone().unwrap();
    grant.access = None;
    store
        .replace_contents(&key, &auth_core::record::Contents::from(grant), None)
        .await
        .unwrap();
    refresh_token.expose().to_owned()
}

fn holds_something(path: &Path) -> bool {
    std::fs::read_to_string(path).is_ok_and(|text| text.contains("grant"))
}
