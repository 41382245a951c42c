//! Several web servers share a person's tokens through Redis, sealed under a key of AWS KMS: a dump of
//! Redis holds no token, and without the key nobody opens what is stored.
//!
//! ```text
//! cargo run --release --example sealed_redis --features kms
//! ```
//!
//! Needs the program redis-server and Python; KMS (moto) and the authorization server are part of it. On AWS
//! nothing changes but the line with the endpoint, which goes.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use examples::expect;
use store_testkit::server::{AuthorizationServer, Client};
use test_services::{Kms, KmsKeyState, Redis};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::{AuthorizationCode, Grant as _};
use tokenkeep::record::Recipe;
use tokenkeep::refresh::Timing;
use tokenkeep::seal::{AwsKms, KmsStore};
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Profile, Target, TokenManager, TokenSource, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVERS: usize = 4;
const REQUESTS: usize = 50;
/// Patient: a busy machine is no KMS that is away.
const KMS_CALL: Duration = Duration::from_secs(30);
const KMS_ALL: Duration = Duration::from_secs(120);
/// Who logged in.
const PERSON: &str = "ana";

#[tokio::main]
async fn main() -> Outcome<()> {
    if let Some(place) = Place::given() {
        return match std::env::args().nth(1).as_deref() {
            Some("adopt") => adopt(&place).await,
            _ => serve(&place).await,
        };
    }
    let authorization = AuthorizationServer::builder().client(Client::public("app")).start()?;
    let redis = Redis::builder().durable().option("rdbcompression", "no").start()?;
    let kms = Kms::start()?;
    let place = Place {
        // Patient: a busy machine is no Redis that is away.
        store: format!("{}?connect_timeout=60000&answer_timeout=60000", redis.url()),
        key: kms.create_key()?,
        kms: kms.url(),
        token_endpoint: authorization.token_endpoint(),
    };
    println!("store  {}\nkey    {}\n", place.store, place.key);

    println!("1. {PERSON} logs in; {SERVERS} web servers start; {REQUESTS} requests come to each at once.");
    let login = log_in(&authorization, &place)?;
    let servers = (0..SERVERS)
        .map(|_| WebServer::start(&place))
        .collect::<Outcome<Vec<_>>>()?;
    let (answered, tokens) = ask_all(&servers).await?;
    let refreshes = authorization.counters().requests_of("refresh_token");
    println!("   {answered} requests answered with {tokens} token; refreshes: {refreshes}");
    println!("   calls of KMS: {}\n", calls(&kms, &place.key)?);
    let all = answered == SERVERS * REQUESTS && tokens == 1;
    expect(refreshes == 1 && all, "one refresh for all")?;

    println!("2. Somebody takes a copy of Redis' disk.");
    redis.command(&["SAVE"])?;
    let dump = dump(redis.folder())?;
    let secrets = [login, authorization.live_access_tokens()].concat();
    let found = secrets.iter().filter(|secret| contains(&dump, secret)).count();
    println!("   {} bytes; tokens in it: {found} of {}\n", dump.len(), secrets.len());
    expect(secrets.len() >= 3, "there are tokens to look for")?;
    expect(
        found == 0 && contains(&dump, PERSON),
        "the record is there, its tokens are not",
    )?;

    println!("3. Somebody disables the key. The servers go on; one that starts now can't open anything.");
    kms.set_state(&place.key, KmsKeyState::Disabled)?;
    let (answered, tokens) = ask_all(&servers).await?;
    println!("   {answered} requests answered with {tokens} token");
    expect(tokens == 1, "who has a token needs no key")?;
    let late = WebServer::start(&place)?;
    let refused = reqwest::get(&late.url).await?;
    let status = refused.status();
    println!("   the new server: {status}: {}\n", refused.text().await?);
    expect(status == StatusCode::BAD_GATEWAY, "nobody opens it without the key")?;

    println!("4. The key is enabled again; the new server goes on where it is.");
    kms.set_state(&place.key, KmsKeyState::Enabled)?;
    let (answered, tokens) = ask_all(&[late]).await?;
    let refreshes = authorization.counters().requests_of("refresh_token");
    println!("   {answered} requests answered with {tokens} token; refreshes: {refreshes}");
    expect(refreshes == 1 && tokens == 1, "the key cost nobody a login")
}

/// What each process must know.
struct Place {
    store: String,
    key: String,
    kms: String,
    token_endpoint: String,
}

