//! What a 401 leads to, and what it does not.

use std::collections::HashSet;
use std::time::Duration;

use auth_core::TokenErrorKind;
use auth_http::{AuthorizedClient, ClientError};
use bytes::Bytes;
use reqwest::{Body, Client};
use store_testkit::server::{Endpoint, Fault};

use crate::raw::{RawServer, answer};
use crate::setting::Setting;

async fn status(client: &AuthorizedClient, url: &str) -> u16 {
    client.get(url).send().await.unwrap().status().as_u16()
}

pub(crate) async fn rejecting() -> RawServer {
    RawServer::answering(answer(
        "401 Unauthorized",
        "www-authenticate: Bearer error=\"invalid_token\"\r\n",
        b"no",
    ))
    .await
}

pub(crate) fn tokens_heard(api: &RawServer) -> HashSet<String> {
    let heard = api.heard();
    let header = |request: &String| {
        request
            .lines()
            .find(|line| line.starts_with("authorization: "))
            .map(String::from)
    };
    heard.iter().filter_map(header).collect()
}

#[tokio::test]
async fn a_rejected_token_is_renewed_once_and_the_call_repeated_once() {
    for person in [false, true] {
        let setting = Setting::new();
        let source = if person {
            setting.person().await.0
        } else {
            setting.machine()
        };
        let client = setting.client(source);
        let url = setting.server.api_url();
        assert_eq!(status(&client, &url).await, 200);
        let before = setting.counters().token_requests;
        setting.server.expire_access_tokens();
        let response = client.post(&url).body("a body").send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(response.text().await.unwrap().contains("\"body\":\"a body\""));
        assert_eq!(status(&client, &url).await, 200);
        let counters = setting.counters();
        assert_eq!(counters.token_requests, before + 1, "person: {person}");
        assert_eq!((counters.api_ok, counters.api_unauthorized), (3, 1));
    }
}

#[tokio::test]
async fn the_second_rejection_is_the_callers() {
    let (setting, api) = (Setting::new(), rejecting().await);
    let client = AuthorizedClient::for_origin(&api.origin(), setting.machine()).unwrap();
    let response = client.get(api.url()).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.text().await.unwrap(), "no");
    assert_eq!(api.connections(), 2);
    assert_eq!(tokens_heard(&api).len(), 2, "the same token was sent twice");
}

#[tokio::test]
async fn useless_rejections_cause_one_refresh_in_thirty_seconds() {
    for person in [false, true] {
        let (setting, api) = (Setting::new(), rejecting().await);
        let source = if person {
            setting.person().await.0
        } else {
            setting.machine()
        };
        let client = AuthorizedClient::for_origin(&api.origin(), source.clone()).unwrap();
        source.token().await.unwrap();
        let before = setting.counters().token_requests;
        for _ in 0..1000 {
            assert_eq!(status(&client, &api.url()).await, 401);
        }
        assert_eq!(setting.counters().token_requests, before + 1, "person: {person}");
        assert_eq!(api.connections(), 1001, "only another token is worth a second call");
        setting.clock.advance(Duration::from_secs(31));
        for _ in 0..10 {
            assert_eq!(status(&client, &api.url()).await, 401);
        }
        assert_eq!(setting.counters().token_requests, before + 2, "person: {person}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_rejections_at_once_are_one_refresh() {
    for person in [false, true] {
        let setting = Setting::new();
        let source = if person {
            setting.person().await.0
        } else {
            setting.machine()
        };
        source.token().await.unwrap();
        let client = setting.client(source);
        setting.server.expire_access_tokens();
        let before = setting.counters().token_requests;
        let calls: Vec<_> = (0..100)
            .map(|_| {
                let (client, url) = (client.clone(), setting.server.api_url());
                tokio::spawn(async move { status(&client, &url).await })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap(), 200);
        }
        let counters = setting.counters();
        assert_eq!(counters.token_requests, before + 1, "person: {person}");
        assert_eq!(counters.api_ok, 100);
        assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
    }
}

#[tokio::test]
async fn a_body_that_cant_be_replayed_is_sent_once_and_never_empty() {
    let setting = Setting::new();
    let source = setting.machine();
    let client = setting.client(source.clone());
    let url = setting.server.api_url();
    source.token().await.unwrap();
    setting.server.expire_access_tokens();
    let stream = || Body::wrap(http_body_util::Full::new(Bytes::from_static(b"a stream")));
    let response = client.post(&url).body(stream()).send().await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(setting.counters().api_unauthorized, 1);
    assert_eq!(setting.counters().token_requests, 2, "renewed for the next call");
    let response = client.post(&url).body(stream()).send().await.unwrap();
    assert!(response.text().await.unwrap().contains("\"body\":\"a stream\""));
    assert_eq!(
        (setting.counters().api_unauthorized, setting.counters().token_requests),
        (1, 2)
    );
}

#[tokio::test]
async fn a_token_renewed_by_another_process_is_used() {
    for person in [false, true] {
        let setting = Setting::new();
        let (one, other) = if person {
            let one = setting.person().await.0;
            (one, setting.other_process_of_the_person())
        } else {
            (setting.machine(), setting.machine())
        };
        let (one, other) = (setting.client(one), setting.client(other));
        let url = setting.server.api_url();
        assert_eq!((status(&one, &url).await, status(&other, &url).await), (200, 200));
        setting.server.expire_access_tokens();
        let before = setting.counters().token_requests;
        assert_eq!(status(&one, &url).await, 200);
        assert_eq!(status(&other, &url).await, 200);
        let counters = setting.counters();
        assert_eq!(counters.token_requests, before + 1, "person: {person}");
        assert_eq!(counters.api_unauthorized, 2);
    }
}

#[tokio::test]
async fn without_auto_refresh_a_rejection_is_the_callers_for_that_request_only() {
    let setting = Setting::new();
    let source = setting.machine();
    let (client, url) = (setting.client(source.clone()), setting.server.api_url());
    let error = client.get(&url).auto_refresh(false).send().await.unwrap_err();
    assert!(error.as_token_error().unwrap().is_reauth_required(), "{error:?}");
    assert_eq!(setting.counters().token_requests, 0);
    source.token().await.unwrap();
    setting.server.expire_access_tokens();
    let response = client.get(&url).auto_refresh(false).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), setting.counters().token_requests),
        (401, 1)
    );
    assert_eq!(status(&client, &url).await, 200);
    assert_eq!(setting.counters().token_requests, 2);
}

