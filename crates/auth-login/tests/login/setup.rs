//! A server, a manager, and a browser without a face.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use auth_core::clock::ManualClock;
use auth_core::endpoint::Issuer;
use auth_core::provider::with_endpoints;
use auth_core::{AccessToken, ClientRegistration, MemoryStore, Profile, TokenManager, TokenStore};
use auth_http::HttpTransport;
use auth_login::{BegunLogin, Browser, LoginError, LoopbackLogin, Notice};
use store_testkit::server::{AuthorizationServer, Client};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use url::Url;

/// How long what must come may take: many times what it takes on a slow machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Bench {
    pub(crate) server: AuthorizationServer,
    pub(crate) manager: TokenManager,
    notices: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let server = AuthorizationServer::builder()
            .client(Client::public("app"))
            .start()
            .unwrap();
        let endpoint = |url: String| url.parse().unwrap();
        let authorization = endpoint(server.authorization_endpoint());
        let mut provider = with_endpoints(endpoint(server.token_endpoint()), Some(authorization));
        provider.issuer = Some(Issuer::new(server.issuer()).unwrap());
        provider.issuer_in_callback = true;
        let store: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
        let manager = TokenManager::builder(ClientRegistration::public(provider, "app"), store)
            .allow_volatile_refresh_tokens()
            .transport(HttpTransport::new())
            .build()
            .unwrap();
        Self {
            server,
            manager,
            notices: Arc::default(),
        }
    }

    /// A login without a browser of its own: the test plays it. Its clock stands: no limit runs out while the
    /// machine is slow.
    pub(crate) fn login(&self) -> LoopbackLogin {
        let notices = self.notices.clone();
        LoopbackLogin::new(self.manager.clone())
            .clock(ManualClock::default())
            .browser(Browser::None)
            .return_to("your terminal")
            .notice(move |notice| match notice {
                Notice::Begun(_) => {}
                other => notices.lock().unwrap().push(other.to_string()),
            })
    }

    /// What the person was told, besides the address.
    pub(crate) fn notices(&self) -> Vec<String> {
        self.notices.lock().unwrap().clone()
    }

    /// Waits for the answer and exchanges it, behind the test.
    pub(crate) fn finish(&self, begun: BegunLogin) -> JoinHandle<Result<AccessToken, LoginError>> {
        self.finish_as(begun, Profile::default())
    }

    pub(crate) fn finish_as(&self, begun: BegunLogin, profile: Profile) -> JoinHandle<Result<AccessToken, LoginError>> {
        let manager = self.manager.clone();
        let login = async move {
            let exchange = |code| async move { manager.finish_login(&profile, code).await };
            Ok(begun.receive().await?.finish(exchange, ToString::to_string).await?)
        };
        tokio::spawn(async move {
            let ended = tokio::time::timeout(LIMIT, login).await;
            ended.expect("the login does not end")
        })
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) url: Url,
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// The parameters that an answer to this login needs.
pub(crate) fn state_of(begun: &BegunLogin) -> String {
    begun
        .url()
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned()
}

pub(crate) fn address_of(begun: &BegunLogin) -> SocketAddr {
    address(&Url::parse(begun.redirect_uri()).unwrap())
}

/// Goes there as a browser does, and follows where it is led to. The last answer is
/// last.
pub(crate) async fn browse(url: &str) -> Vec<Answer> {
    let mut answers = vec![get(url).await];
    while let Some(location) = answers.last().and_then(|answer| answer.header("location")) {
        assert!(answers.len() < 10, "led in circles: {answers:?}");
        let next = answers.last().unwrap().url.join(location).unwrap();
        answers.push(get(next.as_str()).await);
    }
    answers
}

/// One GET, nothing followed.
pub(crate) async fn get(url: &str) -> Answer {
    let url = Url::parse(url).unwrap();
    let target = &url[url::Position::BeforePath..];
    let host = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let text = send(address(&url), &request).await;
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    Answer {
        status: head.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0),
        head: head.to_owned(),
        body: body.to_owned(),
        url,
    }
}

/// Sends this as it is, and reads to the end of the answer or of the connection: one
/// that was cut has said what it said.
pub(crate) async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Who is sent too much answers and closes, perhaps before all of it was sent.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut answer).await {
        if is_whole(&String::from_utf8_lossy(&answer)) {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

// Some servers keep the connection, whatever they are asked for.
fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return false;
    };
    let lengths = head.lines().filter_map(|line| line.split_once(':'));
    let mut lengths = lengths.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    lengths.next().and_then(|(_, length)| length.trim().parse().ok()) == Some(body.len())
}

/// Nobody answers there any more, in neither family. Another test may have been given the
/// same port since, and gives it back; a listener that was left behind would stay.
pub(crate) async fn assert_closed(address: SocketAddr) {
    let begun = Instant::now();
    for host in ["127.0.0.1", "::1"] {
        while TcpStream::connect((host, address.port())).await.is_ok() {
            assert!(begun.elapsed() < LIMIT, "{host} still listens");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn address(url: &Url) -> SocketAddr {
    url.socket_addrs(|| None).unwrap()[0]
}