impl Place {
    fn given() -> Option<Self> {
        let [store, key, kms, token_endpoint] = ["STORE", "KEY", "KMS", "TOKEN_ENDPOINT"].map(|name| {
            let name = format!("SEALED_{name}");
            std::env::var(name).ok()
        });
        Some(Self {
            store: store?,
            key: key?,
            kms: kms?,
            token_endpoint: token_endpoint?,
        })
    }

    fn variables(&self) -> [(&'static str, &str); 7] {
        [
            ("SEALED_STORE", &self.store),
            ("SEALED_KEY", &self.key),
            ("SEALED_KMS", &self.kms),
            ("SEALED_TOKEN_ENDPOINT", &self.token_endpoint),
            // On AWS the role of the process stands in place of these.
            ("AWS_ACCESS_KEY_ID", Kms::ACCESS_KEY_ID),
            ("AWS_SECRET_ACCESS_KEY", Kms::SECRET_ACCESS_KEY),
            // This machine is none of theirs.
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
    }
}

/// A web server: this program again.
struct WebServer {
    process: Child,
    url: String,
}

impl WebServer {
    fn start(place: &Place) -> Outcome<Self> {
        let mut process = again(place, "serve")?;
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

fn again(place: &Place, what: &str) -> Outcome<Child> {
    Ok(Command::new(std::env::current_exe()?)
        .arg(what)
        .envs(place.variables())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?)
}

/// A login whose access token has expired by now; its tokens.
fn log_in(authorization: &AuthorizationServer, place: &Place) -> Outcome<Vec<String>> {
    let login = authorization.log_in_as("app", PERSON, "api");
    let mut process = again(place, "adopt")?;
    if let Some(mut input) = process.stdin.take() {
        write!(
            input,
            r#"{{"access_token":"{}","refresh_token":"{}","expires_in":0}}"#,
            login.access_token, login.refresh_token
        )?;
    }
    let status = process.wait()?;
    expect(status.success(), "the login is stored")?;
    Ok(vec![login.access_token, login.refresh_token])
}

/// Stores the login that comes by stdin.
async fn adopt(place: &Place) -> Outcome<()> {
    let mut answer = Vec::new();
    std::io::stdin().read_to_end(&mut answer)?;
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
    let tokens = TokenResponse::parse(&answer)?;
    manager(place)
        .await?
        .adopt(&Profile::new(PERSON)?, recipe, &tokens)
        .await?;
    Ok(())
}

/// What a web server does: it answers with the hash of the token that it would call another API with.
async fn serve(place: &Place) -> Outcome<()> {
    let source = manager(place).await?.source(&Profile::new(PERSON)?);
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
        Err(error) => {
            let source = error.source().map(|source| format!(": {source}"));
            (
                StatusCode::BAD_GATEWAY,
                format!("{error}{}", source.unwrap_or_default()),
            )
        }
    }
}

async fn manager(place: &Place) -> Outcome<TokenManager> {
    let keys = AwsKms::builder(&place.key)
        .endpoint_url(&place.kms)
        .time_limit(KMS_CALL)
        .connect()
        .await?;
    let sealed = KmsStore::builder(store::open(&place.store).await?, keys)
        .namespace("web")
        .patience(KMS_CALL, KMS_ALL)
        .build();
    let provider = provider::with_endpoints(EndpointUrl::new(&place.token_endpoint)?, None);
    let client = ClientRegistration::public(provider, "app");
    Ok(tokenkeep::manager(client, sealed).timing(patient()).build()?)
}

/// As patient as the store: a server that stands still for seconds keeps its lease, and whoever waits for an answer to
/// be saved goes on waiting.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(60);
    timing.stall = Duration::from_secs(120);
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

fn calls(kms: &Kms, key: &str) -> Outcome<String> {
    let calls = kms.calls(key)?;
    let words = calls.iter().map(|calls| format!("{} {}", calls.count, calls.operation));
    Ok(words.collect::<Vec<_>>().join(", "))
}

/// All that is on the disk.
fn dump(folder: &Path) -> Outcome<Vec<u8>> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        bytes.extend(if path.is_dir() {
            dump(&path)?
        } else {
            std::fs::read(&path)?
        });
    }
    Ok(bytes)
}

fn contains(dump: &[u8], text: &str) -> bool {
    dump.windows(text.len()).any(|window| window == text.as_bytes())
}
