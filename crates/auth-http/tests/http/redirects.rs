//! A redirect never carries the token to another origin.

use auth_http::{AuthorizedClient, within_origin};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};

use crate::calls::fixed;
use crate::raw::{RawServer, answer};

const CODES: [&str; 5] = [
    "301 Moved Permanently",
    "302 Found",
    "303 See Other",
    "307 Temporary Redirect",
    "308 Permanent Redirect",
];

fn redirect(status: &str, to: &str) -> Vec<u8> {
    answer(status, &format!("location: {to}\r\n"), b"")
}

// Answers `/again` with itself, so that it would be asked again and again.
async fn canary(address: &str) -> RawServer {
    RawServer::listen(address, |_, stream| async move {
        crate::raw::write(stream, &redirect("302 Found", "/again")).await;
    })
    .await
}

fn clients(api: &RawServer) -> [AuthorizedClient; 3] {
    let origin = api.origin();
    let build = |builder: auth_http::AuthorizedClientBuilder| {
        let builder = builder.origin(&origin, fixed("canary-token")).unwrap();
        builder.build().unwrap()
    };
    let guarded = Client::builder()
        .redirect(within_origin(Policy::limited(3)))
        .build()
        .unwrap();
    [
        AuthorizedClient::for_origin(&origin, fixed("canary-token")).unwrap(),
        build(AuthorizedClient::builder(
            Client::builder().redirect(Policy::limited(9)),
        )),
        build(AuthorizedClient::builder_with_own_redirects(guarded)),
    ]
}

#[tokio::test]
async fn another_origin_hears_nothing() {
    let canaries = [
        canary("127.0.0.1:0").await,
        canary("127.0.0.2:0").await,
        canary("[::1]:0").await,
    ];
    let mut targets: Vec<String> = canaries
        .iter()
        .map(|canary| format!("{}/one", canary.origin()))
        .collect();
    for (part, other) in [
        ("http://", "//"),
        ("http://", "https://"),
        ("http://", "http://user:pass@"),
        ("127.0.0.1", "localhost"),
        ("127.0.0.1", "2130706433"),
    ] {
        targets.push(canaries[0].origin().replace(part, other));
    }
    let places = targets.clone();
    let api = RawServer::routing(move |request| {
        let mut path = request.split(['/', ' ']).skip(1);
        let mut next = || path.next().unwrap().parse::<usize>().unwrap();
        redirect(CODES[next()], &places[next()])
    })
    .await;
    for client in clients(&api) {
        for (code, status) in CODES.iter().enumerate() {
            for (place, target) in targets.iter().enumerate() {
                let url = format!("{}/{code}/{place}", api.origin());
                let response = client.get(url).body("x").send().await.unwrap();
                assert_eq!(response.status().as_str(), &status[..3], "{target}");
            }
        }
    }
    assert_eq!(api.connections(), 3 * CODES.len() * targets.len());
    for canary in canaries {
        assert_eq!(canary.connections(), 0, "{:?}", canary.heard());
    }
}

#[tokio::test]
async fn a_chain_that_leaves_ends_where_it_leaves() {
    let canary = canary("127.0.0.1:0").await;
    let out = format!("{}/one", canary.origin());
    let api = RawServer::routing(move |request| match request.split(' ').next() {
        Some("/1") => redirect("302 Found", "/2"),
        Some("/2") => redirect("307 Temporary Redirect", "/3"),
        _ => redirect("302 Found", &out),
    })
    .await;
    let client = AuthorizedClient::for_origin(&api.origin(), fixed("canary-token")).unwrap();
    let response = client.get(format!("{}/1", api.origin())).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(response.url().path(), "/3");
    assert_eq!(canary.connections(), 0);
    let heard = api.heard();
    assert_eq!(heard.len(), 3);
    assert!(
        heard
            .iter()
            .all(|request| request.contains("authorization: Bearer canary-token"))
    );
}

#[tokio::test]
async fn within_the_origin_the_given_policy_holds() {
    let api = RawServer::routing(|_| redirect("302 Found", "/again")).await;
    let builder = AuthorizedClient::builder(Client::builder()).redirect(Policy::limited(2));
    let client = builder.origin(&api.origin(), fixed("t")).unwrap().build().unwrap();
    assert!(client.get(format!("{}/", api.origin())).send().await.is_err());
    assert_eq!(api.connections(), 3);
    let builder = AuthorizedClient::builder(Client::builder()).redirect(Policy::none());
    let client = builder.origin(&api.origin(), fixed("t")).unwrap().build().unwrap();
    assert_eq!(
        client.get(format!("{}/", api.origin())).send().await.unwrap().status(),
        302
    );
    assert_eq!(api.connections(), 4);
}
