//! What the Globus SDK does for an application that acts as itself, with tokenkeep: one
//! answer with a token for each resource server, and a client that renews its token.
//!
//! ```text
//! cargo run --release --example from_globus
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeSet;
use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::get;
use examples::{Turned, expect};
use serde_json::{Value, json};
use store_testkit::server::{AuthorizationServer, Client, Dialect};
use tokenkeep::clock::{Clock as _, SystemClock};
use tokenkeep::grant::ClientCredentials;
use tokenkeep::{
    AuthorizedClient, ClientRegistration, MemoryStore, Profile, Secret, Target, TokenManager, TokenSource, provider,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const CLIENT_ID: &str = "5fb1d0a8";
const TRANSFER: &str = "transfer.api.globus.org";
const TRANSFER_ALL: &str = "urn:globus:auth:scope:transfer.api.globus.org:all";
const LIFETIME: Duration = Duration::from_secs(48 * 3600);

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = AuthorizationServer::builder()
        .dialect(Dialect::Globus)
        .client(Client::confidential(CLIENT_ID, "client-secret"))
        .access_token_lifetime(LIFETIME)
        .start()?;
    let server = Arc::new(server);
    let transfer = start_transfer(server.clone()).await?;
    // `provider::globus()`, at the real one.
    let globus = provider::globus_at(&server.issuer())?;
    let client = ClientRegistration::confidential(globus, CLIENT_ID, Secret::new("client-secret"));
    let clock = Turned::default();
    let manager = tokenkeep::manager(client, MemoryStore::new())
        .grant(ClientCredentials::new())
        .clock(clock.clone())
        .build()?;

    both_tokens(&server, &manager).await?;
    println!("2. What belongs to {CLIENT_ID}@clients.auth.globus.org:");
    // Scopes of one resource server need no pick.
    let source = manager.source_for(&Profile::default(), &Target::new().scope(TRANSFER_ALL));
    list_endpoints(&transfer, source.clone()).await?;

    let before = server.counters().token_requests;
    println!(
        "3. {} hours later the token is over, and asked for again.",
        LIFETIME.as_secs() / 3600
    );
    clock.turn(LIFETIME);
    server.advance(LIFETIME);
    list_endpoints(&transfer, source).await?;
    let requests = server.counters().token_requests;
    println!("   token requests in all: {requests}, refresh tokens: none");
    expect(requests == before + 1, "one more token")
}

/// No scopes are named, so the provider's four are asked for: one answer, two tokens.
async fn both_tokens(server: &AuthorizationServer, manager: &TokenManager) -> Outcome<()> {
    println!("1. The client gets tokens for itself.");
    let source = manager.source(&Profile::default());
    let mut hashes = BTreeSet::new();
    for resource_server in ["auth.globus.org", TRANSFER] {
        let token = source
            .token_for(&Target::new().resource_server(resource_server))
            .await?;
        let left = token.expires_at().map(|end| end.since(SystemClock.now()).as_secs());
        let (hash, scopes) = (token.hash().short(), token.scopes().join(" "));
        println!(
            "   {resource_server}: token {hash}, {} s left, for {scopes}",
            left.unwrap_or_default()
        );
        hashes.insert(hash);
    }
    let requests = server.counters().token_requests;
    println!("   token requests: {requests}");
    expect(hashes.len() == 2 && requests == 1, "two tokens in one answer")?;
    let Err(error) = source.token().await else {
        return Err("expected: one has to be picked".into());
    };
    println!("   without picking one: {error}\n");
    Ok(())
}

async fn list_endpoints(transfer: &str, source: TokenSource) -> Outcome<()> {
    let client = AuthorizedClient::for_origin(transfer, source)?;
    let url = format!("{transfer}/endpoint_search?filter_scope=my-endpoints");
    let answer = client.get(url).send().await?;
    let found: Value = serde_json::from_slice(&answer.error_for_status()?.bytes().await?)?;
    let endpoints = found["DATA"].as_array().ok_or("no list of endpoints")?;
    for endpoint in endpoints {
        let text = |member: &str| endpoint[member].as_str().unwrap_or_default().to_owned();
        println!("   [{}] {}", text("id"), text("display_name"));
    }
    println!();
    expect(endpoints.len() == 2, "two endpoints are its own")
}

/// A small Transfer service: it shows endpoints to whoever has a live token with its scope.
async fn start_transfer(server: Arc<AuthorizationServer>) -> Outcome<String> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let routes = Router::new()
        .route("/endpoint_search", get(endpoint_search))
        .with_state(server);
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(url)
}

async fn endpoint_search(
    State(server): State<Arc<AuthorizationServer>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<String, StatusCode> {
    let authorization = headers.get("authorization").and_then(|value| value.to_str().ok());
    let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
    let scope = token
        .and_then(|token| server.scope_of(token))
        .ok_or(StatusCode::UNAUTHORIZED)?;
    if scope != TRANSFER_ALL {
        return Err(StatusCode::FORBIDDEN);
    }
    let own = uri.query() == Some("filter_scope=my-endpoints");
    let endpoints = [
        ("e1", "Archive", true),
        ("e2", "Instrument 7", true),
        ("e3", "Somebody else's", false),
    ];
    let shown: Vec<_> = endpoints
        .into_iter()
        .filter(|(_, _, mine)| *mine || !own)
        .map(|(id, name, _)| json!({ "id": id, "display_name": name }))
        .collect();
    Ok(json!({ "DATA": shown }).to_string())
}
