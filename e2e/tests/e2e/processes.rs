//! Many processes of the command over one store.

use std::collections::HashSet;
use std::time::Duration;

use store_testkit::process::run_many;

use crate::command::{Home, LIMIT};
use crate::kills::STAGE;
use crate::logins::{adopt, server};

#[test]
fn thirty_two_processes_on_an_expired_rotating_grant_make_one_refresh() {
    make_one_refresh(&Home::new());
}

#[test]
fn so_they_do_over_sqlite() {
    make_one_refresh(&Home::with_store(|folder| {
        format!("sqlite:{}", folder.join("tokens.sqlite").display())
    }));
}

/// 32 processes at the same time, over a home whose store has nothing in it yet.
fn make_one_refresh(home: &Home) {
    let _stage = STAGE.blocking_lock();
    let server = server();
    adopt(home, &server, 0);
    let outputs = run_many(32, LIMIT, |_| home.command(&["token"])).unwrap();
    let tokens: HashSet<String> = outputs
        .iter()
        .map(|output| {
            assert_eq!(output.code(), Some(0), "{}", output.stderr());
            output.stdout()
        })
        .collect();
    assert_eq!(tokens.len(), 1);
    let counters = server.counters();
    assert_eq!(counters.requests_of("refresh_token"), 1);
    assert_eq!(
        (counters.double_spends, counters.logins_lost, counters.families_revoked),
        (0, 0, 0)
    );
    assert!(server.is_live(tokens.iter().next().unwrap().trim()));
    // The grant is alive: it can be refreshed once more.
    let forced = home.print(&["token", "--force"]);
    assert!(server.is_live(&forced) && !tokens.contains(&forced));
    assert_eq!(server.counters().double_spends, 0);
}

#[test]
fn processes_that_are_killed_leave_a_file_that_works() {
    let (home, server) = (Home::new(), server());
    adopt(&home, &server, 0);
    for round in 0..20 {
        let mut running = home.command(&["token", "--force"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(3 * round));
        running.kill().unwrap();
        drop(running);
        let output = home.run(&["status", "--json"]);
        assert_eq!(output.code(), Some(0), "{}", output.stderr());
    }
    // Strict rotation: an interrupted refresh may have spent the token. Then the answer is
    // an honest one; a file that can't be read would be another (6).
    let output = home.run(&["token", "--force"]);
    assert!(
        matches!(output.code(), Some(0 | 4)),
        "{:?} {}",
        output.code(),
        output.stderr()
    );
    if output.code() == Some(4) {
        assert!(output.stderr().contains("interrupted"), "{}", output.stderr());
    }
}

#[test]
fn a_termination_waits_for_the_refresh() {
    let (home, server) = (Home::new(), server());
    adopt(&home, &server, 0);
    for round in 1..=10 {
        let mut running = home.command(&["token", "--force"]).spawn().unwrap();
        assert!(server.wait_for_token_requests_blocking(round, LIMIT));
        running.terminate().unwrap();
        running.wait(LIMIT).unwrap();
    }
    let counters = server.counters();
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
    assert!(server.is_live(&home.print(&["token"])));
}
