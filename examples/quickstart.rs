//! The main job, for real and with nothing but Rust: tokens from an authorization
//! server, kept in a JSON file, shared by several processes, kept fresh, retried.
//!
//! ```text
//! cargo run --release --example quickstart
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use examples::{Turned, expect};
use store_testkit::server::{AuthorizationServer, Client, Rotation};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::{AuthorizedClient, ClientRegistration, Profile, Secret, Target, TokenManager, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const LIFETIME: Duration = Duration::from_secs(3600);
const PROCESSES: usize = 8;

#[tokio::main]
async fn main() -> Outcome<()> {
    if let Some(profile) = std::env::var_os("QUICKSTART_PROFILE") {
        return be_a_worker(&profile.to_string_lossy()).await;
    }
    // A real OAuth 2.0 server on 127.0.0.1. It rotates refresh tokens strictly: one that
    // is used twice ends the login.
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .client(Client::public("app").redirect_uri("http://127.0.0.1/callback"))
        .rotation(Rotation::Strict)
        .access_token_lifetime(LIFETIME)
        .latency(Duration::from_millis(50))
        .start()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("tokens.json");
    println!("authorization server  {}", server.issuer());
    println!("store                 {}\n", file.display());

    get_and_share(&server, &file).await?;
    log_in(&server, &file).await?;
    refresh_from_many_processes(&server, &file)?;
    retry_after_401(&server, &file).await?;
    show_counters(&server, &file).await
}

/// A service asks for a token of its own; other processes find it in the store.
async fn get_and_share(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("1. A service gets a token, {PROCESSES} more processes want one too.");
    let source = service(server.token_endpoint(), file)
        .await?
        .source(&Profile::new("service")?);
    let token = source.token().await?;
    println!("   got a token, valid for {} s", LIFETIME.as_secs());
    let found = run_workers(server, file, "service", Duration::ZERO)?;
    let same = found.iter().filter(|hash| **hash == token.hash().short()).count();
    let requests = server.counters().requests_of("client_credentials");
    println!("   {same} of {PROCESSES} processes print the same token");
    println!("   token requests: {requests}\n");
    expect(same == PROCESSES && requests == 1, "one token for all")
}

/// A person logs in: authorization code with PKCE. The browser is played by reqwest.
async fn log_in(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("2. A person logs in (authorization code, PKCE S256).");
    let authorization = Some(server.authorization_endpoint());
    let manager = app(server.token_endpoint(), authorization, file, Turned::default()).await?;
    let (url, login) = manager.begin_login("http://127.0.0.1/callback", Target::new().scope("api"))?;
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let answer = browser.get(url.as_str()).send().await?;
    let back = answer
        .headers()
        .get("location")
        .ok_or("the server sent no redirect")?
        .to_str()?
        .to_owned();
    let exchange = manager.accept_callback(login, &tokenkeep::grant::Callback::from_url(&back)?)?;
    manager.finish_login(&Profile::new("ana")?, exchange).await?;
    println!("   state checked, code exchanged, tokens kept under profile `ana`\n");
    Ok(())
}

/// The access token ends; many processes notice at once. One refreshes. Nobody waits here for an hour: their
/// clocks are turned, and the server's.
fn refresh_from_many_processes(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("3. An hour later the access token has ended. {PROCESSES} processes want a new one at the same moment.");
    server.advance(LIFETIME);
    let found = run_workers(server, file, "ana", LIFETIME)?;
    let same = found.iter().filter(|hash| **hash == found[0]).count();
    let counters = server.counters();
    println!("   {same} of {PROCESSES} processes print the same new token");
    println!("   refresh requests: {}", counters.requests_of("refresh_token"));
    println!(
        "   refresh tokens spent twice: {}, logins lost: {}\n",
        counters.double_spends, counters.logins_lost
    );
    let once = counters.requests_of("refresh_token") == 1 && counters.double_spends == 0;
    expect(same == PROCESSES && once, "one refresh for all")
}

/// The API stops taking the token; the client gets another and sends once more.
async fn retry_after_401(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("4. The server revokes all access tokens behind our back, then we call the API.");
    let source = app(server.token_endpoint(), None, file, Turned::by(LIFETIME))
        .await?
        .source(&Profile::new("ana")?);
    source.token().await?;
    server.expire_access_tokens();
    let client = AuthorizedClient::for_origin(&server.issuer(), source)?;
    let status = client.get(server.api_url()).send().await?.status();
    let counters = server.counters();
    let (refused, answered) = (counters.api_unauthorized, counters.api_ok);
    let refreshes = counters.requests_of("refresh_token");
    println!("   answer: {status}; the API refused {refused} request and answered {answered}");
    println!("   refresh requests: {refreshes}\n");
    expect(
        status.is_success() && (refused, answered, refreshes) == (1, 1, 2),
        "a 401 is answered by one refresh",
    )
}

async fn show_counters(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("5. What the store knows, without secrets:");
    let manager = app(server.token_endpoint(), None, file, Turned::by(LIFETIME)).await?;
    let status = manager.status(&Profile::new("ana")?).await?;
    let status = status.ok_or("nothing is known of ana")?;
    println!(
        "   profile {}: {:?}, refresh token: {}",
        status.profile, status.state, status.has_refresh_token
    );
    for event in &status.history {
        println!("   {} {:?}", event.at.unix_seconds(), event.outcome);
    }
    let requests = server.counters().token_requests;
    println!("   all token requests: {requests}");
    manager.shutdown().await;
    expect(status.has_refresh_token && requests == 4, "four token requests in all")
}

/// A process asks for itself where the store, or another process, takes longer than two seconds. Here it shall wait,
/// also on a busy machine.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    timing
}

