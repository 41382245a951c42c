use std::collections::HashMap;

use store_testkit::server::{AuthorizationServer, Client};
use url::Url;

use crate::http::{call_api, form, get, refresh, send};

// The pair of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "http://127.0.0.1:7777/callback";

fn server() -> AuthorizationServer {
    AuthorizationServer::builder()
        .client(Client::public("app").redirect_uri("http://127.0.0.1/callback"))
        .client(Client::confidential("web", "secret").redirect_uri("https://web.example/cb"))
        .start()
        .unwrap()
}

fn authorize_path(parameters: &[(&str, &str)]) -> String {
    let mut url = Url::parse("http://host/authorize").unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    format!("/authorize?{}", url.query().unwrap())
}

fn usual() -> Vec<(&'static str, &'static str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", REDIRECT),
        ("state", "s&t"),
        ("scope", "openid read"),
        ("nonce", "n1"),
        ("login_hint", "jo"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ]
}

fn sent_back(server: &AuthorizationServer, parameters: &[(&str, &str)]) -> HashMap<String, String> {
    let reply = get(server, &authorize_path(parameters));
    assert_eq!(reply.status(), 302, "{reply:?}");
    let location = reply.header("location").unwrap();
    assert!(location.starts_with(REDIRECT) || location.starts_with("https://web.example/cb"));
    Url::parse(&location).unwrap().query_pairs().into_owned().collect()
}

fn exchange(code: &str, verifier: &str) -> String {
    format!(
        "grant_type=authorization_code&client_id=app&code={code}&redirect_uri={REDIRECT}\
         &code_verifier={verifier}"
    )
}

#[test]
fn a_code_becomes_a_login_once() {
    let server = server();
    let answer = sent_back(&server, &usual());
    assert_eq!(answer["state"], "s&t");
    assert_eq!(answer["iss"], server.issuer());
    let tokens = form(&server, "/token", &exchange(&answer["code"], VERIFIER));
    assert_eq!(tokens.status(), 200, "{tokens:?}");
    assert_eq!(tokens.text("scope"), "openid read");
    assert_eq!(tokens.text("id_token").split('.').count(), 3);
    let api = call_api(&server, &tokens.text("access_token"));
    assert_eq!(api.text("subject"), "jo");

    let again = form(&server, "/token", &exchange(&answer["code"], VERIFIER));
    assert_eq!(again.text("error"), "invalid_grant");
    assert!(!server.is_live(&tokens.text("access_token")));
    assert!(!server.family_alive(&tokens.text("refresh_token")));
    let counters = server.counters();
    assert_eq!((counters.logins, counters.logins_lost), (1, 1));
    assert_eq!(counters.requests_of("authorization_code"), 2);
}

#[test]
fn a_wrong_verifier_or_redirect_uri_gets_nothing_and_the_code_stays() {
    let server = server();
    let code = sent_back(&server, &usual())["code"].clone();
    let wrong_verifier = "x".repeat(43);
    let bodies = [
        exchange(&code, &wrong_verifier),
        exchange(&code, ""),
        exchange(&code, VERIFIER).replace("7777", "7778"),
        exchange(&code, VERIFIER).replace("client_id=app", "client_id=web&client_secret=secret"),
    ];
    for body in bodies {
        let reply = form(&server, "/token", &body);
        assert_eq!(reply.text("error"), "invalid_grant", "{body}");
    }
    let reply = form(&server, "/token", &exchange(&code, VERIFIER));
    assert_eq!(reply.status(), 200);
}

#[test]
fn an_old_code_is_refused() {
    let server = server();
    let code = sent_back(&server, &usual())["code"].clone();
    server.advance(std::time::Duration::from_secs(60));
    let reply = form(&server, "/token", &exchange(&code, VERIFIER));
    assert_eq!(reply.text("error"), "invalid_grant");
}

#[test]
fn a_public_client_needs_a_challenge_and_only_s256_counts() {
    let server = server();
    let without: Vec<_> = usual()
        .into_iter()
        .filter(|(name, _)| !name.starts_with("code_"))
        .collect();
    assert_eq!(sent_back(&server, &without)["error"], "invalid_request");
    let mut plain = usual();
    *plain.last_mut().unwrap() = ("code_challenge_method", "plain");
    let answer = sent_back(&server, &plain);
    assert_eq!(answer["error"], "invalid_request");
    assert_eq!(answer["state"], "s&t");
    let mut token = usual();
    token[0] = ("response_type", "token");
    assert_eq!(sent_back(&server, &token)["error"], "unsupported_response_type");
}

