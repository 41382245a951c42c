//! The command over Memcached.

use store_testkit::server::{AuthorizationServer, Client};
use test_services::Memcached;

use crate::command::{Home, finish, patient};

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
    let url = patient(&format!("memcached://{}", node.address()));
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
    let allowing = format!("{url}&allow_volatile_refresh_tokens=true");
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

#[test]
fn nobody_is_sent_to_a_browser_for_what_the_store_refuses() {
    let (home, node) = (Home::new(), Memcached::start().unwrap());
    let url = patient(&format!("memcached://{}", node.address()));
    let run = |url: &str, arguments: &str, input: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        finish(home.command(&words).env("TOKENKEEP_STORE", url).stdin(input.to_owned()))
    };
    let login = "login --flow paste --client-id app --token-endpoint https://a.invalid/token \
                 --authorization-endpoint https://a.invalid/authorize";
    let output = run(&url, login, "");
    assert_eq!(output.code(), Some(3), "{}", output.stderr());
    assert!(!output.stderr().contains("a.invalid/authorize"), "{}", output.stderr());
    let named = "allow_volatile_refresh_tokens=true";
    assert!(output.stderr().contains(named), "{}", output.stderr());

    let credentials = "client_id=app\nrefresh_token=r\ntoken_endpoint=https://a.invalid/token\n";
    let init = "-p ana init --from -";
    let refused = run(&url, init, credentials);
    assert_eq!(refused.code(), Some(3), "{}", refused.stderr());
    let taken = run(&format!("{url}&{named}"), init, credentials);
    assert_eq!(taken.code(), Some(0), "{}", taken.stderr());

    let doctor = run(&url, "doctor", "");
    assert_eq!(doctor.code(), Some(0), "{}", doctor.stdout());
    assert!(doctor.stdout().contains("it can't list"), "{}", doctor.stdout());
}
