//! Which programs are started, with what, and which never are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use auth_login::{Browser, BrowserError};
use url::Url;

use crate::setup::{Bench, LIMIT, browse};

const HOSTILE: &[&str] = &[
    "",
    "-",
    "--version",
    "-a Calculator",
    "calc.exe",
    "/bin/sh",
    "./x",
    "file:///etc/passwd",
    "file://host/share",
    "FILE:///etc/passwd",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "about:blank",
    "chrome://settings",
    "view-source:https://a.example",
    "blob:https://a.example/x",
    "ftp://a.example/",
    "ssh://a.example/",
    "ssh://-oProxyCommand=id/x",
    "smb://a.example/x",
    "ms-msdt:/id PCWDiagnostic",
    "search-ms:query=x",
    "mailto:a@a.example",
    "tel:1",
    "ws://a.example/",
    "wss://a.example/",
    "urn:x",
    "jar:https://a.example!/",
    "http://a.example/",
    "http://localhost/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://192.0.2.1/",
    "http://0.0.0.0/",
    "http://[::]/",
    "http://[2001:db8::1]/",
    "http://10.0.0.1/",
    "http://169.254.169.254/latest/meta-data",
    "http:a.example",
    "https:",
    "https://",
    "https:///",
    "https://user@a.example/",
    "https://user:password@a.example/",
    "https://-oProxyCommand=id@a.example/",
    "http://a:b@127.0.0.1/",
    "https://a.example:99999/",
    "https://a b.example/",
    "https://%00.example/",
    "https://[::1",
    "$(id)",
    "`id`",
    ";id",
    "|id",
    "https//a.example",
    "\u{0}https://a.example\u{0}x:",
];

/// A browser that writes down what it was called with, and `TOKENKEEP_` variables.
fn recorder(folder: &Path) -> (String, PathBuf) {
    let (script, record) = (folder.join("browser.sh"), folder.join("record"));
    // Whole as soon as it is there.
    let text = format!(
        "{{ printf '%s\\n' \"$@\"; env | grep ^TOKENKEEP_; }} > '{0}.new'\nmv '{0}.new' '{0}'\n",
        record.display()
    );
    std::fs::write(&script, text).unwrap();
    (format!("sh {}", script.display()), record)
}

/// What it wrote down, once it has: it is open before that.
async fn written(record: &Path) -> String {
    let begun = Instant::now();
    while !record.exists() {
        assert!(begun.elapsed() < LIMIT, "the browser was not started");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    std::fs::read_to_string(record).unwrap()
}

#[tokio::test]
async fn the_command_gets_the_address_as_one_argument() {
    let folder = tempfile::tempdir().unwrap();
    let (command, record) = recorder(folder.path());
    let hostile = Url::parse("https://as.example/$(touch%20x)`id`;id?q='$(id)'&state=a-b_c#f'f").unwrap();
    Browser::from_variable(Some(OsStr::new(&format!("{command} --new-tab %s"))))
        .open(&hostile)
        .await
        .unwrap();
    assert_eq!(
        written(&record).await,
        "--new-tab\nhttps://as.example/%24%28touch%20x%29%60id%60%3Bid?q=%27%24%28id%29%27&state=a-b_c#f%27f\n"
    );
}

#[tokio::test]
async fn hostile_addresses_start_nothing() {
    assert!(HOSTILE.len() >= 50);
    let folder = tempfile::tempdir().unwrap();
    let (command, record) = recorder(folder.path());
    let browser = Browser::command(&command);
    for text in HOSTILE {
        if let Ok(url) = Url::parse(text) {
            let refused = browser.open(&url).await;
            assert!(matches!(refused, Err(BrowserError::Address)), "{text}: {refused:?}");
        }
        let files = folder.path().read_dir().unwrap().count();
        assert_eq!(files, 1, "{text} started a program");
    }
    browser.open(&Url::parse("https://as.example/").unwrap()).await.unwrap();
    written(&record).await;
}

#[tokio::test]
async fn the_next_command_where_one_can_not_be_started() {
    let folder = tempfile::tempdir().unwrap();
    let (command, record) = recorder(folder.path());
    let url = Url::parse("https://as.example/").unwrap();
    let list = format!("no-such-program-anywhere:{command}");
    Browser::from_variable(Some(OsStr::new(&list)))
        .open(&url)
        .await
        .unwrap();
    written(&record).await;
}

#[tokio::test]
async fn a_login_goes_on_without_a_browser() {
    let bench = Bench::new();
    let begun = bench
        .login()
        .browser(Browser::command("no-such-program-anywhere"))
        .begin()
        .await
        .unwrap();
    let url = begun.url().clone();
    let login = bench.finish(begun);
    while bench.notices().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(
        bench.notices()[0].contains("open the address by hand"),
        "{:?}",
        bench.notices()
    );
    browse(url.as_str()).await;
    login.await.unwrap().unwrap();
}
