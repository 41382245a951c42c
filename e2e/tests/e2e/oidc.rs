//! The command and the library against node-oidc-provider.

use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep::endpoint::Issuer;
use tokenkeep::http::HttpTransport;
use tokenkeep::{ClientRegistration, MemoryStore, Profile, Target, TokenManager, TokenStore};

use crate::command::{Home, finish};
use crate::provider::{Registered, browse, issuer};

const REDIRECT: &str = "http://127.0.0.1:9999/callback";

async fn client_credentials(kind: &str, way: &str) {
    let (home, client) = (Home::new(), Registered::new(kind).await);
    let login = home.command(&[
        "-p",
        "svc",
        "login",
        "--flow",
        "client-credentials",
        "--issuer",
        &issuer(),
        "--client-id",
        &client.id,
        "--client-secret-stdin",
        "--client-auth",
        way,
        "--scope",
        "api:read",
    ]);
    let output = finish(login.stdin(client.secret.clone().unwrap()));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert_eq!(output.stdout(), "");
    let before = client.requests("client_credentials").await;
    let token = home.print(&["-p", "svc", "token"]);
    assert_eq!(home.print(&["-p", "svc", "token"]), token);
    assert_eq!(
        client.requests("client_credentials").await,
        before,
        "the login's token is used again"
    );
    assert_eq!(before, 1);

    let api = format!("{}/api/things", issuer());
    let answer: Value = serde_json::from_str(&home.print(&["-p", "svc", "request", "GET", &api])).unwrap();
    assert_eq!(
        (&answer["client_id"], &answer["method"]),
        (&json!(client.id), &json!("GET"))
    );
    let body = [
        "-p",
        "svc",
        "request",
        "POST",
        &api,
        "-H",
        "Content-Type: application/json",
        "-d",
        "{\"a\":1}",
    ];
    let answer: Value = serde_json::from_str(&home.print(&body)).unwrap();
    assert_eq!(answer["method"], "POST");

    after_a_401(&home, &client, &api, &token).await;
}

async fn after_a_401(home: &Home, client: &Registered, api: &str, token: &str) {
    client.expire_access_tokens().await;
    home.print(&["-p", "svc", "request", "GET", api]);
    assert_eq!(
        client.requests("client_credentials").await,
        2,
        "one refresh after the 401"
    );
    assert_ne!(home.print(&["-p", "svc", "token"]), token);

    let status: Value = serde_json::from_str(&home.print(&["status", "--json"])).unwrap();
    assert_eq!(status["schema"], 1);
    assert_eq!(status["profiles"][0]["profile"], "svc");
    assert_eq!(status["profiles"][0]["grant"], "client_credentials");
    assert!(status["profiles"][0]["expires_in_s"].as_i64().unwrap() > 0, "{status}");
}

#[tokio::test]
async fn client_credentials_by_basic() {
    client_credentials("cc-basic", "basic").await;
}

#[tokio::test]
async fn client_credentials_by_post() {
    client_credentials("cc-post", "post").await;
}

#[tokio::test]
async fn an_id_and_a_secret_that_need_encoding() {
    let home = Home::new();
    let id = "odd:id 100%+1";
    let login = [
        "login",
        "--flow",
        "client-credentials",
        "--issuer",
        &issuer(),
        "--client-id",
        id,
    ];
    let login = home
        .command(&login)
        .args(["--client-secret-stdin", "--scope", "api:read"]);
    let output = finish(login.stdin("odd:secret 50%+2/&=?"));
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert!(!home.print(&["token"]).is_empty());
}

