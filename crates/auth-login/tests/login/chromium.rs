//! A real browser, without a window.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use store_testkit::server::{Fault, Gate};

use crate::setup::{Bench, LIMIT, get};

const MISSING: &str = "Chromium is needed for this test, as the program `chromium`: \
                       apt-get install chromium on Debian, or see https://www.chromium.org";

fn chromium(profile: &Path) -> Command {
    let mut command = Command::new("chromium");
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
        ])
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// What the browser shows in the end, as HTML.
async fn dump(url: String) -> String {
    let run = move || {
        let folder = tempfile::tempdir().unwrap();
        let output = chromium(folder.path()).args(["--dump-dom", &url]).output();
        String::from_utf8(output.expect(MISSING).stdout).unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

#[tokio::test]
async fn a_login_ends_with_the_page_of_success() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let url = begun.url().to_string();
    let login = bench.finish(begun);
    let shown = dump(url).await;
    let token = login.await.unwrap().unwrap();
    assert!(bench.server.is_live(token.secret().expose()));
    assert!(shown.contains("<h1>You are logged in</h1>"), "{shown}");
    assert!(shown.contains("go back to your terminal"), "{shown}");
    assert!(!shown.contains("code_") && !shown.contains("state="), "{shown}");
}

#[tokio::test]
async fn a_denied_login_ends_with_the_page_of_failure() {
    let bench = Bench::new();
    bench.server.deny_next_authorization("access_denied<img src=x>");
    let begun = bench.login().begin().await.unwrap();
    let url = begun.url().to_string();
    let login = bench.finish(begun);
    let shown = dump(url).await;
    assert!(login.await.unwrap().is_err());
    assert!(
        shown.contains("<h1>The login failed</h1>") && shown.contains("access_denied&lt;img"),
        "{shown}"
    );
    assert!(!shown.contains("<img"), "{shown}");
}

#[tokio::test]
async fn the_address_bar_keeps_nothing() {
    let bench = Bench::new();
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_before(&gate));
    let begun = bench.login().begin().await.unwrap();
    let (url, redirect_uri) = (begun.url().to_string(), begun.redirect_uri().to_owned());
    let login = bench.finish(begun);
    let folder = tempfile::tempdir().unwrap();
    let browser = chromium(folder.path())
        .args(["--remote-debugging-port=0", &url])
        .stdout(Stdio::null())
        .spawn();
    let _browser = Running(browser.expect(MISSING));
    let port = wait_for(async || port_in(folder.path())).await;
    gate.wait_for_arrivals(1).await;
    gate.release();
    login.await.unwrap().unwrap();
    let origin = redirect_uri.rsplit_once('/').unwrap().0;
    let page = wait_for(async || finished_page(port).await).await;
    assert_eq!(page["url"], format!("{origin}/done"));
}

/// Ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Another program's progress can't be turned on like a clock: asked until it is there.
async fn wait_for<T>(mut there: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(value) = there().await {
            return value;
        }
        assert!(started.elapsed() < LIMIT, "the browser did not get there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Where the browser tells what it shows.
fn port_in(profile: &Path) -> Option<u16> {
    let text = std::fs::read_to_string(profile.join("DevToolsActivePort")).ok()?;
    // With its end: of half a number there is no line yet.
    text.split_once('\n')?.0.parse().ok()
}

/// The page whose title is ours.
async fn finished_page(port: u16) -> Option<serde_json::Value> {
    let answer = get(&format!("http://127.0.0.1:{port}/json/list")).await;
    let pages: Vec<serde_json::Value> = serde_json::from_str(&answer.body).ok()?;
    pages.into_iter().find(|page| page["title"] == "You are logged in")
}
