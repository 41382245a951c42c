//! The command over MongoDB: `TOKENKEEP_TEST_MONGODB_URL` names the server.

use std::time::{Duration, Instant};

use test_services::free_port;

use crate::command::{Home, binary, finish};
use crate::expiries::share;

#[test]
fn a_server_that_is_not_there_is_a_failure_of_the_store_within_seconds() {
    // Built before the time is taken.
    binary();
    let home = Home::new();
    let url = format!("mongodb://127.0.0.1:{}", free_port().unwrap());
    for arguments in [["token"].as_slice(), &["status"], &["store", "check"]] {
        let started = Instant::now();
        let output = finish(home.command(&[&["--store", &url], arguments].concat()));
        assert_eq!(output.code(), Some(6), "{}", output.stderr());
        assert!(output.stderr().contains("mongodb store"), "{}", output.stderr());
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn eight_processes_refresh_once_per_expiry() {
    // The server of these tests is written in Python: more processes wait for it too long.
    let patient = "timeoutMS=60000&connectTimeoutMS=30000&serverSelectionTimeoutMS=30000";
    share(&format!("{}&{patient}", url()), 8, 40).await;
}

#[test]
fn the_command_checks_a_server_and_finds_nothing_there() {
    let home = Home::new();
    let url = url();
    let run = |arguments: &[&str]| finish(home.command(arguments).env("TOKENKEEP_STORE", &url));
    let output = run(&["store", "check"]);
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    let output = run(&["token"]);
    assert_eq!(output.code(), Some(3), "{}", output.stderr());
}

/// A store with nothing in it.
fn url() -> String {
    let server =
        std::env::var("TOKENKEEP_TEST_MONGODB_URL").unwrap_or_else(|_| panic!("run: cargo xtask test --only mongo"));
    let sign = if server.contains('?') { '&' } else { '?' };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos();
    let namespace = format!("e2e-{}-{now}", std::process::id());
    format!("{server}{sign}database=tokenkeep-tests&collection={namespace}&namespace={namespace}")
}