/// Logs in by the command, with the last address pasted once a browser has been
/// there: so standard input is a pipe with a name.
async fn pasted_login(home: &Home, client: &Registered) {
    let pipe = home.pipe("paste");
    let issuer = issuer();
    let arguments = [
        "-p",
        "ana",
        "login",
        "--flow",
        "paste",
        "--issuer",
        &issuer,
        "--client-id",
        &client.id,
        "--client-auth",
        "none",
        "--redirect-uri",
        REDIRECT,
        "--scope",
        "openid offline_access api:read",
    ];
    let running = home.command_reading(&pipe, &arguments).spawn().unwrap();
    let mut paste = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    let url = tokio::time::timeout(crate::command::LIMIT, async {
        loop {
            let said = running.stderr_so_far();
            if let Some(url) = said.split_whitespace().find(|word| word.contains("code_challenge=")) {
                return url.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let back = browse(&url.await.unwrap()).await;
    std::io::Write::write_all(&mut paste, format!("  {back} \n").as_bytes()).unwrap();
    drop(paste);
    let output = running.wait(crate::command::LIMIT).unwrap();
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    assert_eq!(output.stdout(), "");
}

#[tokio::test]
async fn a_person_logs_in_by_paste_and_stays_logged_in() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    client.lifetime(2).await;
    pasted_login(&home, &client).await;
    let first = home.print(&["-p", "ana", "token"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Two seconds are too short for a request on a busy machine.
    client.lifetime(3600).await;
    let second = home.print(&["-p", "ana", "token"]);
    assert_ne!(first, second);
    let api = format!("{}/api/me", issuer());
    let answer: Value = serde_json::from_str(&home.print(&["-p", "ana", "request", "GET", &api])).unwrap();
    assert_eq!(answer["sub"], "ana");
    let counters = client.counters().await;
    assert_eq!(counters["refresh_double_consumed"], 0, "{counters}");
    assert_eq!(counters["grants_revoked"], 0, "{counters}");
}

/// A login by the library, with a store of its own.
async fn library_login(client: &Registered) -> (TokenManager, Profile) {
    let transport = HttpTransport::new();
    let provider = tokenkeep::discovery::discover(&transport, &Issuer::new(issuer()).unwrap())
        .await
        .unwrap();
    let store: std::sync::Arc<dyn TokenStore> = std::sync::Arc::new(MemoryStore::new());
    let registration = ClientRegistration::public(provider, client.id.clone());
    let manager = tokenkeep::manager(registration, store).build().unwrap();
    let target = Target::new().scopes(["openid", "offline_access", "api:read"]);
    let (url, login) = manager.begin_login(REDIRECT, target).unwrap();
    let back = tokenkeep::grant::Callback::from_url(&browse(url.as_str()).await).unwrap();
    let profile = Profile::new("ana").unwrap();
    let exchange = manager.accept_callback(login, &back).unwrap();
    manager.finish_login(&profile, exchange).await.unwrap();
    (manager, profile)
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_with_reuse_detection_never_sees_a_reuse() {
    let client = Registered::new("native").await;
    let (manager, profile) = library_login(&client).await;
    let source = manager.source(&profile);
    for _ in 0..20 {
        let rejected = source.token().await.unwrap();
        let callers: Vec<_> = (0..50)
            .map(|_| {
                let source = source.clone();
                tokio::spawn(async move { source.force().await.map(|token| token.hash()) })
            })
            .collect();
        for caller in callers {
            assert_ne!(caller.await.unwrap().unwrap(), rejected.hash());
        }
    }
    let counters = client.counters().await;
    assert_eq!(
        (&counters["refresh_double_consumed"], &counters["grants_revoked"]),
        (&json!(0), &json!(0))
    );
}

#[tokio::test]
async fn an_unreachable_moment_costs_nothing() {
    let client = Registered::new("native").await;
    let (manager, profile) = library_login(&client).await;
    let source = manager.source(&profile);
    let good = source.token().await.unwrap();
    client
        .fault(json!({ "grant_type": "refresh_token", "status": 503, "times": 1 }))
        .await;
    source.force().await.unwrap_err();
    assert_eq!(source.token().await.unwrap(), good);
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_ne!(source.force().await.unwrap(), good);
    assert_eq!(client.counters().await["grants_revoked"], 0);
}

#[tokio::test]
async fn a_spent_refresh_token_is_an_honest_end() {
    let client = Registered::new("native").await;
    let (manager, profile) = library_login(&client).await;
    client
        .fault(json!({ "grant_type": "refresh_token", "drop_after": true, "times": 1 }))
        .await;
    let source = manager.source(&profile);
    let good = source.token().await.unwrap();
    source.force().await.unwrap_err();
    // Not replayed while the token is good: a replay would have revoked it.
    assert_eq!(source.token().await.unwrap(), good);
    assert_eq!(client.requests("refresh_token").await, 1);
    assert_eq!(client.counters().await["grants_revoked"], 0);
}
