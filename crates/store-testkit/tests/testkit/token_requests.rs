use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use store_testkit::server::{AccessTokenFormat, AuthorizationServer, Client, ClientAuthentication, ExpiresIn};

use crate::http::{FORM, Reply, call_api, form, send};

const GRANT: &str = "grant_type=client_credentials";

fn server_for(client: Client) -> AuthorizationServer {
    AuthorizationServer::builder().client(client).start().unwrap()
}

fn machine(authentication: ClientAuthentication) -> AuthorizationServer {
    server_for(Client::confidential("ma chine", "s:e+c%r").auth(authentication))
}

fn basic(server: &AuthorizationServer, credentials: &str, body: &str) -> Reply {
    let value = format!("Basic {}", STANDARD.encode(credentials));
    let headers = [FORM, ("authorization", value.as_str())];
    send(server, "POST", "/token", &headers, body)
}

fn post(server: &AuthorizationServer) -> Reply {
    let body = format!("{GRANT}&client_id=ma+chine&client_secret=s%3Ae%2Bc%25r");
    form(server, "/token", &body)
}

fn assert_invalid_client(reply: &Reply) {
    assert_eq!(reply.status(), 401);
    assert_eq!(reply.text("error"), "invalid_client");
    assert!(reply.header("www-authenticate").unwrap().starts_with("Basic"));
}

#[test]
fn each_authentication_accepts_its_own_form_only() {
    use ClientAuthentication::{Any, Basic, BasicRaw, Post};
    let cases = [
        (Any, [true, true, true]),
        (Basic, [true, false, false]),
        (BasicRaw, [false, true, false]),
        (Post, [false, false, true]),
    ];
    for (authentication, expected) in cases {
        let server = machine(authentication);
        let replies = [
            basic(&server, "ma+chine:s%3Ae%2Bc%25r", GRANT),
            basic(&server, "ma chine:s:e+c%r", GRANT),
            post(&server),
        ];
        for (reply, accepted) in replies.iter().zip(expected) {
            if accepted {
                assert_eq!(reply.status(), 200, "{authentication:?} {reply:?}");
                assert_eq!(reply.header("cache-control").as_deref(), Some("no-store"));
            } else {
                assert_invalid_client(reply);
            }
        }
    }
}

#[test]
fn wrong_secrets_and_unknown_clients_are_invalid_clients() {
    let server = server_for(Client::confidential("id", "secret"));
    assert_invalid_client(&basic(&server, "id:wrong", GRANT));
    assert_invalid_client(&basic(&server, "nobody:secret", GRANT));
    assert_invalid_client(&form(&server, "/token", GRANT));
    assert_invalid_client(&form(&server, "/token", &format!("{GRANT}&client_id=id")));
    assert_eq!(server.counters().refusals_of("invalid_client"), 4);
}

#[test]
fn two_authentications_at_once_are_refused() {
    let server = server_for(Client::confidential("id", "secret"));
    let both = format!("{GRANT}&client_id=id&client_secret=secret");
    let reply = basic(&server, "id:secret", &both);
    assert_eq!(reply.status(), 400);
    assert_eq!(reply.text("error"), "invalid_request");
    let with_id = format!("{GRANT}&client_id=id");
    assert_eq!(basic(&server, "id:secret", &with_id).status(), 200);
}

#[test]
fn malformed_requests_get_the_errors_of_rfc_6749() {
    let server = server_for(Client::confidential("id", "secret"));
    let login = "client_id=id&client_secret=secret";
    let cases = [
        (login.to_owned(), "invalid_request"),
        (format!("{login}&grant_type="), "invalid_request"),
        (format!("{login}&grant_type=magic"), "unsupported_grant_type"),
        (
            format!("{login}&grant_type=client_credentials&{GRANT}"),
            "invalid_request",
        ),
        (format!("{login}&grant_type=refresh_token"), "invalid_request"),
        (
            format!("{login}&grant_type=refresh_token&refresh_token=no"),
            "invalid_grant",
        ),
        (
            format!("{login}&grant_type=authorization_code&code=no"),
            "invalid_grant",
        ),
    ];
    for (body, error) in cases {
        let reply = form(&server, "/token", &body);
        assert_eq!(reply.status(), 400, "{body}");
        assert_eq!(reply.text("error"), error, "{body}");
    }
    let plain = [("content-type", "text/plain")];
    assert_eq!(send(&server, "POST", "/token", &plain, GRANT).status(), 400);
    assert_eq!(send(&server, "GET", "/token", &[], "").status(), 405);
}