#[tokio::test]
async fn without_auto_retry_the_next_call_has_the_new_token() {
    let setting = Setting::new();
    let source = setting.machine();
    let builder = AuthorizedClient::builder(Client::builder()).auto_retry(false);
    let client = builder
        .origin(&setting.server.issuer(), source.clone())
        .unwrap()
        .build()
        .unwrap();
    let url = setting.server.api_url();
    source.token().await.unwrap();
    setting.server.expire_access_tokens();
    assert_eq!(status(&client, &url).await, 401);
    assert_eq!(setting.counters().token_requests, 2);
    assert_eq!(status(&client, &url).await, 200);
    setting.server.expire_access_tokens();
    setting.clock.advance(Duration::from_secs(60));
    let response = client.get(&url).auto_retry(true).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_source_of_one_request_is_not_the_next_ones() {
    let (setting, other) = (Setting::new(), Setting::new());
    let client = setting.client(setting.machine());
    let url = setting.server.api_url();
    let elsewhere = client
        .get(&url)
        .source(other.machine())
        .auto_retry(false)
        .send()
        .await
        .unwrap();
    assert_eq!(elsewhere.status(), 401);
    assert_eq!(setting.counters().token_requests, 0);
    assert_eq!(status(&client, &url).await, 200);
}

#[tokio::test]
async fn other_refusals_are_the_callers_at_once() {
    for (line, challenge) in [
        ("403 Forbidden", "www-authenticate: Bearer error=\"invalid_token\"\r\n"),
        ("403 Forbidden", ""),
        ("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n"),
        (
            "401 Unauthorized",
            "www-authenticate: Bearer error=\"insufficient_scope\"\r\n",
        ),
        ("407 Proxy Authentication Required", ""),
        ("500 Internal Server Error", ""),
    ] {
        let (setting, api) = (Setting::new(), RawServer::answering(answer(line, challenge, b"")).await);
        let client = AuthorizedClient::for_origin(&api.origin(), setting.machine()).unwrap();
        assert_eq!(status(&client, &api.url()).await.to_string(), line[..3]);
        assert_eq!((api.connections(), setting.counters().token_requests), (1, 1), "{line}");
    }
}

#[tokio::test]
async fn without_a_token_the_api_is_not_called() {
    let (setting, api) = (Setting::new(), rejecting().await);
    setting.server.inject(Fault::answer(500).at(Endpoint::Token));
    let client = AuthorizedClient::for_origin(&api.origin(), setting.machine()).unwrap();
    let error = client.get(api.url()).send().await.unwrap_err();
    assert!(
        matches!(error.as_token_error().unwrap().kind(), TokenErrorKind::Refused(_)),
        "{error:?}"
    );
    assert_eq!(api.connections(), 0);
}

#[tokio::test]
async fn a_refresh_that_fails_for_now_leaves_the_rejection_as_it_is() {
    let (setting, api) = (Setting::new(), rejecting().await);
    let source = setting.machine();
    source.token().await.unwrap();
    setting.server.inject(Fault::drop_before_handling().at(Endpoint::Token));
    let client = AuthorizedClient::for_origin(&api.origin(), source).unwrap();
    let response = client.get(api.url()).send().await.unwrap();
    assert_eq!((response.status().as_u16(), api.connections()), (401, 1));
    assert_eq!(response.text().await.unwrap(), "no");
}

#[tokio::test]
async fn a_refresh_that_only_a_login_can_help_is_an_error() {
    let (setting, api) = (Setting::new(), rejecting().await);
    let (source, refresh_token) = setting.person().await;
    source.token().await.unwrap();
    assert!(setting.server.revoke_family_of(&refresh_token));
    setting.let_time_pass();
    let client = AuthorizedClient::for_origin(&api.origin(), source).unwrap();
    let error = client.get(api.url()).send().await.unwrap_err();
    assert!(
        matches!(&error, ClientError::Token(error) if error.is_reauth_required()),
        "{error:?}"
    );
    assert_eq!((api.connections(), setting.counters().token_requests), (1, 1));
}
