//! Those who should not get in, and should not keep others out.

use std::time::Duration;

use auth_core::clock::ManualClock;
use auth_core::grant::CallbackError;
use auth_login::LoginError;
use store_testkit::server::Fault;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::setup::{Bench, address_of, assert_closed, browse, get, send, state_of};

const SCRIPTS: [&str; 3] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "'-alert(1)-'</title></style><svg/onload=alert(1)>",
];

fn encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn assert_harmless(body: &str) {
    for text in ["<script", "<img", "<svg", "canary"] {
        assert!(!body.contains(text), "{body}");
    }
}

#[tokio::test]
async fn strays_change_nothing() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let (path, state) = (
        url::Url::parse(begun.redirect_uri()).unwrap().path().to_owned(),
        state_of(&begun),
    );
    let login = bench.finish(begun);
    let valid = format!("{path}?code=canary&state={state}");
    let cases = [
        ("GET", "/favicon.ico", address.to_string(), "204"),
        ("GET", "/", address.to_string(), "404"),
        ("GET", "/done", address.to_string(), "404"),
        ("GET", "/failed", address.to_string(), "404"),
        (
            "GET",
            &format!("{path}/?code=canary&state={state}"),
            address.to_string(),
            "404",
        ),
        ("POST", &valid, address.to_string(), "405"),
        ("HEAD", &valid, address.to_string(), "405"),
        ("OPTIONS", &valid, address.to_string(), "405"),
        ("GET", &valid, "evil.example".to_owned(), "421"),
        ("GET", &valid, format!("evil.example:{}", address.port()), "421"),
        ("GET", &valid, format!("localhost:{}", address.port()), "421"),
        ("GET", &path, address.to_string(), "400"),
        ("GET", &format!("{path}?code=canary"), address.to_string(), "400"),
        (
            "GET",
            &format!("{path}?code=canary&state=canary"),
            address.to_string(),
            "400",
        ),
        (
            "GET",
            &format!("{path}?error=canary&state=canary"),
            address.to_string(),
            "400",
        ),
        ("GET", &format!("{valid}&state={state}"), address.to_string(), "400"),
    ];
    for round in 0..10 {
        for (method, target, host, status) in &cases {
            let answer = send(address, &format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status} ")),
                "{round} {method} {target} {host}: {answer}"
            );
            assert_harmless(&answer);
        }
    }
    assert_eq!(bench.server.counters().token_requests, 0);
    assert_eq!(browse(url.as_str()).await.last().unwrap().url.path(), "/done");
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_no_http_changes_nothing() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let login = bench.finish(begun);
    for broken in [
        "\r\nX\r\n\r\n",
        "\u{16}\u{3}\u{1}\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let answer = send(address, broken).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    browse(url.as_str()).await;
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_denial_is_shown_and_ends_the_login() {
    let bench = Bench::new();
    bench.server.deny_next_authorization("access_denied");
    let begun = bench.login().begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let login = bench.finish(begun);
    let answers = browse(url.as_str()).await;
    let page = answers.last().unwrap();
    assert_eq!((page.url.path(), page.url.query()), ("/failed", None));
    assert!(page.body.contains("The login failed") && page.body.contains("access_denied"));
    let error = login.await.unwrap().unwrap_err();
    assert!(
        matches!(&error, LoginError::Callback(CallbackError::Denied { code, .. }) if code == "access_denied"),
        "{error:?}"
    );
    assert_closed(address).await;
}

#[tokio::test]
async fn scripts_in_parameters_never_run() {
    for script in SCRIPTS {
        let bench = Bench::new();
        let begun = bench.login().begin().await.unwrap();
        let (redirect_uri, state) = (begun.redirect_uri().to_owned(), state_of(&begun));
        let login = bench.finish(begun);
        let script = encoded(script);
        for query in [
            format!("state={script}&code={script}"),
            format!("state={script}&error={script}&error_description={script}"),
            format!("{script}={script}&{script}"),
        ] {
            let answer = get(&format!("{redirect_uri}?{query}")).await;
            assert_eq!(answer.status, 400);
            assert_harmless(&answer.body);
        }
        let issuer = encoded(&bench.server.issuer());
        let query = format!("state={state}&iss={issuer}&error={script}&error_description={script}");
        let answers = browse(&format!("{redirect_uri}?{query}")).await;
        let page = answers.last().unwrap();
        assert_eq!(page.url.path(), "/failed");
        assert!(
            page.body.contains("alert(1)"),
            "the reason is shown, escaped: {}",
            page.body
        );
        assert_harmless(&page.body);
        assert!(login.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn another_issuer_ends_the_login() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (redirect_uri, state) = (begun.redirect_uri().to_owned(), state_of(&begun));
    let login = bench.finish(begun);
    let answers = browse(&format!(
        "{redirect_uri}?code=x&state={state}&iss=https%3A%2F%2Fevil.example"
    ))
    .await;
    assert_eq!(answers.last().unwrap().url.path(), "/failed");
    let error = login.await.unwrap().unwrap_err();
    assert!(
        matches!(error, LoginError::Callback(CallbackError::IssuerMismatch)),
        "{error:?}"
    );
    assert_eq!(bench.server.counters().token_requests, 0);
}

#[tokio::test]
async fn a_failed_exchange_is_no_success() {
    let bench = Bench::new();
    let refusal = Fault::answer(400).header("content-type", "application/json");
    bench.server.inject(refusal.body(r#"{"error":"invalid_grant"}"#));
    let begun = bench.login().begin().await.unwrap();
    let url = begun.url().clone();
    let login = bench.finish(begun);
    let answers = browse(url.as_str()).await;
    let page = answers.last().unwrap();
    assert_eq!(page.url.path(), "/failed");
    assert!(
        page.body.contains("invalid_grant") && !page.body.contains("You are logged in"),
        "{}",
        page.body
    );
    assert!(matches!(login.await.unwrap().unwrap_err(), LoginError::Token(_)));
}

#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    let bench = Bench::new();
    // The clock stands still: none of them runs out of time.
    let begun = bench.login().clock(ManualClock::default()).begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let login = bench.finish(begun);
    let mut silent = Vec::new();
    for number in 0..200 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        if number % 2 == 0 {
            // Those that had to make room are closed already.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nX-Slow: ").await;
        }
        silent.push(stream);
    }
    assert_eq!(browse(url.as_str()).await.last().unwrap().url.path(), "/done");
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_connection_has_ten_seconds() {
    let bench = Bench::new();
    let clock = ManualClock::default();
    let begun = bench.login().clock(clock.clone()).begin().await.unwrap();
    let (url, address) = (begun.url().clone(), address_of(&begun));
    let login = bench.finish(begun);
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // The login's own limit, and the connection's.
    while clock.sleepers() < 2 {
        tokio::task::yield_now().await;
    }
    clock.advance(Duration::from_secs(10));
    assert_eq!(silent.read(&mut [0; 100]).await.unwrap(), 0);
    browse(url.as_str()).await;
    login.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_head_has_8_kib() {
    let bench = Bench::new();
    let begun = bench.login().begin().await.unwrap();
    let (url, redirect_uri, address) = (begun.url().clone(), begun.redirect_uri().to_owned(), address_of(&begun));
    let path = url::Url::parse(&redirect_uri).unwrap().path().to_owned();
    let state = state_of(&begun);
    let login = bench.finish(begun);
    let head = |length: usize| {
        let start = format!("GET {path}?code=x&state={state} HTTP/1.1\r\nHost: {address}\r\nX-Long: ");
        format!("{start}{}\r\n\r\n", "x".repeat(length - start.len() - 4))
    };
    for length in [9 * 1024, 100 * 1024] {
        let answer = send(address, &head(length)).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 431 "),
            "{length}: {answer}"
        );
    }
    let stray = head(8 * 1024 - 100).replace(&state, "other");
    assert!(send(address, &stray).await.starts_with("HTTP/1.1 400 "));
    browse(url.as_str()).await;
    login.await.unwrap().unwrap();
}
