use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use store_testkit::server::{AuthorizationServer, Client, Dialect};

use crate::http::{FORM, Reply, form, get, send};

const JSON: (&str, &str) = ("content-type", "application/json");

fn server(dialect: Dialect) -> AuthorizationServer {
    let client = Client::confidential("id", "s:+%");
    let builder = AuthorizationServer::builder().dialect(dialect).client(client);
    builder.developer_token("developer").start().unwrap()
}

fn post(server: &AuthorizationServer, path: &str, body: &Value) -> Reply {
    send(server, "POST", path, &[JSON], &body.to_string())
}

fn basic(server: &AuthorizationServer, path: &str, body: &str) -> Reply {
    let value = format!("Basic {}", STANDARD.encode("id:s:+%"));
    send(server, "POST", path, &[FORM, ("authorization", &value)], body)
}

#[test]
fn pancloud_takes_json_only_and_answers_in_json() {
    let server = server(Dialect::Pancloud);
    let login = server.log_in("id", "logging");
    assert_eq!(login.access_token.split('.').count(), 3);
    let mut body = json!({ "client_id": "id", "client_secret": "s:+%", "refresh_token": login.refresh_token });
    let path = "/api/oauth2/RequestToken";
    assert_eq!(
        post(&server, path, &body).text("error"),
        "invalid_request",
        "no grant_type"
    );
    body["grant_type"] = "refresh_token".into();
    let reply = post(&server, path, &body);
    assert_eq!((reply.status(), reply.text("expires_in").as_str()), (200, "3600"));
    assert_ne!(reply.text("refresh_token"), login.refresh_token);
    assert_eq!(
        form(&server, path, "grant_type=refresh_token").text("error"),
        "invalid_request"
    );
    assert_eq!(basic(&server, path, "grant_type=client_credentials").status(), 400);

    let revocation = json!({
        "client_id": "id", "client_secret": "s:+%",
        "token": reply.text("refresh_token"), "token_type_hint": "refresh_token",
    });
    let revoked = post(&server, "/api/oauth2/RevokeToken", &revocation);
    assert!(revoked.status() == 200 && revoked.json().is_object());
    assert!(!server.family_alive(&login.refresh_token));
}

#[test]
fn pancloud_redeems_developer_tokens() {
    let server = server(Dialect::Pancloud);
    let redeem = |token: &str| {
        let bearer = format!("Bearer {token}");
        send(&server, "POST", "/request_token", &[("authorization", &bearer)], "")
    };
    assert!(server.is_live(&redeem("developer").text("access_token")));
    assert_eq!(redeem("other").status(), 401);
    assert!(server.revoke_developer_token("developer") && !server.revoke_developer_token("developer"));
    assert_eq!(redeem("developer").status(), 401);
    assert_eq!(server.counters().developer_token_requests, 3);
    let elsewhere = self::server(Dialect::Standard);
    assert_eq!(send(&elsewhere, "POST", "/request_token", &[], "").status(), 404);
}

#[test]
fn globus_gives_a_token_for_each_resource_server() {
    let server = server(Dialect::Globus);
    let reply = basic(&server, "/v2/oauth2/token", "grant_type=client_credentials");
    let tokens = reply.json();
    assert_eq!(
        (&tokens["resource_server"], &tokens["scope"]),
        (&json!("auth.globus.org"), &json!("openid profile email"))
    );
    let other = &tokens["other_tokens"][0];
    assert_eq!(other["resource_server"], "transfer.api.globus.org");
    let scope = "urn:globus:auth:scope:transfer.api.globus.org:all";
    assert_eq!(
        server.scope_of(other["access_token"].as_str().unwrap()).as_deref(),
        Some(scope)
    );
    let one = format!("grant_type=client_credentials&scope={scope}");
    let one = basic(&server, "/v2/oauth2/token", &one).json();
    assert_eq!((&one["scope"], &one["other_tokens"]), (&json!(scope), &json!([])));
    let posted = "grant_type=client_credentials&client_id=id&client_secret=s%3A%2B%25";
    assert_eq!(form(&server, "/v2/oauth2/token", posted).status(), 401);
}

#[test]
fn foundry_wants_another_authentication_in_each_step() {
    let server = server(Dialect::Foundry);
    let path = "/multipass/api/oauth2/token";
    assert_eq!(server.log_in("id", "api:read").refresh_token, "");
    let login = server.log_in("id", "api:read offline_access");
    let refresh = format!("grant_type=refresh_token&refresh_token={}", login.refresh_token);
    assert_eq!(basic(&server, path, &refresh).status(), 401);
    let posted = form(
        &server,
        path,
        &format!("{refresh}&client_id=id&client_secret=s%3A%2B%25"),
    );
    assert_eq!(
        (posted.status(), posted.text("scopes").as_str()),
        (200, "api:read offline_access")
    );
    assert_eq!(
        basic(&server, path, "grant_type=authorization_code&code=x").text("error"),
        "invalid_grant"
    );
    let page = get(&server, "/multipass/api/oauth2/callback?code=abc");
    assert_eq!(page.body(), "Authorization code: abc\n");
    let without_pkce = "/multipass/api/oauth2/authorize?response_type=code&client_id=id&redirect_uri=http://127.0.0.1/";
    let location = get(&server, without_pkce).header("location").unwrap();
    assert!(location.contains("error=invalid_request"), "{location}");
}
