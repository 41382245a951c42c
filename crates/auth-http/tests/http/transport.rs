//! What reaches the token endpoint, and what is made of its answers.

use std::time::Duration;

use auth_core::secret::SecretBytes;
use auth_core::transport::{Delivery, HttpRequest, Transport, TransportError};
use auth_http::HttpTransport;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::raw::{RawServer, answer, printed};

const BODY: &str = "grant_type=refresh_token&refresh_token=canary-refresh";

fn request(url: &str) -> HttpRequest {
    let mut credentials = http::HeaderValue::from_static("Basic canary-basic");
    credentials.set_sensitive(true);
    http::Request::post(url)
        .header("authorization", credentials)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(SecretBytes::new(BODY.into()))
        .unwrap()
}

async fn fail(url: &str) -> TransportError {
    HttpTransport::new().send(request(url)).await.unwrap_err()
}

#[tokio::test]
async fn the_request_arrives_as_it_was_made() {
    let server = RawServer::answering(answer("200 OK", "x-one: 1\r\n", b"{}")).await;
    let answer = HttpTransport::new().send(request(&server.url())).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["x-one"], "1");
    assert_eq!(answer.body().expose(), b"{}");
    let heard = server.heard().concat().to_ascii_lowercase();
    assert!(
        heard.starts_with("post /token?key=canary-query http/1.1\r\n"),
        "{heard}"
    );
    assert!(heard.contains("\r\nauthorization: basic canary-basic\r\n"));
    assert!(heard.contains("\r\nuser-agent: tokenkeep/"));
    assert!(heard.ends_with(BODY));
    assert!(!heard.contains("accept-encoding"));
}

