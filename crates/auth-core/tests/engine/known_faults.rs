//! What other clients are known to get wrong, one test each.

use std::time::Duration;

use auth_core::grant::ClientCredentials;
use auth_core::key::Key;
use auth_core::refresh::TokenRetry;
use auth_core::store::{StoreErrorKind, TokenStoreExt as _};
use auth_core::{ClientRegistration, Secret, Target, TokenManager};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use store_testkit::server::{AccessTokenFormat, Client, ExpiresIn, Fault, SendOutcome};

use crate::setup::{Bench, HOUR};

fn tokens(body: &serde_json::Value) -> Fault {
    Fault::answer(200)
        .header("content-type", "application/json")
        .body(body.to_string())
}

#[tokio::test]
async fn an_audience_never_gets_the_token_of_another() {
    let bench = Bench::new();
    let got = async |audience: &str| {
        let source = bench
            .service_manager()
            .source_for(&bench.profile, &Target::new().audience(audience));
        source.token().await.unwrap()
    };
    let (one, two) = (got("one").await, got("two").await);
    assert_ne!(one, two);
    assert_eq!(
        (got("one").await, got("two").await),
        (one, two),
        "each its own, from the store"
    );
    assert_eq!(bench.server.counters().token_requests, 2);
}

#[tokio::test]
async fn neither_other_scopes_nor_another_client_get_what_is_stored() {
    let bench = Bench::with(|server| server.client(Client::confidential("other", "other-secret")));
    let manager = |id: &str| {
        let secret = Secret::new(format!("{id}-secret"));
        let client = ClientRegistration::confidential(bench.app().provider().clone(), id, secret);
        let builder = bench.builder(client).grant(ClientCredentials::new());
        builder.build().unwrap()
    };
    let scoped = async |manager: &TokenManager, scope: &str| {
        let source = manager.source_for(&bench.profile, &Target::new().scope(scope));
        source.token().await.unwrap()
    };
    let read = scoped(&manager("service"), "read").await;
    let write = scoped(&manager("service"), "write").await;
    let others = scoped(&manager("other"), "read").await;
    assert!(read != write && read != others && write != others);
    assert_eq!(bench.server.scope_of(write.secret().expose()).as_deref(), Some("write"));
    assert_eq!(bench.server.counters().token_requests, 3);
}

#[tokio::test]
async fn a_refusal_is_an_error_never_an_empty_token() {
    let bench = Bench::new();
    let builder = bench.builder(bench.service()).grant(ClientCredentials::new());
    let manager = builder.token_retry(TokenRetry::none()).build().unwrap();
    let source = manager.source(&bench.profile);
    for body in [
        r#"{"access_token":""}"#,
        r#"{"access_token":null}"#,
        "{}",
        "[]",
        r#"{"error":"invalid_client"}"#,
    ] {
        bench.server.inject(Fault::answer(200).body(body).times(3));
        assert!(source.force().await.is_err(), "{body}");
        assert!(source.peek().is_none());
        bench.server.clear_faults();
    }
    source.force().await.unwrap();
}

#[tokio::test]
async fn a_reply_that_names_no_refresh_token_wipes_none() {
    let bench = Bench::new();
    let source = bench.logged_in(&bench.manager()).await;
    let before = bench.record().await.refresh_token.unwrap();
    let none = [
        serde_json::json!({ "access_token": "a1", "expires_in": 60 }),
        serde_json::json!({ "access_token": "a2", "expires_in": 60, "refresh_token": null }),
        serde_json::json!({ "access_token": "a3", "expires_in": 60, "refresh_token": "" }),
    ];
    for body in none {
        bench.server.inject(tokens(&body));
        assert_eq!(source.force().await.unwrap().secret().expose(), body["access_token"]);
        assert_eq!(bench.record().await.refresh_token.unwrap(), before, "{body}");
    }
    source.force().await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test]
