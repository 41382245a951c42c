//! The command over Memcached.

use store_testkit::server::{AuthorizationServer, Client};
use test_services::Memcached;

use crate::command::{Home, finish};

#[test]
fn the_command_keeps_what_can_be_asked_for_again_and_refuses_refresh_tokens() {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("service", "service-secret"))
        .client(Client::public("app"))
        .start()
        .unwrap();
    let (home, node) = (Home::new(), Memcached::start().unwrap());
    let endpoint = server.token_endpoint();
    let run = |url: &str, arguments: &[&str], input: String| {
        finish(home.command(arguments).env("TOKENKEEP_STORE", url).stdin(input))
    };
    let url = format!("memcached://{}", node.address());
    let mut login = vec!["login", "--flow", "client-credentials", "--token-endpoint", &endpoint];
    login.extend(["--client-id", "service", "--client-secret-stdin"]);
    let output = run(&url, &login, "service-secret".to_owned());
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    let token = run(&url, &["token"], String::new()).stdout();
    assert!(server.is_live(token.trim()));
    let status = run(&url, &["status", "default"], String::new());
    assert_eq!(status.code(), Some(0), "{}", status.stderr());
    assert!(status.stdout().contains("default"), "{}", status.stdout());
    let all = run(&url, &["status"], String::new());
    assert_eq!(all.code(), Some(6), "{}", all.stderr());
    assert_eq!(run(&url, &["store", "check"], String::new()).code(), Some(0));

    let kept = server.log_in("app", "api");
    let tokens = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","expires_in":0}}"#,
        kept.access_token, kept.refresh_token
    );
    let mut adopt = vec!["-p", "ana", "login", "--flow", "token", "--token-endpoint", &endpoint];
    adopt.extend(["--client-id", "app", "--client-auth", "none"]);
    let refused = run(&url, &adopt, tokens.clone());
    assert_eq!(refused.code(), Some(3), "{}", refused.stderr());
    assert!(
        refused.stderr().contains("allow_volatile_refresh_tokens"),
        "{}",
        refused.stderr()
    );
    let allowing = format!("{url}?allow_volatile_refresh_tokens=true");
    let adopted = run(&allowing, &adopt, tokens);
    assert_eq!(adopted.code(), Some(0), "{}", adopted.stderr());
    assert!(
        adopted.stderr().contains("forgotten"),
        "no warning: {}",
        adopted.stderr()
    );
    let token = run(&allowing, &["-p", "ana", "token"], String::new()).stdout();
    assert!(server.is_live(token.trim()));
    assert_eq!(server.counters().requests_of("refresh_token"), 1);
}