#[tokio::test]
async fn every_request_has_its_own_connection() {
    let keep_alive = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    let server = RawServer::start(move |_, mut stream: TcpStream| async move {
        stream.write_all(keep_alive.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    let transport = HttpTransport::new();
    for sent in 1..=3 {
        transport.send(request(&server.url())).await.unwrap();
        assert_eq!(server.connections(), sent);
    }
}

#[tokio::test]
async fn redirects_are_answers() {
    let canary = RawServer::answering(answer("200 OK", "", b"")).await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary Redirect",
        "308 Permanent Redirect",
    ] {
        for location in [canary.url(), "/elsewhere".into(), "http://[bad".into()] {
            let server = RawServer::answering(answer(status, &format!("location: {location}\r\n"), b"moved")).await;
            let answer = HttpTransport::new().send(request(&server.url())).await.unwrap();
            assert_eq!(answer.status().as_str(), &status[..3]);
            assert_eq!(answer.body().expose(), b"moved");
            assert_eq!(server.connections(), 1);
        }
    }
    assert_eq!(canary.connections(), 0);
}

#[tokio::test]
async fn a_compressed_answer_stays_compressed() {
    // "{}" in gzip.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\xae\x05\x00\x43\xbf\xa6\xa3\x02\x00\x00\x00";
    let server = RawServer::answering(answer("200 OK", "content-encoding: gzip\r\n", packed)).await;
    let answer = HttpTransport::new().send(request(&server.url())).await.unwrap();
    assert_eq!(answer.body().expose(), packed);
}

#[tokio::test]
async fn an_answer_over_the_limit_is_given_up() {
    let limit = 1024 * 1024;
    for (size, good) in [(limit, true), (limit + 1, false), (2 * limit, false)] {
        let server = RawServer::answering(answer("200 OK", "", &vec![b'x'; size])).await;
        let result = HttpTransport::new().send(request(&server.url())).await;
        assert_eq!(result.is_ok(), good, "{size}");
        if let Err(error) = result {
            assert_eq!(error.delivery(), Delivery::Ambiguous);
        }
    }
}

#[tokio::test]
async fn an_endless_answer_is_given_up() {
    let server = RawServer::start(|_, mut stream: TcpStream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let error = fail(&server.url()).await;
    assert_eq!(error.delivery(), Delivery::Ambiguous);
    assert_eq!(error.to_string(), "the answer is too large");
}

// The clock stands still until the server has the request, then runs as fast as it can.
#[tokio::test]
async fn the_budget_ends_a_slow_drip() {
    let server = RawServer::start(|_, mut stream: TcpStream| async move {
        tokio::time::pause();
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    })
    .await;
    // The first request builds the client, which takes long, and by a clock that runs.
    let (transport, other) = (
        HttpTransport::new(),
        RawServer::answering(answer("200 OK", "", b"")).await,
    );
    transport.send(request(&other.url())).await.unwrap();
    let request = request(&server.url());
    let start = tokio::time::Instant::now();
    let error = transport.send(request).await.unwrap_err();
    let elapsed = start.elapsed();
    assert!(error.is_timeout());
    assert_eq!(error.delivery(), Delivery::Ambiguous);
    assert!((59..=66).contains(&elapsed.as_secs()), "{elapsed:?}");
    assert!(!printed(&error).contains("canary"));
}

#[tokio::test]
async fn a_server_that_keeps_silent_is_ambiguous_and_timed_out() {
    let server = RawServer::start(|_, stream: TcpStream| async move {
        tokio::time::pause();
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let error = fail(&server.url()).await;
    assert!(error.is_timeout());
    assert_eq!(error.delivery(), Delivery::Ambiguous);
}

#[tokio::test]
async fn a_refused_port_is_not_sent() {
    // Bound, so that nobody else is given the port, and nobody listens.
    let held = TcpSocket::new_v4().unwrap();
    held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = held.local_addr().unwrap().port();
    let error = fail(&format!("http://127.0.0.1:{port}/token?key=canary-query")).await;
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(!error.is_timeout());
    assert!(!printed(&error).contains("canary"), "{}", printed(&error));
    drop(held);
}

#[tokio::test]
async fn a_failed_tls_handshake_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token?key=canary-query", listener.local_addr().unwrap());
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let error = fail(&url).await;
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(!printed(&error).contains("canary"));
}

#[tokio::test]
async fn a_handshake_that_hangs_is_not_sent_and_timed_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let _stream = listener.accept().await.unwrap();
        tokio::time::pause();
        std::future::pending::<()>().await;
    });
    let error = fail(&url).await;
    assert_eq!(error.delivery(), Delivery::NotSent);
    assert!(error.is_timeout());
}

#[tokio::test]
async fn a_connection_closed_after_the_request_is_ambiguous() {
    let cuts: [&[u8]; 4] = [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{\"a\"",
    ];
    for cut in cuts {
        let server = RawServer::answering(cut).await;
        let error = fail(&server.url()).await;
        assert_eq!(error.delivery(), Delivery::Ambiguous, "{}", printed(&error));
        assert!(!error.is_timeout());
        assert!(!printed(&error).contains("canary"), "{}", printed(&error));
        assert_eq!(server.connections(), 1, "sent again");
    }
}

#[tokio::test]
async fn a_connection_closed_unread_is_ambiguous_and_not_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let accepting = tokio::spawn(async move {
        let _ = listener.accept().await.unwrap();
        listener.accept().await.map(drop)
    });
    assert_eq!(fail(&url).await.delivery(), Delivery::Ambiguous);
    assert!(!accepting.is_finished(), "sent again");
}

#[tokio::test]
async fn plain_http_beyond_loopback_is_refused() {
    let server = RawServer::answering(answer("200 OK", "", b"")).await;
    let port = server.port();
    for url in [
        format!("http://localhost:{port}/token"),
        format!("http://0.0.0.0:{port}/token"),
        "http://a.example/token".into(),
        format!("http://user@127.0.0.1:{port}/token"),
        "/token".into(),
    ] {
        let error = fail(&url).await;
        assert_eq!(error.delivery(), Delivery::NotSent, "{url}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn loopback_does_not_meet_a_given_proxy() {
    let proxy = RawServer::answering(answer("200 OK", "", b"proxy")).await;
    let server = RawServer::answering(answer("200 OK", "", b"server")).await;
    let rule = || reqwest::Proxy::all(format!("http://127.0.0.1:{}", proxy.port())).unwrap();
    let ours = HttpTransport::builder().proxy(rule()).build().unwrap();
    let callers = HttpTransport::from_builder(reqwest::Client::builder().proxy(rule())).unwrap();
    for transport in [ours, callers] {
        let answer = transport.send(request(&server.url())).await.unwrap();
        assert_eq!(answer.body().expose(), b"server");
    }
    assert_eq!(proxy.connections(), 0);
}

#[tokio::test]
async fn another_endpoint_goes_through_the_proxy_and_a_refusing_proxy_is_not_sent() {
    let proxy = RawServer::answering(answer("407 Proxy Authentication Required", "", b"")).await;
    let rule = || reqwest::Proxy::all(format!("http://127.0.0.1:{}", proxy.port())).unwrap();
    let ours = HttpTransport::builder().proxy(rule()).build().unwrap();
    let callers = HttpTransport::from_builder(reqwest::Client::builder().proxy(rule())).unwrap();
    for transport in [ours, callers] {
        let error = transport.send(request("https://a.example/token")).await.unwrap_err();
        assert_eq!(error.delivery(), Delivery::NotSent);
    }
    assert_eq!(proxy.connections(), 2);
    assert!(
        proxy
            .heard()
            .iter()
            .all(|heard| heard.starts_with("CONNECT a.example:443"))
    );
    assert!(!proxy.heard().concat().contains("canary"));
}

#[test]
fn debug_and_construction_need_no_runtime() {
    assert!(format!("{:?}", HttpTransport::new()).contains("answer_limit"));
}