async fn access_tokens_need_not_be_jwts_nor_say_when_they_end() {
    let jwt = |claims: &str| format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims));
    let with_both = jwt(r#"{"n":"ÿþ?>~~~"}"#);
    assert!(with_both.contains('-') || with_both.contains('_'), "{with_both}");
    let odd = [
        "opaque".to_owned(),
        "a.b".to_owned(),
        "a.b.c".to_owned(),
        "....".to_owned(),
        jwt("{}"),
        jwt(r#"{"exp":null}"#),
        jwt("[]"),
        with_both,
    ];
    for token in odd {
        let bench = Bench::new();
        bench
            .server
            .inject(tokens(&serde_json::json!({ "access_token": token })));
        let source = bench.service_manager().source(&bench.profile);
        let got = source.token().await.unwrap();
        assert_eq!((got.secret().expose(), got.expires_at()), (&*token, None));
        bench.advance(HOUR);
        assert_eq!(source.token().await.unwrap(), got, "good until a 401");
        assert_ne!(source.after_rejection(&got).await.unwrap(), got);
    }
}

#[tokio::test]
async fn a_percent_sign_is_a_sign_like_any() {
    let bench = Bench::new();
    let source = bench.logged_in(&bench.manager()).await;
    let (access, refresh) = ("a%(b)s%%+/=", "r%20%(x)s+&=%");
    let body = serde_json::json!({ "access_token": access, "refresh_token": refresh, "expires_in": 60 });
    bench.server.inject(tokens(&body));
    let token = source.force().await.unwrap();
    assert_eq!(token.authorization().unwrap(), "Bearer a%(b)s%%+/=");
    assert_eq!(bench.record().await.refresh_token, Some(refresh.into()));
    source.force().await.unwrap_err();
    let sent = bench.server.refresh_log().pop().unwrap();
    assert_eq!(sent.outcome, SendOutcome::Refused);
    assert!(
        sent.token.starts_with(&Secret::new(refresh).hash().short()),
        "sent as it came"
    );
}

#[tokio::test]
async fn a_rejected_token_that_somebody_has_replaced_costs_no_request() {
    let bench = Bench::new();
    let first = bench.service_manager().source(&bench.profile);
    let old = first.token().await.unwrap();
    let new = bench.service_manager().source(&bench.profile).force().await.unwrap();
    assert_eq!(first.after_rejection(&old).await.unwrap(), new);
    assert_eq!(bench.server.counters().token_requests, 2);
}

#[tokio::test]
async fn an_end_is_a_moment_not_a_time_of_day() {
    let bench = Bench::standing_with(|server| {
        server
            .access_token_format(AccessTokenFormat::Jwt)
            .expires_in(ExpiresIn::Text)
    });
    let token = bench.service_manager().source(&bench.profile).token().await.unwrap();
    let end = token.expires_at().unwrap();
    // A JWT counts in whole seconds.
    assert!(end.since(token.issued_at()).as_secs().abs_diff(HOUR.as_secs()) <= 1);
    let key = Key::token(&bench.profile, Target::new().id());
    let (_, contents) = bench.store.inner.load_contents(&key).await.unwrap().unwrap();
    assert_eq!(contents.into_token().unwrap().access.expires_at, Some(end));
    bench.advance(Duration::from_secs(3595));
    assert!(bench.service_manager().source(&bench.profile).current().await.is_ok());
    bench.advance(Duration::from_secs(6));
    bench
        .service_manager()
        .source(&bench.profile)
        .current()
        .await
        .unwrap_err();
}

#[tokio::test]
async fn a_token_that_can_not_be_stored_is_not_lost() {
    let bench = Bench::new();
    bench.store.fail_saves(&[StoreErrorKind::Denied; 3]);
    let source = bench.service_manager().source(&bench.profile);
    let token = source.token().await.unwrap();
    assert_eq!(source.token().await.unwrap(), token);
    assert_eq!(bench.server.counters().token_requests, 1);
}
