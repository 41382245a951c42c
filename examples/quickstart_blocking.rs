//! A program without async: many threads, one token request.
//!
//! ```text
//! cargo run --release --example quickstart_blocking
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::time::Duration;

use store_testkit::server::{AuthorizationServer, Client};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::Timing;
use tokenkeep::{ClientRegistration, Profile, Secret, blocking, provider};

fn main() -> Result<(), Box<dyn Error>> {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .start()?;
    let folder = tempfile::tempdir()?;
    let store = blocking::open(&format!("json:{}", folder.path().join("tokens.json").display()))?;

    let provider = provider::with_endpoints(EndpointUrl::new(&server.token_endpoint())?, None);
    let client = ClientRegistration::confidential(provider, "service", Secret::new("service-secret"));
    // By two seconds without the store a token is asked for; here it is waited for, also on a busy machine.
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    let manager = tokenkeep::manager(client, store)
        .grant(ClientCredentials::new())
        .timing(timing)
        .build()?;
    let source = blocking::TokenManager::new(manager).source(&Profile::new("service")?);

    let threads: Vec<_> = (0..64)
        .map(|_| {
            let source = source.clone();
            std::thread::spawn(move || source.token().map(|token| token.hash()))
        })
        .collect();
    let mut hashes = Vec::new();
    for thread in threads {
        hashes.push(thread.join().map_err(|_| "a thread panicked")??);
    }
    let same = hashes.iter().all(|hash| *hash == hashes[0]);
    println!("{} threads, the same token for all: {same}", hashes.len());
    let requests = server.counters().token_requests;
    println!("token requests: {requests}");
    if same && requests == 1 {
        return Ok(());
    }
    Err("expected: one token for all".into())
}
