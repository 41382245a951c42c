//! One login, used by many processes through MongoDB: its refresh token is good for one use, and
//! each time it is used once.
//!
//! ```text
//! cargo run --release --example share_mongo --features mongo
//! ```
//!
//! Needs Python: the server that stands in for MongoDB and the authorization server are part of it.

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use examples::Turned;
use store_testkit::server::{AuthorizationServer, Client};
use test_services::MongoDb;
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::{AuthorizationCode, Grant as _};
use tokenkeep::record::Recipe;
use tokenkeep::refresh::Timing;
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Profile, Secret, Target, TokenManager, provider, store};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PROCESSES: usize = 8;
const ROUNDS: u32 = 5;
/// Longer than an access token lives: nobody waits here for an hour to pass.
const ROUND: Duration = Duration::from_secs(2 * 3_600);

#[tokio::main]
async fn main() -> Outcome<()> {
    if let (Ok(url), Ok(endpoint)) = (std::env::var("SHARE_STORE"), std::env::var("SHARE_TOKEN_ENDPOINT")) {
        let later = Turned::by(ROUND * std::env::var("SHARE_ROUND")?.parse::<u32>()?);
        let manager = manager(&url, &endpoint, later).await?;
        let token = manager.source(&profile()?).token().await?;
        println!("{}", token.hash().short());
        return Ok(());
    }
    let mut mongo = MongoDb::start()?;
    let server = AuthorizationServer::builder()
        .client(Client::confidential("app", "app-secret").redirect_uri("http://127.0.0.1/callback"))
        .start()?;
    // Patient: a busy machine is no database that is away.
    let url = format!(
        "{}&timeoutMS=60000&serverSelectionTimeoutMS=60000&connectTimeoutMS=60000",
        mongo.url()
    );
    let endpoint = server.token_endpoint();
    println!("authorization server  {}", server.issuer());
    println!("store                 {url}\n");

    println!("1. A person logs in.");
    let here = manager(&url, &endpoint, Turned::default()).await?;
    log_in(&server, &here).await?;

    println!("2. {ROUNDS} times the access token expires, and {PROCESSES} processes want one at once.");
    for round in 1..=ROUNDS {
        server.advance(ROUND);
        let tokens = run_processes(&url, &endpoint, round)?;
        let same = tokens.iter().filter(|token| **token == tokens[0]).count();
        let refreshes = server.counters().requests_of("refresh_token");
        println!("   round {round}: {same} of {PROCESSES} have the same token; refreshes so far: {refreshes}");
        if same != PROCESSES || refreshes != u64::from(round) {
            return Err("a refresh too many, or too few".into());
        }
    }

    println!("3. The database is killed. Who has a token goes on.");
    let source = here.source(&profile()?);
    let token = source.token().await?;
    mongo.kill();
    let started = Instant::now();
    let same = source.token().await? == token;
    println!("   the same token as before: {same}");
    println!("   after {} microseconds", started.elapsed().as_micros());
    mongo.restart()?;
    println!("4. It is back, with the login.");
    let tokens = run_processes(&url, &endpoint, ROUNDS)?;
    println!("   {} processes have a token", tokens.len());
    let counters = server.counters();
    if same && counters.requests_of("refresh_token") == u64::from(ROUNDS) && counters.double_spends == 0 {
        return Ok(());
    }
    Err("the end of the database cost a token, or a refresh".into())
}

async fn manager(url: &str, token_endpoint: &str, clock: Turned) -> Outcome<TokenManager> {
    let provider = provider::with_endpoints(EndpointUrl::new(token_endpoint)?, None);
    let client = ClientRegistration::confidential(provider, "app", Secret::new("app-secret"));
    let manager = tokenkeep::manager(client, store::open(url).await?).clock(clock);
    Ok(manager.timing(patient()).build()?)
}

/// As patient as the store: a process that stands still for seconds keeps its lease, and whoever waits for an answer
/// to be saved goes on waiting.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(60);
    timing.stall = Duration::from_secs(120);
    timing
}

fn profile() -> Outcome<Profile> {
    Ok(Profile::new("ana")?)
}

/// Keeps the tokens of a login at the test server, as `login` does after the browser.
async fn log_in(server: &AuthorizationServer, manager: &TokenManager) -> Outcome<()> {
    let login = server.log_in("app", "api");
    let answer = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
        login.access_token, login.refresh_token
    );
    let tokens = TokenResponse::parse(answer.as_bytes())?;
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new().scope("api"));
    Ok(manager.adopt(&profile()?, recipe, &tokens).await?)
}

/// Starts this program again, several times at once; gives what the processes print.
fn run_processes(url: &str, token_endpoint: &str, round: u32) -> Outcome<Vec<String>> {
    let program = std::env::current_exe()?;
    let start = |_| {
        Command::new(&program)
            .env("SHARE_STORE", url)
            .env("SHARE_TOKEN_ENDPOINT", token_endpoint)
            .env("SHARE_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .spawn()
    };
    let processes: Vec<_> = (0..PROCESSES).map(start).collect::<Result<_, _>>()?;
    let mut printed = Vec::new();
    for process in processes {
        let output = process.wait_with_output()?;
        if !output.status.success() {
            return Err(format!("a process ended with {}", output.status).into());
        }
        printed.push(String::from_utf8(output.stdout)?.trim().to_owned());
    }
    Ok(printed)
}
