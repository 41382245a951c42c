//! What a call sends, and what it refuses to send.

use std::time::Duration;

use auth_core::clock::Timestamp;
use auth_core::token::AccessToken;
use auth_core::{Profile, TokenManager, TokenSource};
use auth_http::{AuthorizedClient, ClientError};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Request};

use crate::raw::{RawServer, answer, printed};

/// A source with one token that never changes.
pub(crate) fn fixed(token: &str) -> TokenSource {
    let token = AccessToken::bearer(token, Timestamp::from_unix_seconds(0));
    TokenManager::fixed(token).source(&Profile::default())
}

fn client(api: &RawServer) -> AuthorizedClient {
    AuthorizedClient::for_origin(&api.origin(), fixed("canary-token")).unwrap()
}

async fn api() -> RawServer {
    RawServer::answering(answer("200 OK", "set-cookie: session=1\r\n", b"ok")).await
}

#[tokio::test]
async fn every_verb_brings_the_token() {
    let api = api().await;
    let client = client(&api);
    let url = format!("{}/v1/x?y=1", api.origin());
    for (name, request) in [
        ("GET", client.get(&url)),
        ("POST", client.post(&url)),
        ("PUT", client.put(&url)),
        ("PATCH", client.patch(&url)),
        ("DELETE", client.delete(&url)),
        ("HEAD", client.head(&url)),
        ("PURGE", client.request(Method::from_bytes(b"PURGE").unwrap(), &url)),
    ] {
        let response = request.header("x-one", "1").body("body").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let heard = api.heard().pop().unwrap();
        assert!(heard.starts_with(&format!("{name} /v1/x?y=1 HTTP/1.1\r\n")), "{heard}");
        assert!(heard.contains("\r\nauthorization: Bearer canary-token\r\n"), "{heard}");
        assert!(heard.contains("\r\nx-one: 1\r\n") && heard.ends_with("body"), "{heard}");
    }
}

#[tokio::test]
async fn the_callers_client_stays_what_it_was() {
    let api = api().await;
    let mut headers = HeaderMap::new();
    headers.insert("x-default", HeaderValue::from_static("d"));
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Basic default"));
    let http = Client::builder()
        .default_headers(headers)
        .cookie_store(true)
        .user_agent("mine/1");
    let builder = AuthorizedClient::builder(http)
        .origin(&api.origin(), fixed("t"))
        .unwrap();
    let client = builder.build().unwrap();
    for _ in 0..2 {
        client.get(api.url()).send().await.unwrap();
    }
    let heard = api.heard();
    for request in &heard {
        assert!(request.contains("\r\nx-default: d\r\n") && request.contains("\r\nuser-agent: mine/1\r\n"));
        assert!(
            request.contains("\r\nauthorization: Bearer t\r\n") && !request.contains("Basic"),
            "{request}"
        );
    }
    assert!(!heard[0].contains("cookie:") && heard[1].contains("\r\ncookie: session=1\r\n"));
}

