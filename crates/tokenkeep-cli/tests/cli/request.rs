//! Calling an API.

use serde_json::Value;
use store_testkit::server::{Endpoint, Fault};

use super::support::{World, assert_code, assert_fails, end, json};

#[test]
fn get_with_the_token() {
    let world = World::new();
    world.log_in_service("default");
    let api = world.server.api_url();
    let answer = world.run(&format!("request GET {api}/things?x=1#part"));
    assert_eq!(answer.stderr(), "");
    let echo = json(&answer);
    assert_eq!((&echo["method"], &echo["path"]), (&"GET".into(), &"/api/things".into()));
    assert_eq!(echo["query"], "x=1");
    assert_eq!(echo["client_id"], "app");
    assert_eq!(world.server.counters().token_requests, 1);
}

#[test]
fn post_from_each_place() {
    let world = World::new();
    world.log_in_service("default");
    let api = world.server.api_url();
    let file = world.home().join("body.json");
    std::fs::write(&file, "{\"a\":1}").unwrap();
    for output in [
        world.run(&format!("request post {api} --json -d {{\"a\":1}}")),
        world.run(&format!(
            "request POST {api} -H content-type:application/json -d @{}",
            file.display()
        )),
        world.run_with(&format!("request POST {api} -d @-"), "{\"a\":1}"),
    ] {
        let echo = json(&output);
        assert_eq!(echo["method"], "POST");
        assert_eq!(echo["body"], "{\"a\":1}");
    }
    assert_fails(
        &world.run(&format!("request POST {api} -d @/nonexistent")),
        1,
        &["/nonexistent"],
    );
}

#[test]
fn a_rejected_token_is_renewed_and_the_body_sent_again() {
    let world = World::new();
    world.log_in_service("default");
    world.log_in_person("person");
    world.server.expire_access_tokens();
    let api = world.server.api_url();
    for profile in ["default", "person"] {
        let answer = json(&world.run(&format!("-p {profile} request POST {api} -d again")));
        assert_eq!(answer["body"], "again", "{profile}");
    }
    let counters = world.server.counters();
    assert_eq!(
        (counters.api_unauthorized, counters.api_ok, counters.token_requests),
        (2, 2, 3)
    );
    // The new tokens were kept.
    assert_code(&world.run(&format!("request GET {api}")), 0);
    assert_eq!(world.server.counters().token_requests, 3);
}

#[test]
fn a_second_401_is_the_answer() {
    let world = World::new();
    world.log_in_service("default");
    let api = world.server.api_url();
    world
        .server
        .inject(Fault::answer(401).at(Endpoint::Api).times(2).body("no"));
    let answer = world.run(&format!("request GET {api}"));
    assert_code(&answer, 0);
    assert_eq!(answer.stdout(), "no");
    assert_eq!(world.server.counters().token_requests, 2);
}

#[test]
fn include_and_fail() {
    let world = World::new();
    world.log_in_service("default");
    let api = world.server.api_url();
    let fault = || {
        Fault::answer(404)
            .at(Endpoint::Api)
            .header("x-reason", "gone")
            .body("nothing")
    };
    world.server.inject(fault());
    let answer = world.run(&format!("request GET {api} -i"));
    assert_code(&answer, 0);
    let text = answer.stdout();
    let (head, body) = text.split_once("\n\n").unwrap();
    assert!(
        head.starts_with("HTTP/1.1 404 Not Found\n") && head.contains("\nx-reason: gone"),
        "{head}"
    );
    assert_eq!(body, "nothing");
    world.server.inject(fault());
    let failed = world.run(&format!("request GET {api} --fail"));
    assert_code(&failed, 1);
    assert_eq!(failed.stdout(), "nothing");
    assert!(failed.stderr().contains("the API answered 404"), "{}", failed.stderr());
}

#[test]
fn what_would_give_the_token_away_is_refused() {
    let world = World::new();
    world.log_in_service("default");
    let api = world.server.api_url();
    let own = world
        .command(&format!("request GET {api}"))
        .args(["-H", "authorization: Bearer canary"]);
    let own = end(own);
    assert_fails(&own, 2, &["Authorization", "-p PROFILE"]);
    assert!(!own.stderr().contains("canary"));
    for (url, words) in [
        ("http://api.example/", "use https"),
        ("http://u:canary@127.0.0.1:1/", "no user name"),
        ("api.example", "no URL"),
    ] {
        let output = world.run(&format!("request GET {url}"));
        assert_fails(&output, 2, &[words]);
        assert!(!output.stderr().contains("canary"), "{}", output.stderr());
    }
    assert_eq!(world.server.counters().api_ok, 0);
}

#[test]
fn a_redirect_elsewhere_is_the_answer() {
    let world = World::new();
    let other = World::new();
    world.log_in_service("default");
    let (api, elsewhere) = (world.server.api_url(), other.server.api_url());
    world.server.inject(Fault::redirect(307, &elsewhere).at(Endpoint::Api));
    let answer = world.run(&format!("request GET {api} -i"));
    assert!(answer.stdout().starts_with("HTTP/1.1 307"), "{}", answer.stdout());
    let counters = other.server.counters();
    assert_eq!((counters.api_ok, counters.api_unauthorized), (0, 0));

    world
        .server
        .inject(Fault::redirect(307, &format!("{api}/there")).at(Endpoint::Api));
    let followed: Value = json(&world.run(&format!("request GET {api}")));
    assert_eq!(followed["path"], "/api/there");
}

#[test]
fn failures_have_their_codes() {
    let world = World::new();
    world.log_in_service("default");
    let closed = "request GET http://127.0.0.1:1/secret?canary";
    let output = world.run(closed);
    assert_fails(&output, 7, &["the API can't be reached", "caused by"]);
    assert!(!output.stderr().contains("canary"), "{}", output.stderr());
    assert_fails(
        &world.run("-p nobody request GET http://127.0.0.1:1/"),
        3,
        &["no profile nobody"],
    );
    let login = world.log_in_person("person");
    world.server.revoke_family_of(&login.refresh_token);
    let revoked = world.run(&format!("-p person request GET {}", world.server.api_url()));
    assert_fails(&revoked, 4, &["a login is required", "tokenkeep -p person login"]);
}