#[test]
fn a_public_client_gets_no_client_credentials() {
    let server = server_for(Client::public("app"));
    let reply = form(&server, "/token", &format!("{GRANT}&client_id=app"));
    assert_eq!(reply.text("error"), "unauthorized_client");
}

#[test]
fn form_and_json_say_what_the_token_is_for() {
    let server = server_for(Client::confidential("id", "secret"));
    let as_form = form(
        &server,
        "/token",
        &format!(
            "{GRANT}&client_id=id&client_secret=secret&scope=a+b&audience=https%3A%2F%2Fx\
             &resource=urn%3A1&resource=urn%3A2"
        ),
    );
    let as_json = send(
        &server,
        "POST",
        "/token",
        &[("content-type", "application/json; charset=utf-8")],
        r#"{"grant_type":"client_credentials","client_id":"id","client_secret":"secret",
            "scope":"a b","audience":"https://x","resource":["urn:1","urn:2"]}"#,
    );
    for reply in [as_form, as_json] {
        assert_eq!(reply.text("scope"), "a b");
        assert_eq!(reply.json()["expires_in"], 3600);
        assert!(reply.json().get("refresh_token").is_none());
        let echo = call_api(&server, &reply.text("access_token")).json();
        assert_eq!(echo["subject"], "id");
        assert_eq!(echo["scope"], "a b");
        assert_eq!(echo["audience"], "https://x");
        assert_eq!(echo["resource"], serde_json::json!(["urn:1", "urn:2"]));
    }
    assert_eq!(server.counters().requests_of("client_credentials"), 2);
}

#[test]
fn expires_in_comes_as_told() {
    let expected = [
        (ExpiresIn::Number, Some(Value::from(90))),
        (ExpiresIn::Text, Some(Value::from("90"))),
        (ExpiresIn::Omitted, None),
    ];
    for (expires_in, value) in expected {
        let server = AuthorizationServer::builder()
            .client(Client::confidential("id", "secret"))
            .access_token_lifetime(Duration::from_secs(90))
            .expires_in(expires_in)
            .start()
            .unwrap();
        let reply = basic(&server, "id:secret", GRANT);
        assert_eq!(reply.json().get("expires_in"), value.as_ref());
    }
}

#[test]
fn a_jwt_shaped_token_carries_its_expiry_and_works() {
    let server = AuthorizationServer::builder()
        .client(Client::confidential("id", "secret"))
        .access_token_format(AccessTokenFormat::Jwt)
        .start()
        .unwrap();
    let token = basic(&server, "id:secret", GRANT).text("access_token");
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!(claims["sub"], "id");
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 3600);
    assert_eq!(call_api(&server, &token).status(), 200);
}

#[test]
fn access_tokens_end_by_the_servers_clock() {
    let server = server_for(Client::public("app"));
    let login = server.log_in("app", "");
    server.advance(Duration::from_secs(3500));
    assert_eq!(call_api(&server, &login.access_token).status(), 200);
    server.advance(Duration::from_secs(100));
    let reply = call_api(&server, &login.access_token);
    assert_eq!(reply.status(), 401);
    assert_eq!(
        reply.header("www-authenticate").as_deref(),
        Some("Bearer error=\"invalid_token\"")
    );
    let fresh = server.log_in("app", "");
    server.expire_access_tokens();
    assert!(!server.is_live(&fresh.access_token));
    assert!(server.family_alive(&fresh.refresh_token));
    let counters = server.counters();
    assert_eq!((counters.api_ok, counters.api_unauthorized), (1, 1));
}

#[test]
fn latency_is_spent_on_token_requests() {
    let latency = Duration::from_millis(40);
    let server = AuthorizationServer::builder()
        .client(Client::confidential("id", "secret"))
        .latency(latency)
        .start()
        .unwrap();
    let started = std::time::Instant::now();
    assert_eq!(basic(&server, "id:secret", GRANT).status(), 200);
    assert!(started.elapsed() >= latency);
}

#[test]
fn neither_secrets_nor_tokens_are_shown() {
    let builder = AuthorizationServer::builder().client(Client::confidential("id", "s3cr3t"));
    assert!(!format!("{builder:?}").contains("s3cr3t"));
    let server = builder.start().unwrap();
    let login = server.log_in_as("id", "jo", "");
    let reply = call_api(&server, &login.access_token);
    assert_eq!(reply.text("subject"), "jo");
    let shown = format!("{server:?} {login:?}");
    for secret in ["s3cr3t", &login.access_token, &login.refresh_token] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
