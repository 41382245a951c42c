//! The command over MongoDB: `TOKENKEEP_TEST_MONGODB_URL` names the server.

use store_testkit::extent;

use crate::command::{Home, finish};
use crate::expiries::{MANY, share};

/// The server of these tests is written in Python: processes wait for it.
pub(crate) const PATIENT: &str = "timeoutMS=60000&connectTimeoutMS=30000&serverSelectionTimeoutMS=30000";

/// In a long run as many as over the other stores.
#[tokio::test]
async fn many_processes_refresh_once_per_expiry() {
    share(&format!("{}&{PATIENT}", url()), extent(8, 32), extent(40, 200)).await;
}

#[tokio::test]
async fn sixty_four_at_once() {
    share(&format!("{}&{PATIENT}", url()), MANY, 1).await;
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
