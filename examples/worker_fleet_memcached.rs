//! A fleet of workers that share one token through two Memcached nodes: one token request
//! for all of them, and nobody stops when the nodes go away.
//!
//! ```text
//! cargo run --release --example worker_fleet_memcached --features memcached
//! ```
//!
//! Needs the program memcached; the authorization server is part of it.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::Duration;

use store_testkit::server::{AuthorizationServer, Client};
use test_services::Memcached;
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::{ClientRegistration, Profile, Secret, TokenManager, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const WORKERS: usize = 16;

#[tokio::main]
async fn main() -> Outcome<()> {
    if let (Ok(url), Ok(endpoint)) = (std::env::var("FLEET_STORE"), std::env::var("FLEET_TOKEN_ENDPOINT")) {
        let manager = manager(&url, &endpoint).await?;
        let token = manager.source(&Profile::new("fleet")?).token().await?;
        println!("{}", token.hash().short());
        return Ok(());
    }
    let server = AuthorizationServer::builder()
        .client(Client::confidential("fleet", "fleet-secret"))
        .latency(Duration::from_millis(100))
        .start()?;
    let mut nodes = [Memcached::start()?, Memcached::start()?];
    // Patient: a busy machine is no node that is away.
    let url = format!(
        "memcached://{},{}?connect_timeout=60000&answer_timeout=60000",
        nodes[0].address(),
        nodes[1].address()
    );
    println!("authorization server  {}", server.issuer());
    println!("store                 {url}\n");

    println!("1. {WORKERS} workers start at once; nobody has a token.");
    let tokens = run_workers(&url, &server)?;
    let same = tokens.iter().filter(|token| **token == tokens[0]).count();
    println!("   {same} of {WORKERS} print the same token");
    requests(&server, same == WORKERS, 1)?;

    println!("2. A worker that has a token goes on while both nodes are down.");
    let manager = manager(&url, &server.token_endpoint()).await?;
    let source = manager.source(&Profile::new("fleet")?);
    let token = source.token().await?;
    for node in &mut nodes {
        node.kill();
    }
    let unchanged = source.token().await? == token;
    println!("   the same token as before: {unchanged}");
    source.force().await?;
    println!("   asked for a new one: it came, and is kept in memory");
    requests(&server, unchanged && source.token().await? != token, 2)?;

    println!("3. The nodes are back, empty; {WORKERS} more workers start.");
    for node in &mut nodes {
        node.restart()?;
    }
    let tokens = run_workers(&url, &server)?;
    let same = tokens.iter().filter(|token| **token == tokens[0]).count();
    println!("   {same} of {WORKERS} print the same token");
    requests(&server, same == WORKERS, 3)
}

/// Says how many token requests there were; an error if these are not so many, or something else is not so.
fn requests(server: &AuthorizationServer, so: bool, wanted: u64) -> Outcome<()> {
    let requests = server.counters().token_requests;
    println!("   token requests: {requests}\n");
    if so && requests == wanted {
        return Ok(());
    }
    Err(format!("expected: one token for all, {wanted} requests by now").into())
}

async fn manager(url: &str, token_endpoint: &str) -> Outcome<TokenManager> {
    let provider = provider::with_endpoints(EndpointUrl::new(token_endpoint)?, None);
    let client = ClientRegistration::confidential(provider, "fleet", Secret::new("fleet-secret"));
    Ok(tokenkeep::manager(client, store::open(url).await?)
        .grant(ClientCredentials::new())
        .timing(patient())
        .build()?)
}

/// A worker asks for itself where the nodes, or another worker, take longer than two seconds. Here it shall wait, also
/// on a busy machine, and keep its lease where it stands still for seconds.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    timing.lease = Duration::from_secs(60);
    timing
}

/// Starts this program again, several times at once; gives what the processes print.
fn run_workers(url: &str, server: &AuthorizationServer) -> Outcome<Vec<String>> {
    let program = std::env::current_exe()?;
    let start = |_| {
        Command::new(&program)
            .env("FLEET_STORE", url)
            .env("FLEET_TOKEN_ENDPOINT", server.token_endpoint())
            .stdout(Stdio::piped())
            .spawn()
    };
    let workers: Vec<_> = (0..WORKERS).map(start).collect::<Result<_, _>>()?;
    let mut printed = Vec::new();
    for worker in workers {
        let output = worker.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("a worker ended with {}", output.status).into());
        }
        printed.push(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    Ok(printed)
}