#[test]
fn a_verifier_without_a_challenge_is_refused() {
    let server = server();
    let parameters = [
        ("response_type", "code"),
        ("client_id", "web"),
        ("redirect_uri", "https://web.example/cb"),
    ];
    let code = sent_back(&server, &parameters)["code"].clone();
    let body = format!(
        "grant_type=authorization_code&client_id=web&client_secret=secret&code={code}\
         &redirect_uri=https://web.example/cb"
    );
    let downgraded = format!("{body}&code_verifier={VERIFIER}");
    assert_eq!(form(&server, "/token", &downgraded).text("error"), "invalid_grant");
    assert_eq!(form(&server, "/token", &body).status(), 200);
}

#[test]
fn the_browser_is_not_sent_to_strangers() {
    let server = server();
    for (name, value) in [
        ("redirect_uri", "https://evil.example/callback"),
        ("redirect_uri", "http://127.0.0.1:7777/other"),
        ("client_id", "nobody"),
    ] {
        let parameters: Vec<_> = usual()
            .into_iter()
            .map(|pair| if pair.0 == name { (name, value) } else { pair })
            .collect();
        let reply = get(&server, &authorize_path(&parameters));
        assert_eq!(reply.status(), 400, "{value}");
        assert_eq!(reply.header("location"), None);
    }
}

#[test]
fn a_person_can_say_no() {
    let server = server();
    server.deny_next_authorization("access_denied");
    assert_eq!(sent_back(&server, &usual())["error"], "access_denied");
    assert!(sent_back(&server, &usual()).contains_key("code"));
}

#[test]
fn both_metadata_documents_name_the_endpoints() {
    let server = server();
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let document = get(&server, path).json();
        assert_eq!(document["issuer"], server.issuer());
        assert_eq!(document["token_endpoint"], server.token_endpoint());
        assert_eq!(document["authorization_endpoint"], server.authorization_endpoint());
        assert_eq!(document["revocation_endpoint"], server.revocation_endpoint());
        assert_eq!(document["code_challenge_methods_supported"][0], "S256");
    }
    assert_eq!(server.counters().discovery_requests, 2);
}

#[test]
fn revoking_a_refresh_token_ends_its_login_and_an_access_token_only_itself() {
    let server = server();
    let login = server.log_in("app", "");
    let child = refresh(&server, &login.refresh_token);
    let revoke = |token: &str| form(&server, "/revoke", &format!("client_id=app&token={token}"));

    assert_eq!(revoke(&login.access_token).status(), 200);
    assert!(!server.is_live(&login.access_token));
    assert!(server.is_live(&child.text("access_token")));

    assert_eq!(revoke(&child.text("refresh_token")).status(), 200);
    assert!(!server.is_live(&child.text("access_token")));
    assert_eq!(revoke("unknown").status(), 200);
    let counters = server.counters();
    assert_eq!(counters.revocations, 3);
    assert_eq!((counters.families_revoked, counters.logins_lost), (1, 0));
}

#[test]
fn nobody_revokes_another_clients_token() {
    let server = server();
    let login = server.log_in("app", "");
    for token in [&login.refresh_token, &login.access_token] {
        let body = format!("client_id=web&client_secret=secret&token={token}");
        assert_eq!(form(&server, "/revoke", &body).status(), 400);
    }
    assert!(server.is_live(&login.access_token));
    assert!(server.family_alive(&login.refresh_token));
}

#[test]
fn the_api_echoes_any_call_below_it() {
    let server = server();
    let login = server.log_in("app", "");
    let bearer = format!("Bearer {}", login.access_token);
    let headers = [("authorization", bearer.as_str())];
    let echo = send(&server, "PUT", "/api/a/b?q=1", &headers, "hello").json();
    assert_eq!(echo["method"], "PUT");
    assert_eq!(echo["path"], "/api/a/b");
    assert_eq!(echo["query"], "q=1");
    assert_eq!(echo["body"], "hello");
    assert_eq!(echo["body_length"], 5);
    assert_eq!(echo["client_id"], "app");
    let reply = get(&server, "/api");
    assert_eq!(reply.header("www-authenticate").as_deref(), Some("Bearer"));
    assert_eq!(get(&server, "/apiary").status(), 404);
}
