use serde_json::{Value, json};
use store_testkit::server::{AuthorizationServer, Client};

use crate::http::{FORM, get, open, refresh, refresh_body, send};

fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::public("app"))
        .start()
        .unwrap()
}

fn tell(server: &AuthorizationServer, command: &str, arguments: &Value) -> Value {
    let path = format!("/control/{command}");
    let reply = send(server, "POST", &path, &[], &arguments.to_string());
    assert_eq!(reply.status(), 200, "{command} {arguments}");
    reply.json()
}

#[test]
fn another_process_can_do_and_see_what_the_test_can() {
    let server = server();
    let login = tell(&server, "login", &json!({ "client_id": "app", "scope": "a" }));
    let access_token = login["access_token"].as_str().unwrap();
    let is_live = || tell(&server, "is-live", &json!({ "access_token": access_token }));
    assert_eq!(is_live()["live"], true);
    assert_eq!(get(&server, "/control/live-access-tokens").json()["count"], 1);
    tell(&server, "advance", &json!({ "milliseconds": 3_600_000 }));
    assert_eq!(is_live()["live"], false);

    let refresh_token = login["refresh_token"].as_str().unwrap();
    let tokens = refresh(&server, refresh_token);
    assert!(server.is_live(&tokens.text("access_token")));
    tell(&server, "expire-access-tokens", &json!({}));
    assert!(!server.is_live(&tokens.text("access_token")));
    assert_eq!(refresh(&server, refresh_token).status(), 400);

    let counters = get(&server, "/control/counters").json();
    assert_eq!(counters, server.counters().to_json());
    assert_eq!(counters["double_spends"], 1);
    let log = get(&server, "/control/refresh-log").json();
    assert_eq!(log[0]["outcome"], "granted");
    assert_eq!(log[1]["outcome"], "reused");
    assert_eq!(log[0]["token"], log[1]["token"]);
    assert!(!log.to_string().contains(refresh_token));
}

#[test]
fn faults_can_be_injected_over_http() {
    let server = server();
    let login = server.log_in("app", "");
    let limited = json!({
        "status": 429, "headers": { "retry-after": "3" }, "body": "slow", "times": 2,
        "grant_type": "refresh_token",
    });
    tell(&server, "faults", &limited);
    for _ in 0..2 {
        let reply = refresh(&server, &login.refresh_token);
        assert_eq!((reply.status(), reply.body()), (429, "slow"));
        assert_eq!(reply.header("retry-after").as_deref(), Some("3"));
    }
    tell(&server, "faults", &json!({ "drop": "before" }));
    assert!(refresh(&server, &login.refresh_token).is_broken());
    tell(&server, "faults", &json!({ "cut": 3 }));
    assert!(refresh(&server, &login.refresh_token).is_broken());
    assert_eq!(server.counters().refreshes_granted, 1);
    tell(&server, "faults", &json!({ "status": 500, "endpoint": "api" }));
    tell(&server, "clear-faults", &json!({}));
    assert_eq!(get(&server, "/api").status(), 401);
}

#[test]
fn requests_can_be_held_and_released_over_http() {
    let server = server();
    let login = server.log_in("app", "");
    tell(&server, "faults", &json!({ "hold": "after" }));
    let body = refresh_body(&login.refresh_token);
    let mut held = open(&server, "POST", "/token", &[FORM], &body);
    assert!(server.wait_for_token_requests_blocking(1, std::time::Duration::from_secs(120)));
    tell(&server, "release", &json!({}));
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut held, &mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn nonsense_is_refused() {
    let server = server();
    for (command, arguments) in [
        ("advance", json!({})),
        ("faults", json!({ "drop": "sideways" })),
        ("faults", json!({ "endpoint": "moon", "status": 500 })),
        ("faults", json!({ "hold": "never" })),
        ("login", json!(null)),
    ] {
        let path = format!("/control/{command}");
        let reply = send(&server, "POST", &path, &[], &arguments.to_string());
        assert_eq!(reply.status(), 400, "{command} {arguments}");
    }
    assert_eq!(get(&server, "/control/unknown").status(), 404);
}
