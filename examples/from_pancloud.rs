//! What pancloud's credentials do, with tokenkeep: a developer token from the
//! environment, or client and refresh token from there; refresh tokens that roll; a
//! burst that costs one request.
//!
//! ```text
//! cargo run --release --example from_pancloud
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use store_testkit::server::{AuthorizationServer, Client, Dialect};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::key::Key;
use tokenkeep::resolver::Resolver;
use tokenkeep::store::{self, TokenStoreExt as _};
use tokenkeep::{AuthorizedClient, Profile, Provider, TokenSource, TokenStore, provider};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Variables = Vec<(&'static str, String)>;

const LIFETIME: Duration = Duration::from_secs(4);
const CLIENTS: usize = 8;

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = AuthorizationServer::builder()
        .dialect(Dialect::Pancloud)
        .client(Client::confidential("app", "app-secret"))
        .developer_token("made-in-api-explorer")
        .access_token_lifetime(LIFETIME)
        .start()?;
    let folder = tempfile::tempdir()?;
    developer_token(&server, &folder.path().join("developer.json")).await?;
    refresh_token(&server, &folder.path().join("credentials.json")).await
}

/// A developer token is all that is needed; the file holds the access token alone.
async fn developer_token(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("1. PAN_DEVELOPER_TOKEN is set.");
    let variables = vec![("PAN_DEVELOPER_TOKEN", "made-in-api-explorer".to_owned())];
    let source = start(server, file, variables.clone()).await?;
    println!("   the API answers {}", call(server, source).await?);
    let again = start(server, file, variables).await?;
    println!("   another program: {}", call(server, again).await?);
    println!(
        "   requests to the redemption service: {}\n",
        server.counters().developer_token_requests
    );
    Ok(())
}

/// Client id, client secret, refresh token. The refresh token rolls: what came of it is
/// kept, and the variable is as good as ever.
async fn refresh_token(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("2. PAN_CLIENT_ID, PAN_CLIENT_SECRET and PAN_REFRESH_TOKEN are set.");
    let variables = vec![
        ("PAN_CLIENT_ID", "app".to_owned()),
        ("PAN_CLIENT_SECRET", "app-secret".to_owned()),
        (
            "PAN_REFRESH_TOKEN",
            server.log_in("app", "logging-service:read").refresh_token,
        ),
    ];
    for _ in 0..3 {
        let source = start(server, file, variables.clone()).await?;
        let status = call(server, source).await?;
        println!(
            "   the API answers {status}; refresh token {}",
            kept_refresh_token(file).await?
        );
        tokio::time::sleep(LIFETIME).await;
    }
    let before = server.counters().requests_of("refresh_token");
    println!("   refreshes: {before}\n");

    println!("3. {CLIENTS} clients want a token at the same moment.");
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(start(server, file, variables.clone()).await?);
    }
    let burst: Vec<_> = clients
        .into_iter()
        .map(|source| tokio::spawn(async move { source.token().await }))
        .collect();
    let mut hashes = std::collections::BTreeSet::new();
    for one in burst {
        hashes.insert(one.await??.hash().short());
    }
    let seen = server.counters();
    println!(
        "   different tokens: {}, refreshes: {}",
        hashes.len(),
        seen.requests_of("refresh_token") - before
    );
    println!("   refresh tokens spent twice: {}\n", seen.double_spends);

    println!("4. PAN_CLIENT_ID is set alone: the file does not count, nobody's secrets are mixed.");
    match start(server, file, variables[..1].to_vec()).await {
        Ok(_) => println!("   it was enough"),
        Err(error) => println!("   {error}"),
    }
    Ok(())
}

/// As a program that starts with these variables: finds credentials, makes a manager.
async fn start(server: &AuthorizationServer, file: &Path, variables: Variables) -> Outcome<TokenSource> {
    let store = open(file).await?;
    // `ProcessEnvironment`, in programs.
    let environment = move |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let resolver = Resolver::new(environment).provider(pancloud(server)?);
    let found = resolver.resolve(&Profile::default(), &store).await?;
    let mut builder = tokenkeep::manager(found.registration().clone(), store);
    if let Some(grant) = found.developer_token_grant() {
        builder = builder.grant(grant);
    }
    Ok(found.source(&builder.build()?).await?)
}

/// `provider::pancloud()`, at the real one.
fn pancloud(server: &AuthorizationServer) -> Outcome<Provider> {
    let mut provider = provider::pancloud_at(&server.issuer(), &server.authorization_endpoint())?;
    provider.developer_token_endpoint = Some(EndpointUrl::new(&server.developer_token_endpoint())?);
    Ok(provider)
}

async fn call(server: &AuthorizationServer, source: TokenSource) -> Outcome<String> {
    let client = AuthorizedClient::for_origin(&server.issuer(), source)?;
    let answer = client.get(server.api_url() + "/query").send().await?;
    Ok(answer.status().to_string())
}

async fn kept_refresh_token(file: &Path) -> Outcome<String> {
    let kept = open(file)
        .await?
        .load_contents(&Key::grant(&Profile::default()))
        .await?;
    let grant = kept.and_then(|(_, contents)| contents.into_grant());
    let token = grant.and_then(|grant| grant.refresh_token);
    Ok(token.map_or_else(|| "none".into(), |token| token.hash().short()))
}

async fn open(file: &Path) -> Outcome<Arc<dyn TokenStore>> {
    Ok(store::open(&format!("json:{}", file.display())).await?)
}