async fn open(file: &Path) -> Outcome<std::sync::Arc<dyn tokenkeep::TokenStore>> {
    Ok(store::open(&format!("json:{}", file.display())).await?)
}

async fn service(token_endpoint: String, file: &Path) -> Outcome<TokenManager> {
    let provider = provider::with_endpoints(EndpointUrl::new(&token_endpoint)?, None);
    let client = ClientRegistration::confidential(provider, "service", Secret::new("service-secret"));
    Ok(tokenkeep::manager(client, open(file).await?)
        .grant(ClientCredentials::new())
        .timing(patient())
        .build()?)
}

async fn app(
    token_endpoint: String,
    authorization_endpoint: Option<String>,
    file: &Path,
    clock: Turned,
) -> Outcome<TokenManager> {
    let authorization = authorization_endpoint.map(|url| EndpointUrl::new(&url)).transpose()?;
    let provider = provider::with_endpoints(EndpointUrl::new(&token_endpoint)?, authorization);
    let client = ClientRegistration::public(provider, "app");
    Ok(tokenkeep::manager(client, open(file).await?).clock(clock).build()?)
}

/// Starts this program again, several times at once; gives what the processes print.
fn run_workers(server: &AuthorizationServer, file: &Path, profile: &str, later: Duration) -> Outcome<Vec<String>> {
    let program = std::env::current_exe()?;
    let start = |_| {
        Command::new(&program)
            .env("QUICKSTART_PROFILE", profile)
            .env("QUICKSTART_FILE", file)
            .env("QUICKSTART_SECONDS_LATER", later.as_secs().to_string())
            .env("QUICKSTART_TOKEN_ENDPOINT", server.token_endpoint())
            .stdout(std::process::Stdio::piped())
            .spawn()
    };
    let workers: Vec<_> = (0..PROCESSES).map(start).collect::<Result<_, _>>()?;
    let mut printed = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output()?;
        expect(output.status.success(), "a worker ends well")?;
        printed.push(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    Ok(printed)
}

/// Another process: wants a token, and prints the hash of what it gets.
async fn be_a_worker(profile: &str) -> Outcome<()> {
    let file = PathBuf::from(std::env::var("QUICKSTART_FILE")?);
    let endpoint = std::env::var("QUICKSTART_TOKEN_ENDPOINT")?;
    let manager = if profile == "service" {
        service(endpoint, &file).await?
    } else {
        let later = std::env::var("QUICKSTART_SECONDS_LATER")?.parse()?;
        app(endpoint, None, &file, Turned::by(Duration::from_secs(later))).await?
    };
    println!(
        "{}",
        manager.source(&Profile::new(profile)?).token().await?.hash().short()
    );
    Ok(())
}
