//! `AuthorizedClient` beside bare reqwest with the same header.

use std::time::Duration;

use store_testkit::server::{AuthorizationServer, Client};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::{AuthorizedClient, ClientRegistration, MemoryStore, Profile, Secret};

use crate::measure::{Pairs, Unit, head, time};

const ROUNDS: usize = 40;
const REQUESTS: u32 = 400;

pub(crate) fn run() {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "secret"))
        .start()
        .unwrap();
    let provider = tokenkeep::provider::with_endpoints(EndpointUrl::new(&server.token_endpoint()).unwrap(), None);
    let client = ClientRegistration::confidential(provider, "service", Secret::new("secret"));
    let manager = tokenkeep::manager(client, MemoryStore::new())
        .grant(ClientCredentials::new())
        .build()
        .unwrap();
    let source = manager.source(&Profile::default());
    let url = server.api_url();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let token = runtime.block_on(source.token()).unwrap();
    let header = token.authorization().unwrap().clone();
    let ours = AuthorizedClient::builder(reqwest::Client::builder())
        .origin(&server.issuer(), source)
        .unwrap()
        .build()
        .unwrap();
    let bare = reqwest::Client::new();
    head("bare reqwest", Unit::Microseconds);
    for callers in [1, 16] {
        let pairs = Pairs::measure(
            ROUNDS,
            || concurrently(&runtime, callers, || ours_get(ours.clone(), url.clone())),
            || {
                concurrently(&runtime, callers, || {
                    bare_get(bare.clone(), url.clone(), header.clone())
                })
            },
        );
        pairs.row(
            &format!("GET, {callers} at a time"),
            f64::from(REQUESTS),
            Unit::Microseconds,
        );
    }
    println!("\n{ROUNDS} pairs of rounds, {REQUESTS} requests each, to a server in the same process.");
}

async fn ours_get(client: AuthorizedClient, url: String) {
    let response = client.get(&url).send().await.unwrap();
    assert!(response.status().is_success());
    response.bytes().await.unwrap();
}

async fn bare_get(client: reqwest::Client, url: String, header: reqwest::header::HeaderValue) {
    let request = client.get(&url).header(reqwest::header::AUTHORIZATION, header);
    let response = request.send().await.unwrap();
    assert!(response.status().is_success());
    response.bytes().await.unwrap();
}

fn concurrently<F>(runtime: &tokio::runtime::Runtime, callers: u32, get: impl Fn() -> F + Clone + Send) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    time(|| {
        runtime.block_on(async {
            for _ in 0..REQUESTS / callers {
                let asking: Vec<_> = (0..callers).map(|_| tokio::spawn(get())).collect();
                for asked in asking {
                    asked.await.unwrap();
                }
            }
        });
    })
}
