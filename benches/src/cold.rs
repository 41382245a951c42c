//! Ten thousand tasks ask for a token that nobody has yet.

use std::time::{Duration, Instant};

use store_testkit::server::{AuthorizationServer, Client};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::{ClientRegistration, MemoryStore, Profile, Secret};

use crate::measure::median;

const LATENCY: Duration = Duration::from_millis(50);
const ROUNDS: usize = 10;

pub(crate) fn run() {
    println!(
        "| tasks | ms, beyond the {} ms of the endpoint | token requests |\n|---|---|---|",
        LATENCY.as_millis()
    );
    for tasks in [1_000, 10_000] {
        let rounds: Vec<(f64, u64)> = (0..ROUNDS).map(|_| round(tasks)).collect();
        let beyond = median(rounds.iter().map(|(beyond, _)| *beyond));
        let most = rounds.iter().map(|(_, requests)| *requests).max().unwrap_or(0);
        println!("| {tasks} | {beyond:.1} | {most} |");
    }
}

/// Milliseconds beyond the latency, and how often the server was asked.
fn round(tasks: usize) -> (f64, u64) {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "secret"))
        .latency(LATENCY)
        .start()
        .unwrap();
    let provider = tokenkeep::provider::with_endpoints(EndpointUrl::new(&server.token_endpoint()).unwrap(), None);
    let client = ClientRegistration::confidential(provider, "service", Secret::new("secret"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let manager = tokenkeep::manager(client, MemoryStore::new())
        .grant(ClientCredentials::new())
        .build()
        .unwrap();
    let source = manager.source(&Profile::default());
    let begun = Instant::now();
    runtime.block_on(async {
        let asking: Vec<_> = (0..tasks)
            .map(|_| {
                let source = source.clone();
                tokio::spawn(async move { source.token().await.map(|_| ()) })
            })
            .collect();
        for asked in asking {
            asked.await.unwrap().unwrap();
        }
    });
    let beyond = begun.elapsed().saturating_sub(LATENCY).as_secs_f64() * 1e3;
    (beyond, server.counters().token_requests)
}
