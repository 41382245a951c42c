//! What palantir-oauth-client's document does, done with ours, against a server on 127.0.0.1 that
//! speaks Foundry's dialect.
//!
//! ```text
//! cargo run --release --example from_palantir
//! ```

#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::error::Error;
use std::path::Path;

use examples::expect;
use store_testkit::server::{AuthorizationServer, Client, Dialect, Rotation};
use tokenkeep::login::Browser;
use tokenkeep::store::json::JsonStore;
use tokenkeep::user::{CredentialsCache, UserCredentials, UserError, load_user_credentials};
use tokenkeep::{AuthorizedClient, ClientRegistration, Secret, TokenSource, provider};
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const CLIENT_ID: &str = "f5496be223e4db85c6a7c99bc5c2d81a";

#[tokio::main]
async fn main() -> Outcome<()> {
    let server = AuthorizationServer::builder()
        .dialect(Dialect::Foundry)
        .client(Client::public(CLIENT_ID))
        .rotation(Rotation::Strict)
        .start()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("credentials.json");
    println!("Foundry               {}", server.issuer());
    println!("store                 {}\n", file.display());

    console(&server, &file).await?;
    again(&server, &file).await?;
    browser(&server, &folder.path().join("browser.json")).await?;
    later(&server, &file).await?;
    let refreshes = server.counters().requests_of("refresh_token");
    println!("refresh requests: {refreshes}");
    expect(refreshes == 1, "the token that was taken back is renewed, and no other")
}

/// `get_user_credentials(["offline_access"], hostname, client_id)`: the person is shown an address, and
/// enters the code.
async fn console(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("1. Credentials by the console prompt.");
    let source = by_a_person(credentials(server, file)?).get().await?;
    println!("   {}\n", greeting(server, source).await?);
    Ok(())
}

/// The next start of the program: nobody is there.
async fn again(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("2. The program starts again, with nobody at the terminal.");
    let source = credentials(server, file)?.somebody_is_there(false).get().await?;
    println!("   the kept token is used: {}", greeting(server, source).await?);
    server.expire_access_tokens();
    let source = load_user_credentials(file).await?;
    println!(
        "   the server took it back, so it is renewed: {}",
        greeting(server, source).await?
    );
    let asked = credentials(server, file)?
        .scopes(["api:write"])
        .somebody_is_there(false);
    match asked.get().await {
        Err(error @ UserError::Nobody(_)) => println!("   with other scopes: {error}\n"),
        other => return Err(format!("unexpected: {other:?}").into()),
    }
    Ok(())
}

/// `use_local_webserver=True`.
async fn browser(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("3. A browser brings the code to a local web server, and nothing is kept.");
    let login = credentials(server, file)?
        .cache(CredentialsCache::None)
        .browser(Browser::None)
        .entered(mpsc::channel(1).1)
        .tell(|text| {
            if let Some(address) = address_in(text) {
                tokio::spawn(async move { reqwest::get(address).await.map(drop) });
            }
        });
    let source = login.somebody_is_there(true).get().await?;
    println!("   {}", greeting(server, source).await?);
    println!("   a file was written: {}\n", file.exists());
    expect(!file.exists(), "nothing is kept")
}

/// `get_authorization_context(…)`: for notebooks.
async fn later(server: &AuthorizationServer, file: &Path) -> Outcome<()> {
    println!("4. The address first, the code later.");
    let mut login = credentials(server, file)?.begin()?;
    println!(
        "   in one cell: an address of {} characters",
        login.url().as_str().len()
    );
    let brought = led_to(login.url().as_str()).await?;
    let source = login.finish(&brought).await?;
    println!("   in the next one: {}\n", greeting(server, source).await?);
    Ok(())
}

fn credentials(server: &AuthorizationServer, file: &Path) -> Outcome<UserCredentials> {
    let client = ClientRegistration::public(provider::foundry(&server.issuer())?, CLIENT_ID);
    Ok(UserCredentials::new(client, JsonStore::open(file)?).scopes(["offline_access"]))
}

/// `requests.get(f"https://{hostname}/multipass/api/me", headers=headers)`.
async fn greeting(server: &AuthorizationServer, source: TokenSource) -> Outcome<String> {
    let api = AuthorizedClient::for_origin(&server.issuer(), source)?;
    let me: serde_json::Value = serde_json::from_slice(&api.get(server.api_url()).send().await?.bytes().await?)?;
    Ok(format!("Hello, {}!", me["username"].as_str().ok_or("nobody")?))
}

/// A person: goes where they are told, and enters the address that they are led to.
fn by_a_person(credentials: UserCredentials) -> UserCredentials {
    let (lines, entered) = mpsc::channel(1);
    credentials.somebody_is_there(true).entered(entered).tell(move |text| {
        let (lines, address) = (lines.clone(), address_in(text));
        tokio::spawn(async move {
            let last = led_to(&address.unwrap_or_default()).await.unwrap_or_default();
            // The login may be over already.
            let _ = lines.send(Secret::new(last)).await;
        });
    })
}

fn address_in(text: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    words.find(|word| word.starts_with("http://")).map(str::to_owned)
}

/// Where the server sends the browser.
async fn led_to(address: &str) -> Result<String, reqwest::Error> {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let answer = browser.get(address).send().await?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    Ok(location.unwrap_or_default().to_owned())
}
