//! A person at a real browser without a window, opened by the command, who signs in at
//! node-oidc-provider.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;
use store_testkit::process::{Output, Process, ProcessBuilder};

use crate::command::{Home, LIMIT, finish};
use crate::provider::{Registered, browse, issuer};

/// What happened at the browser and at the terminal.
struct Seen {
    output: Output,
    page: String,
}

/// Logs in through `$BROWSER`, under this name.
fn log_in(home: &Home, client: &Registered, name: &str) -> Seen {
    let (script, shown) = browser(home, name);
    let login = login(home, client).env("BROWSER", format!("sh {}", script.display()));
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

fn login(home: &Home, client: &Registered) -> ProcessBuilder {
    home.command(&["-p", "ana", "login", "--flow", "code"])
        .args([
            "--issuer",
            &issuer(),
            "--client-id",
            &client.id,
            "--client-auth",
            "none",
        ])
        .args(["--scope", "openid offline_access api:read"])
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

#[tokio::test]
async fn oidc_two_people_sign_in_at_once() {
    let client = Registered::new("native").await;
    let sign_in = |name: &'static str| {
        let client = client.clone();
        std::thread::spawn(move || {
            let home = Home::new();
            let seen = log_in(&home, &client, name);
            assert_eq!(seen.output.code(), Some(0), "{}", seen.output.stderr());
            let api = format!("{}/api/me", issuer());
            let answer: Value = serde_json::from_str(&home.print(&["-p", "ana", "request", "GET", &api])).unwrap();
            assert_eq!(answer["sub"], name);
        })
    };
    for person in [sign_in("ana"), sign_in("ben")] {
        person.join().unwrap();
    }
}

#[tokio::test]
async fn oidc_a_browser_that_is_closed() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    let output = finish(login(&home, &client).arg("--timeout").arg("1s").env("BROWSER", "true"));
    assert_eq!(output.code(), Some(4), "{}", output.stderr());
    assert!(
        output.stderr().contains("nobody logged in within 1 s"),
        "{}",
        output.stderr()
    );
    assert_eq!(client.requests("authorization_code").await, 0);
}

#[tokio::test]
async fn oidc_a_port_that_is_taken() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = holder.local_addr().unwrap().to_string();
    let output = finish(login(&home, &client).arg("--listen").arg(&taken));
    assert_eq!(output.code(), Some(1), "{}", output.stderr());
    assert!(
        output.stderr().contains(&format!("{taken} (address in use)")),
        "{}",
        output.stderr()
    );
}

/// The address for the browser, once it has been said.
async fn address(running: &Process) -> String {
    let said = async {
        loop {
            let said = running.stderr_so_far();
            if let Some(url) = said.split_whitespace().find(|word| word.contains("code_challenge=")) {
                return url.to_owned();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LIMIT, said).await.unwrap()
}

#[tokio::test]
async fn oidc_strangers_come_first() {
    let (home, client) = (Home::new(), Registered::new("native").await);
    let running = login(&home, &client).arg("--no-browser").spawn().unwrap();
    let back = browse(&address(&running).await).await;
    let (redirect_uri, query) = back.split_once('?').unwrap();
    let origin = redirect_uri.strip_suffix("/callback").unwrap();
    let foreign = query.replacen("state=", "state=x", 1);
    for (stray, status) in [
        (format!("{origin}/favicon.ico"), 204),
        (format!("{origin}/?{query}"), 404),
        (format!("{redirect_uri}?{foreign}"), 400),
        (redirect_uri.to_owned(), 400),
    ] {
        assert_eq!(reqwest::get(&stray).await.unwrap().status(), status, "{stray}");
    }
    assert_eq!(client.requests("authorization_code").await, 0);
    let page = reqwest::get(&back).await.unwrap();
    assert_eq!(page.url().as_str(), format!("{origin}/done"));
    assert!(page.text().await.unwrap().contains("You are logged in"));
    let output = running.wait(LIMIT).unwrap();
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
}
