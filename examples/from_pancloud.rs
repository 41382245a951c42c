//! What pancloud's credentials do, with tokenkeep: a developer token from the
//! environment, or client and refresh token from there; refresh tokens that roll; a
//! burst that costs one request.
//!
//! ```text
//! cargo run --release --example from_pancloud
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::collections::BTreeSet;
use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use examples::{Turned, expect};
use reqwest::StatusCode;
use store_testkit::server::{AuthorizationServer, Client, Dialect};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::key::Key;
use tokenkeep::refresh::Timing;
use tokenkeep::resolver::Resolver;
use tokenkeep::store::{self, TokenStoreExt as _};
use tokenkeep::{AuthorizedClient, Profile, Provider, TokenSource, TokenStore, provider};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Variable = (&'static str, String);

const LIFETIME: Duration = Duration::from_secs(900);
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
    let stage = Stage {
        server,
        clock: Turned::default(),
    };
    stage.developer_token(&folder.path().join("developer.json")).await?;
    let file = folder.path().join("credentials.json");
    let variables = stage.variables();
    stage.refresh_token(&file, &variables).await?;
    stage.burst(&file, &variables).await?;
    stage.half(&file, &variables).await
}

/// The server, and the clock that all programs here go by.
struct Stage {
    server: AuthorizationServer,
    clock: Turned,
}

impl Stage {
    /// A developer token is all that is needed; the file holds the access token alone.
    async fn developer_token(&self, file: &Path) -> Outcome<()> {
        println!("1. PAN_DEVELOPER_TOKEN is set.");
        let variables = [("PAN_DEVELOPER_TOKEN", "made-in-api-explorer".to_owned())];
        for program in ["the API answers", "another program:"] {
            let source = self.start(file, &variables).await?;
            println!("   {program} {}", self.call(source).await?);
        }
        let requests = self.server.counters().developer_token_requests;
        println!("   requests to the redemption service: {requests}\n");
        expect(requests == 1, "one token for both programs")
    }

    fn variables(&self) -> Vec<Variable> {
        let login = self.server.log_in("app", "logging-service:read");
        vec![
            ("PAN_CLIENT_ID", "app".to_owned()),
            ("PAN_CLIENT_SECRET", "app-secret".to_owned()),
            ("PAN_REFRESH_TOKEN", login.refresh_token),
        ]
    }

    /// Client id, client secret, refresh token. The refresh token rolls: what came of it is
    /// kept, and the variable is as good as ever.
    async fn refresh_token(&self, file: &Path, variables: &[Variable]) -> Outcome<()> {
        println!("2. PAN_CLIENT_ID, PAN_CLIENT_SECRET and PAN_REFRESH_TOKEN are set.");
        let mut kept = BTreeSet::new();
        for _ in 0..3 {
            let source = self.start(file, variables).await?;
            let status = self.call(source).await?;
            let token = kept_refresh_token(file).await?;
            println!("   the API answers {status}; refresh token {token}");
            kept.insert(token);
            self.let_time_pass();
        }
        let refreshes = self.server.counters().requests_of("refresh_token");
        println!("   refreshes: {refreshes}\n");
        expect(kept.len() == 3 && refreshes == 3, "each refresh token is used once")
    }

    async fn burst(&self, file: &Path, variables: &[Variable]) -> Outcome<()> {
        println!("3. {CLIENTS} clients want a token at the same moment.");
        let before = self.server.counters().requests_of("refresh_token");
        let mut clients = Vec::new();
        for _ in 0..CLIENTS {
            clients.push(self.start(file, variables).await?);
        }
        let burst: Vec<_> = clients
            .into_iter()
            .map(|source| tokio::spawn(async move { source.token().await }))
            .collect();
        let mut hashes = BTreeSet::new();
        for one in burst {
            hashes.insert(one.await??.hash().short());
        }
        let seen = self.server.counters();
        let refreshes = seen.requests_of("refresh_token") - before;
        println!("   different tokens: {}, refreshes: {refreshes}", hashes.len());
        println!("   refresh tokens spent twice: {}\n", seen.double_spends);
        expect(
            hashes.len() == 1 && refreshes == 1 && seen.double_spends == 0,
            "one refresh for all",
        )
    }

    async fn half(&self, file: &Path, variables: &[Variable]) -> Outcome<()> {
        println!("4. PAN_CLIENT_ID is set alone: the file does not count, nobody's secrets are mixed.");
        let Err(error) = self.start(file, &variables[..1]).await else {
            return Err("expected: it is not enough".into());
        };
        println!("   {error}");
        Ok(())
    }

    /// The tokens that there are end, by everybody's clock.
    fn let_time_pass(&self) {
        self.clock.turn(LIFETIME);
        self.server.advance(LIFETIME);
    }

    /// As a program that starts with these variables: finds credentials, makes a manager.
    async fn start(&self, file: &Path, variables: &[Variable]) -> Outcome<TokenSource> {
        let store = open(file).await?;
        // `ProcessEnvironment`, in programs.
        let variables = variables.to_vec();
        let environment = move |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        let resolver = Resolver::new(environment)
            .provider(pancloud(&self.server)?)
            .clock(self.clock.clone());
        let found = resolver.resolve(&Profile::default(), &store).await?;
        let mut builder = tokenkeep::manager(found.registration().clone(), store).clock(self.clock.clone());
        if let Some(grant) = found.developer_token_grant() {
            builder = builder.grant(grant);
        }
        Ok(found.source(&builder.timing(patient()).build()?).await?)
    }

    async fn call(&self, source: TokenSource) -> Outcome<StatusCode> {
        let client = AuthorizedClient::for_origin(&self.server.issuer(), source)?;
        let status = client.get(self.server.api_url() + "/query").send().await?.status();
        expect(status.is_success(), "the API answers")?;
        Ok(status)
    }
}

/// `provider::pancloud()`, at the real one.
fn pancloud(server: &AuthorizationServer) -> Outcome<Provider> {
    let mut provider = provider::pancloud_at(&server.issuer(), &server.authorization_endpoint())?;
    provider.developer_token_endpoint = Some(EndpointUrl::new(&server.developer_token_endpoint())?);
    Ok(provider)
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

/// A program asks for a token where the store takes longer than two seconds. Here it shall wait, also on a busy machine.
fn patient() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = Duration::from_secs(120);
    timing
}
