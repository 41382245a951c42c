//! What alf does, with tokenkeep: an HTTP client that gets, keeps and renews a service's
//! own tokens; Auth0's audience and default lifetime; retries; a 401 answered by a new
//! token, once.
//!
//! ```text
//! cargo run --release --example from_alf
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::time::Duration;

use examples::expect;
use store_testkit::server::{AuthorizationServer, Client, ExpiresIn, Fault};
use tokenkeep::client_auth::ClientAuthMethod;
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::ClientCredentials;
use tokenkeep::refresh::TokenRetry;
use tokenkeep::{
    AuthorizedClient, ClientRegistration, MemoryStore, Profile, Secret, Target, TokenManager, TokenSource, provider,
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const RESOURCE: &str = "/1";

#[tokio::main]
async fn main() -> Outcome<()> {
    plain().await?;
    auth0().await?;
    token_retry().await
}

/// Token endpoint, client id, secret: that is all.
fn manager(server: &AuthorizationServer) -> Outcome<TokenManager> {
    let provider = provider::with_endpoints(EndpointUrl::new(&server.token_endpoint())?, None);
    let client = ClientRegistration::confidential(provider, "client-id", Secret::new("secret"))
        .authenticate_by(ClientAuthMethod::BasicRaw);
    // Any store will do, Redis or Memcached too; in memory if nothing is to be shared.
    let builder = tokenkeep::manager(client, MemoryStore::new());
    Ok(builder.grant(ClientCredentials::new()).build()?)
}

fn server(expires_in: ExpiresIn) -> Outcome<AuthorizationServer> {
    let client = Client::confidential("client-id", "secret");
    Ok(AuthorizationServer::builder()
        .client(client)
        .expires_in(expires_in)
        .start()?)
}

fn client(server: &AuthorizationServer, source: TokenSource) -> Outcome<AuthorizedClient> {
    Ok(AuthorizedClient::for_origin(&server.issuer(), source)?)
}

/// `put`, `get`, `delete`; one token for all of them; a 401 costs one new one.
async fn plain() -> Outcome<()> {
    let server = server(ExpiresIn::Number)?;
    let alf = client(&server, manager(&server)?.source(&Profile::default()))?;
    let resource = server.api_url() + RESOURCE;
    println!("1. put, get, delete.");
    let put = alf
        .put(&resource)
        .header("content-type", "application/json")
        .body(r#"{"name": "alf"}"#);
    for request in [put, alf.get(&resource), alf.delete(&resource)] {
        let answer = request.send().await?;
        let status = answer.status();
        let echo: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        println!(
            "   {} {} with body {}: {status}",
            echo["method"], echo["path"], echo["body"]
        );
        expect(status.is_success(), "the API answers")?;
    }
    let requests = server.counters().token_requests;
    println!("   token requests: {requests}\n");
    expect(requests == 1, "one token for all requests")?;

    println!("2. The API takes the token no more.");
    server.expire_access_tokens();
    let answer = alf.put(&resource).body("sent again, whole").send().await?;
    let status = answer.status();
    let echo: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
    println!("   {status}, with body {}", echo["body"]);
    let seen = server.counters();
    println!(
        "   401s: {}, token requests: {}\n",
        seen.api_unauthorized, seen.token_requests
    );
    expect(
        status.is_success() && echo["body"] == "sent again, whole",
        "the API answers",
    )?;
    let counted = (seen.api_unauthorized, seen.token_requests);
    expect(counted == (1, 2), "a 401 costs one new token")
}

/// An answer without `expires_in`: the lifetime is what the API has in Auth0's settings.
async fn auth0() -> Outcome<()> {
    println!("3. Auth0: an audience, and answers that don't say how long a token lives.");
    let server = server(ExpiresIn::Omitted)?;
    let mut provider = provider::auth0(&server.issuer())?;
    provider.token_endpoint = Some(EndpointUrl::new(&server.token_endpoint())?);
    provider.default_lifetime = Some(Duration::from_secs(86_400));
    let client_registration = ClientRegistration::confidential(provider, "client-id", Secret::new("secret"));
    let manager = tokenkeep::manager(client_registration, MemoryStore::new())
        .grant(ClientCredentials::new())
        .build()?;
    for audience in ["http://api.example.com/my-api/", "http://api.example.com/other/"] {
        let source = manager.source_for(&Profile::default(), &Target::new().audience(audience));
        let token = source.token().await?;
        let lives = token.expires_at().map(|end| end.since(token.issued_at()).as_secs());
        let alf = client(&server, source)?;
        let answer = alf.get(server.api_url()).send().await?;
        let echo: serde_json::Value = serde_json::from_slice(&answer.bytes().await?)?;
        println!(
            "   a token for {}, for {} s",
            echo["audience"],
            lives.unwrap_or_default()
        );
        expect(
            lives == Some(86_400) && echo["audience"] == audience,
            "a day, for this audience",
        )?;
    }
    println!();
    Ok(())
}

/// The token endpoint fails for a while: five more attempts after a 500, with pauses
/// from 0.3 seconds on. If all fail, the error is the token endpoint's, and the API is
/// not called.
async fn token_retry() -> Outcome<()> {
    println!("4. The token endpoint answers 500, twice.");
    let server = server(ExpiresIn::Number)?;
    let retry = TokenRetry::new(5, [500], Duration::from_millis(300));
    let manager = tokenkeep::manager(manager(&server)?.registration().clone(), MemoryStore::new())
        .grant(ClientCredentials::new())
        .token_retry(retry)
        .build()?;
    let alf = client(&server, manager.source(&Profile::default()))?;
    server.inject(Fault::answer(500).times(2));
    let status = alf.get(server.api_url()).send().await?.status();
    let requests = server.counters().token_requests;
    println!("   the API answers {status}");
    println!("   token requests: {requests}\n");
    expect(status.is_success() && requests == 3, "the third attempt succeeds")?;

    println!("5. The token endpoint refuses.");
    let called = server.counters().api_ok;
    server.expire_access_tokens();
    server.inject(Fault::answer(400).body(r#"{"error":"invalid_client"}"#).times(9));
    let Err(error) = alf.get(server.api_url()).send().await else {
        return Err("expected: no answer without a token".into());
    };
    let error = error.as_token_error().ok_or("expected: the token endpoint's error")?;
    println!("   {error}");
    let meanwhile = server.counters().api_ok - called;
    println!("   calls that the API answered meanwhile: {meanwhile}");
    expect(meanwhile == 0, "the API is not called")
}
