//! Several web servers share one token through Redis: one token request for all of them, before and after
//! it expires, and nobody who has a token notices that Redis is away.
//!
//! ```text
//! cargo run --release --example share_redis --features redis
//! ```
//!
//! Needs the program redis-server; the authorization server is part of it.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use store_testkit::server::{AuthorizationServer, Client};
use test_services::Redis;
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::{ClientRegistration, Profile, Secret, TokenManager, TokenSource, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVERS: usize = 4;
const REQUESTS: usize = 50;
const LIFETIME: Duration = Duration::from_secs(3600);

#[tokio::main]
async fn main() -> Outcome<()> {
    if let (Ok(url), Ok(endpoint)) = (std::env::var("SHARE_STORE"), std::env::var("SHARE_TOKEN_ENDPOINT")) {
        return serve(&url, &endpoint).await;
    }
    let authorization = AuthorizationServer::builder()
        .client(Client::confidential("billing", "billing-secret"))
        .access_token_lifetime(LIFETIME)
        .latency(Duration::from_millis(100))
        .start()?;
    let mut redis = Redis::builder().durable().start()?;
    // Patient: a busy machine is no Redis that is away.
    let store = format!("{}?connect_timeout=60000&answer_timeout=60000", redis.url());
    println!("authorization server  {}", authorization.issuer());
    println!("store                 {store}\n");

    println!("1. {SERVERS} web servers start; {REQUESTS} requests come to each at once.");
    let servers = (0..SERVERS)
        .map(|_| WebServer::start(&store, &authorization.token_endpoint()))
        .collect::<Outcome<Vec<_>>>()?;
    one_token_for_all(&servers, &authorization).await?;

    println!("2. Redis goes away; the servers go on.");
    redis.stop();
    one_token_for_all(&servers, &authorization).await?;

    println!("3. Redis is back; a server more starts, and finds the token.");
    redis.restart()?;
    let more = WebServer::start(&store, &authorization.token_endpoint())?;
    one_token_for_all(&[more], &authorization).await
}

/// Asks these servers, and says what came of it; an error if that is more than one token, or a second request for it.
async fn one_token_for_all(servers: &[WebServer], authorization: &AuthorizationServer) -> Outcome<()> {
    let (answered, tokens) = ask_all(servers).await?;
    let requests = authorization.counters().token_requests;
    println!("   {answered} requests answered with {tokens} token");
    println!("   token requests: {requests}\n");
    if answered == servers.len() * REQUESTS && tokens == 1 && requests == 1 {
        return Ok(());
    }
    Err("expected: one token for all requests".into())
}

/// A web server: this program again.
struct WebServer {
    process: Child,
    url: String,
}

impl WebServer {
    fn start(store: &str, token_endpoint: &str) -> Outcome<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .env("SHARE_STORE", store)
            .env("SHARE_TOKEN_ENDPOINT", token_endpoint)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut url = String::new();
        if let Some(output) = process.stdout.take() {
            BufReader::new(output).read_line(&mut url)?;
        }
        let url = url.trim().to_owned();
        Ok(Self { process, url })
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a web server does: it answers with the hash of the token that it would call another API with.
async fn serve(store_url: &str, token_endpoint: &str) -> Outcome<()> {
    let source = manager(store_url, token_endpoint)
        .await?
        .source(&Profile::new("billing")?);
    let router = Router::new().route("/", get(answer)).with_state(source);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}/", listener.local_addr()?);
    // Ends with who started it: its end of the pipe is closed then.
    std::thread::spawn(|| {
        let _ = std::io::stdin().lines().next();
        std::process::exit(0);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn answer(State(source): State<TokenSource>) -> (StatusCode, String) {
    match source.token().await {
        Ok(token) => (StatusCode::OK, token.hash().short()),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()),
    }
}

async fn manager(store_url: &str, token_endpoint: &str) -> Outcome<TokenManager> {
    let provider = provider::with_endpoints(EndpointUrl::new(token_endpoint)?, None);
    let client = ClientRegistration::confidential(provider, "billing", Secret::new("billing-secret"));
    Ok(tokenkeep::manager(client, store::open(store_url).await?)
        .grant(ClientCredentials::new())
        .timing(patient())
        .build()?)
}

/// A server asks for itself where the store, or another server, takes longer than two seconds. Here it shall wait, also
/// on a busy machine, and keep its lease where it stands still for seconds.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    timing.lease = Duration::from_secs(60);
    timing
}

/// How many requests were answered, and with how many different tokens.
async fn ask_all(servers: &[WebServer]) -> Outcome<(usize, usize)> {
    let client = reqwest::Client::new();
    let mut asking = Vec::new();
    for server in servers {
        for _ in 0..REQUESTS {
            let request = client.get(&server.url).send();
            asking.push(tokio::spawn(
                async move { request.await?.error_for_status()?.text().await },
            ));
        }
    }
    let mut tokens = Vec::new();
    for asked in asking {
        tokens.push(asked.await??);
    }
    let answered = tokens.len();
    tokens.sort();
    tokens.dedup();
    Ok((answered, tokens.len()))
}
