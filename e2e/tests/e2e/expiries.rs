//! Many processes share one rotating grant through a store, while its access token
//! expires again and again: every expiry costs exactly one token request.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use store_testkit::process::{Process, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, Client, Rotation};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::{AuthorizationCode, Grant as _};
use tokenkeep::record::Recipe;
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Profile, Target, provider, store};

use crate::command::patient;
use crate::kills::STAGE;

const PROCESSES: usize = 32;
const EXPIRIES: u64 = 200;
pub(crate) const MANY: usize = 64;
const LIFE: Duration = Duration::from_secs(3600);
const LIMIT: Duration = Duration::from_secs(600);

#[tokio::test]
async fn json() {
    let folder = tempfile::tempdir().unwrap();
    one_request_per_expiry(&format!("json:{}", folder.path().join("tokens.json").display())).await;
}

#[tokio::test]
async fn sqlite() {
    let folder = tempfile::tempdir().unwrap();
    one_request_per_expiry(&format!("sqlite:{}", folder.path().join("tokens.sqlite").display())).await;
}

#[tokio::test]
async fn redis() {
    let server = test_services::Redis::start().unwrap();
    one_request_per_expiry(&patient(&server.url())).await;
}

/// The same with many more processes, once.
#[tokio::test]
async fn sixty_four_at_once_over_json() {
    let folder = tempfile::tempdir().unwrap();
    share(
        &format!("json:{}", folder.path().join("tokens.json").display()),
        MANY,
        1,
    )
    .await;
}

#[tokio::test]
async fn sixty_four_at_once_over_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    share(
        &format!("sqlite:{}", folder.path().join("tokens.sqlite").display()),
        MANY,
        1,
    )
    .await;
}

#[tokio::test]
async fn sixty_four_at_once_over_redis() {
    let server = test_services::Redis::start().unwrap();
    share(&patient(&server.url()), MANY, 1).await;
}

/// 32 processes of 4 tasks each, on the store with this URL, in which nothing is yet
/// under the profile `default`. A shared clock ends the token's life 200 times.
///
/// The authorization server rotates strictly: it ends a login whose spent refresh
/// token comes again. All must get the one new token each time, by one request.
async fn one_request_per_expiry(store: &str) {
    share(store, PROCESSES, EXPIRIES).await;
}

/// The same with as many processes and expiries.
pub(crate) async fn share(store: &str, processes: usize, expiries: u64) {
    let _stage = STAGE.lock().await;
    let server = AuthorizationServer::builder()
        .client(Client::public("app"))
        .rotation(Rotation::Strict)
        .access_token_lifetime(LIFE)
        .latency(Duration::from_millis(10))
        .start()
        .unwrap();
    log_in(&server, store).await;
    let mut sharers = Sharers::start(&server, store, processes);
    let mut seen = HashSet::new();
    for lives in 1..=expiries {
        server.advance(LIFE);
        let tokens = sharers.tokens_after(lives);
        assert_eq!(tokens.len(), 1, "at expiry {lives}: {tokens:?}");
        assert!(
            seen.is_disjoint(&tokens),
            "at expiry {lives} an old token was handed out"
        );
        seen.extend(tokens);
        let counters = server.counters();
        assert_eq!(counters.requests_of("refresh_token"), lives, "{counters:?}");
        assert_eq!((counters.double_spends, counters.logins_lost), (0, 0), "{counters:?}");
    }
    assert!(!seen.iter().any(|answer| answer.starts_with("error")), "{seen:?}");
    let counters = server.counters();
    assert_eq!(
        (counters.token_requests, counters.refreshes_granted),
        (expiries, expiries)
    );
    assert_eq!((counters.families_revoked, counters.logins), (0, 1), "{counters:?}");
}

/// A login whose access token is over and whose refresh token is good.
async fn log_in(server: &AuthorizationServer, store: &str) {
    let login = server.log_in("app", "api");
    let mut tokens = TokenResponse::bearer(login.access_token.as_str());
    tokens.refresh_token = Some(login.refresh_token.as_str().into());
    tokens.expires_in = Some(Duration::ZERO);
    let provider = provider::with_endpoints(EndpointUrl::new(&server.token_endpoint()).unwrap(), None);
    let store = store::open(store).await.unwrap();
    let manager = tokenkeep::manager(ClientRegistration::public(provider, "app"), store)
        .build()
        .unwrap();
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new());
    manager.adopt(&Profile::default(), recipe, &tokens).await.unwrap();
}

/// The processes, each at the end of a connection.
struct Sharers {
    connections: Vec<BufReader<TcpStream>>,
    // Ended last, when their connections are closed.
    processes: Vec<Process>,
    _home: tempfile::TempDir,
}

impl Sharers {
    fn start(server: &AuthorizationServer, store: &str, count: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let control = TcpListener::bind("127.0.0.1:0").unwrap();
        let sharer = ProcessBuilder::new(env!("CARGO_BIN_EXE_sharer"))
            .env("HOME", home.path())
            .env("SHARER_STORE", store)
            .env("SHARER_TOKEN_ENDPOINT", server.token_endpoint())
            .env("SHARER_LIFE", LIFE.as_secs().to_string())
            .env("SHARER_CONTROL", control.local_addr().unwrap().to_string());
        let mut sharers = Self {
            connections: Vec::new(),
            processes: (0..count).map(|_| sharer.clone().spawn().unwrap()).collect(),
            _home: home,
        };
        sharers.connect(&control);
        sharers
    }

    fn connect(&mut self, control: &TcpListener) {
        control.set_nonblocking(true).unwrap();
        let begun = Instant::now();
        while self.connections.len() < self.processes.len() {
            if let Ok((connection, _)) = control.accept() {
                connection.set_nonblocking(false).unwrap();
                connection.set_read_timeout(Some(LIMIT)).unwrap();
                connection.set_nodelay(true).unwrap();
                self.connections.push(BufReader::new(connection));
            } else {
                assert!(begun.elapsed() < LIMIT, "a process did not come up: {}", self.said());
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// The answers of all processes when so many lives are over.
    fn tokens_after(&mut self, lives: u64) -> HashSet<String> {
        let order = format!("{lives}\n");
        for connection in &mut self.connections {
            connection.get_mut().write_all(order.as_bytes()).unwrap();
        }
        let mut tokens = HashSet::new();
        for index in 0..self.connections.len() {
            let mut line = String::new();
            let read = self.connections[index].read_line(&mut line);
            assert!(read.is_ok_and(|length| length > 0), "no answer: {}", self.said());
            tokens.insert(line.trim_end().to_owned());
        }
        tokens
    }

    fn said(&self) -> String {
        self.processes.iter().map(Process::stderr_so_far).collect()
    }
}
