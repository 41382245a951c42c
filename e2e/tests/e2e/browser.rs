//! A person at a real browser without a window, opened by the command, who signs in at
//! node-oidc-provider.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use store_testkit::process::Output;

use crate::command::{Home, LIMIT, finish};
use crate::provider::{Registered, issuer};

/// What happened at the browser and at the terminal.
struct Seen {
    output: Output,
    page: String,
}

/// Logs in through `$BROWSER`, under this name.
fn log_in(home: &Home, client: &Registered, name: &str) -> Seen {
    let (script, shown) = browser(home, name);
    let issuer = issuer();
    let login = home
        .command(&["-p", "ana", "login", "--flow", "code", "--timeout", "60s"])
        .args(["--issuer", &issuer, "--client-id", &client.id, "--client-auth", "none"])
        .args(["--scope", "openid offline_access api:read"])
        .env("BROWSER", format!("sh {}", script.display()));
    let output = finish(login);
    let started = Instant::now();
    while !shown.exists() && started.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    let page = std::fs::read_to_string(shown);
    let help = "is Chromium there, as the program `chromium`? On Debian: apt-get install chromium";
    Seen {
        page: page.unwrap_or_else(|_| panic!("{help}\n{}", output.stderr())),
        output,
    }
}

/// A browser that signs in under this name, and the file in which it leaves the last page when it has ended.
fn browser(home: &Home, name: &str) -> (PathBuf, PathBuf) {
    let folder = home.folder();
    let (script, shown) = (folder.join("browser.sh"), folder.join("shown.html"));
    let text = format!(
        "chromium --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
         --disable-component-update --disable-sync --disable-dev-shm-usage --user-data-dir={folder}/chromium \
         --dump-dom \"$1&login_hint={name}\" > {shown}.part 2> /dev/null\nmv {shown}.part {shown}\n",
        folder = folder.display(),
        shown = shown.display(),
    );
    std::fs::write(&script, text).unwrap();
    (script, shown)
}

#[tokio::test]
async fn oidc_a_person_signs_in() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    let seen = log_in(&home, &client, "ana");
    assert_eq!(seen.output.code(), Some(0), "{}", seen.output.stderr());
    assert_eq!(seen.output.stdout(), "");
    assert!(seen.page.contains("<h1>You are logged in</h1>"), "{}", seen.page);
    assert!(seen.page.contains(&issuer()), "{}", seen.page);
    let api = format!("{}/api/me", issuer());
    let answer: Value = serde_json::from_str(&home.print(&["-p", "ana", "request", "GET", &api])).unwrap();
    assert_eq!(answer["sub"], "ana");
    client.expire_access_tokens().await;
    home.print(&["-p", "ana", "token", "--force"]);
}

#[tokio::test]
async fn oidc_a_person_refuses() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    let seen = log_in(&home, &client, "refuse");
    assert_eq!(seen.output.code(), Some(5), "{}", seen.output.stderr());
    assert!(
        seen.output.stderr().contains("(access_denied)"),
        "{}",
        seen.output.stderr()
    );
    for words in ["<h1>The login failed</h1>", "access_denied", "the person refused"] {
        assert!(seen.page.contains(words), "{}", seen.page);
    }
}
