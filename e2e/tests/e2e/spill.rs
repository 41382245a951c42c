//! The folder of the store becomes read-only between the server's answer and the save.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use store_testkit::server::{AuthorizationServer, Client, Fault, Gate};

use crate::command::{Home, LIMIT, finish};

#[test]
fn the_login_survives_a_store_that_cannot_be_written() {
    let (home, server) = (
        Home::unprivileged(),
        AuthorizationServer::builder()
            .client(Client::public("app"))
            .start()
            .unwrap(),
    );
    let login = server.log_in("app", "api");
    let tokens = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":3600}}"#,
        login.access_token, login.refresh_token
    );
    let adopt = [
        "login",
        "--flow",
        "token",
        "--token-endpoint",
        &server.token_endpoint(),
        "--client-id",
        "app",
    ];
    let output = finish(
        home.command(&adopt)
            .args(["--client-auth", "none"])
            .stdin(tokens)
            .unprivileged(),
    );
    assert_eq!(output.code(), Some(0), "{}", output.stderr());

    let folder = home.store().parent().unwrap().to_owned();
    let gate = Gate::new();
    server.inject(Fault::none().hold_after(&gate));
    let running = home.command(&["token", "--force"]).unprivileged().spawn().unwrap();
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    std::fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    gate.release();
    let forced = running.wait(LIMIT).unwrap();
    assert_eq!(forced.code(), Some(0), "{}", forced.stderr());
    assert!(server.is_live(forced.stdout().trim()));

    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let again = finish(home.command(&["token", "--force"]).unprivileged());
    assert_eq!(again.code(), Some(0), "{}", again.stderr());
    let counters = server.counters();
    assert_eq!(
        (
            counters.requests_of("refresh_token"),
            counters.double_spends,
            counters.logins_lost
        ),
        (2, 0, 0)
    );
    assert!(server.is_live(again.stdout().trim()));
}
