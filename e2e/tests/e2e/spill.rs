//! The folder of the store becomes read-only between the server's answer and the save.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use store_testkit::server::{Fault, Gate};

use crate::command::{Home, LIMIT};
use crate::logins::{adopt, server};

#[test]
fn the_login_survives_a_store_that_cannot_be_written() {
    let (home, server) = (Home::unprivileged(), server());
    adopt(&home, &server, 3600);
    let folder = home.store().parent().unwrap().to_owned();
    let gate = Gate::new();
    server.inject(Fault::none().hold_after(&gate));
    let running = home.command(&["token", "--force"]).spawn().unwrap();
    assert!(gate.wait_for_arrivals_blocking(1, LIMIT));
    std::fs::set_permissions(&folder, Permissions::from_mode(0o500)).unwrap();
    gate.release();
    let forced = running.wait(LIMIT).unwrap();
    assert_eq!(forced.code(), Some(0), "{}", forced.stderr());
    assert!(server.is_live(forced.stdout().trim()));

    std::fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    let again = home.print(&["token", "--force"]);
    let counters = server.counters();
    assert_eq!(
        (
            counters.requests_of("refresh_token"),
            counters.double_spends,
            counters.logins_lost
        ),
        (2, 0, 0)
    );
    assert!(server.is_live(&again));
}