#[tokio::test]
async fn time_outs_of_the_client_and_of_the_request_hold() {
    let silent = RawServer::start(|_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let short = Duration::from_millis(50);
    let build = |http| {
        AuthorizedClient::builder(http)
            .origin(&silent.origin(), fixed("t"))
            .unwrap()
            .build()
            .unwrap()
    };
    let of_client = build(Client::builder().timeout(short)).get(silent.url()).send().await;
    let of_request = build(Client::builder()).get(silent.url()).timeout(short).send().await;
    for result in [of_client, of_request] {
        let Err(ClientError::Http(error)) = result else {
            panic!("{result:?}")
        };
        assert!(error.is_timeout());
    }
}

#[tokio::test]
async fn each_origin_has_its_own_token() {
    let (one, other, third) = (api().await, api().await, api().await);
    let builder = AuthorizedClient::builder(Client::builder());
    let builder = builder.origin(&one.origin(), fixed("first")).unwrap();
    let builder = builder.origin(&other.origin(), fixed("wrong")).unwrap();
    let client = builder
        .origin(&other.origin(), fixed("second"))
        .unwrap()
        .build()
        .unwrap();
    for server in [&one, &other] {
        client.get(server.url()).send().await.unwrap();
    }
    let error = client.get(third.url()).send().await.unwrap_err();
    assert_eq!(error.to_string(), format!("no token for {}", third.origin()));
    assert!(one.heard()[0].contains("Bearer first\r\n"));
    assert!(other.heard()[0].contains("Bearer second\r\n"));
    assert_eq!(third.connections(), 0);
}

#[tokio::test]
async fn what_is_said_for_one_request_ends_with_it() {
    let api = api().await;
    let client = client(&api);
    client
        .get(api.url())
        .source(fixed("other"))
        .auto_refresh(false)
        .auto_retry(false)
        .send()
        .await
        .unwrap();
    client.get(api.url()).send().await.unwrap();
    let heard = api.heard();
    assert!(heard[0].contains("Bearer other\r\n") && heard[1].contains("Bearer canary-token\r\n"));
}

#[tokio::test]
async fn urls_of_other_origins_are_refused_before_anything_is_sent() {
    let api = api().await;
    let client = client(&api);
    let port = api.port();
    for url in [
        format!("http://localhost:{port}/"),
        format!("http://127.0.0.2:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("https://127.0.0.1:{port}/"),
        "http://127.0.0.1/".into(),
        "http://127.0.0.1:1/".into(),
        format!("http://127.0.0.1.:{port}x/"),
        format!("http://127.0.0.1%2F@evil.example:{port}/"),
        format!("http://127.0.0.1:{port}@evil.example/"),
        format!("http://evil.example\\@127.0.0.1:{port}/"),
        format!("http://evil.example:{port}/#127.0.0.1:{port}"),
        format!("http://evil.example/127.0.0.1:{port}"),
        format!("http://127.0.0.1.evil.example:{port}/"),
        "http://api.ex%2Fample/".into(),
        "ftp://127.0.0.1/".into(),
        "file:///etc/passwd".into(),
        "/relative".into(),
        String::new(),
    ] {
        let error = client.get(&url).send().await.unwrap_err();
        assert!(
            matches!(error, ClientError::OriginNotAllowed(_) | ClientError::Http(_)),
            "{url}: {error:?}"
        );
        if let Ok(url) = url.parse() {
            let error = client.execute(Request::new(Method::GET, url)).await.unwrap_err();
            assert!(matches!(error, ClientError::OriginNotAllowed(_)), "{error:?}");
        }
    }
    assert_eq!(api.connections(), 0);
}

#[tokio::test]
async fn a_second_credential_in_the_request_is_refused() {
    let api = api().await;
    let client = client(&api);
    let with_user = format!("http://user:canary-password@127.0.0.1:{}/", api.port());
    let errors = [
        client
            .get(api.url())
            .header(AUTHORIZATION, "Basic canary")
            .send()
            .await
            .unwrap_err(),
        client.get(&with_user).send().await.unwrap_err(),
        client
            .execute(Request::new(Method::GET, with_user.parse().unwrap()))
            .await
            .unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, ClientError::ConflictingAuthorization), "{error:?}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    assert_eq!(api.connections(), 0);
}

#[tokio::test]
async fn an_error_status_is_an_error_only_if_wanted() {
    let api = RawServer::answering(answer("404 Not Found", "", b"none")).await;
    assert_eq!(
        client(&api).get(api.url()).send().await.unwrap().text().await.unwrap(),
        "none"
    );
    let builder = AuthorizedClient::builder(Client::builder()).error_for_status(true);
    let strict = builder.origin(&api.origin(), fixed("t")).unwrap().build().unwrap();
    let error = strict.get(api.url()).send().await.unwrap_err();
    assert!(matches!(error, ClientError::Status(status) if status == 404));
}

#[tokio::test]
async fn neither_debug_nor_errors_show_a_token_or_a_query() {
    let api = RawServer::start(|_, stream| async move { drop(stream) }).await;
    let client = client(&api);
    let request = client.post(api.url()).body("canary-body");
    let debug = format!("{client:?} {request:?}");
    let shown = debug + &printed(&request.send().await.unwrap_err());
    assert!(!shown.contains("canary"), "{shown}");
    assert!(shown.contains(&api.origin()), "{shown}");
}
