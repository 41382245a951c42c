//! A token that is good is printed without a word to anybody.

use crate::command::{Home, finish};
use crate::logins::{adopt, enrol, server};

/// What auth-http says, at `-vv`, when it needs a client.
const BUILT: &str = "the HTTP client is built";

#[test]
fn no_client_is_built_and_no_connection_made() {
    let server = server();
    let (person, service) = (Home::new(), Home::new());
    adopt(&person, &server, 3600);
    enrol(&service, &server);
    let before = server.counters().connections;
    for home in [&person, &service] {
        let token = home.print(&["token"]);
        for arguments in [
            &["-vv", "token"][..],
            &["-vv", "token", "-o", "json"],
            &["-vv", "token", "--min-valid", "10m"],
            &["-vv", "exec", "--", "/bin/sh", "-c", "echo $TOKENKEEP_ACCESS_TOKEN"],
        ] {
            let output = finish(home.command(arguments));
            assert_eq!(output.code(), Some(0), "{}", output.stderr());
            assert!(output.stdout().contains(&token), "{arguments:?}");
            assert!(!output.stderr().contains(BUILT), "{arguments:?}: {}", output.stderr());
        }
    }
    assert_eq!(server.counters().connections, before);
    // It would be seen: a token that must be got needs both.
    for home in [&person, &service] {
        let output = home.run(&["-vv", "token", "--force"]);
        assert!(output.stderr().contains(BUILT), "{}", output.stderr());
    }
    assert_eq!(server.counters().connections, before + 2);
}

#[test]
fn the_server_need_not_be_there() {
    let server = server();
    let (person, service) = (Home::new(), Home::new());
    adopt(&person, &server, 3600);
    enrol(&service, &server);
    drop(server);
    for home in [person, service] {
        assert!(!home.print(&["token"]).is_empty());
        assert_eq!(home.run(&["token", "--force"]).code(), Some(7));
    }
}
