//! The rules of a call, for whatever brings the token along.

use auth_core::TokenSource;
use auth_http::ClientError;

use crate::calls::fixed;
use crate::raw::{RawServer, answer, printed};
use crate::rejections::{rejecting, tokens_heard};
use crate::setting::Setting;

/// Status and body.
pub(crate) type Answer = Result<(u16, String), ClientError>;

/// A way to send requests with a token.
pub(crate) trait Sender: Clone + Send + 'static {
    fn for_origin(origin: &str, source: TokenSource) -> Self;
    /// `POST`, with a body that can be had twice.
    fn send(&self, url: &str, headers: &[(&'static str, &'static str)]) -> impl Future<Output = Answer> + Send;
    /// `POST`, with a body that can't.
    fn send_stream(&self, url: &str) -> impl Future<Output = Answer> + Send;
}

pub(crate) const BODY: &str = "a body";

pub(crate) async fn one_refresh_and_one_resend<S: Sender>() {
    let (setting, sender) = with_a_token_of_no_use::<S>().await;
    let url = setting.server.api_url();
    let (status, body) = sender.send(&url, &[]).await.unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("\"body\":\"a body\""), "{body}");
    assert_eq!(sender.send(&url, &[]).await.unwrap().0, 200);
    let counters = setting.counters();
    assert_eq!(
        (counters.token_requests, counters.api_ok, counters.api_unauthorized),
        (2, 2, 1)
    );
}

pub(crate) async fn the_second_rejection_is_the_callers<S: Sender>() {
    let (setting, api) = (Setting::new(), rejecting().await);
    let sender = S::for_origin(&api.origin(), setting.machine());
    assert_eq!(sender.send(&api.url(), &[]).await.unwrap(), (401, "no".to_owned()));
    assert_eq!(api.connections(), 2);
    assert_eq!(tokens_heard(&api).len(), 2, "the same token was sent twice");
    assert!(api.heard().iter().all(|request| request.ends_with(BODY)));
    assert_eq!(sender.send(&api.url(), &[]).await.unwrap().0, 401);
    assert_eq!(api.connections(), 3, "only another token is worth a second call");
    assert_eq!(setting.counters().token_requests, 2);
}

pub(crate) async fn other_refusals_are_the_callers_at_once<S: Sender>() {
    for (line, challenge) in [
        ("403 Forbidden", ""),
        ("401 Unauthorized", "www-authenticate: Basic realm=\"x\"\r\n"),
    ] {
        let (setting, api) = (Setting::new(), RawServer::answering(answer(line, challenge, b"")).await);
        let sender = S::for_origin(&api.origin(), setting.machine());
        assert_eq!(sender.send(&api.url(), &[]).await.unwrap().0.to_string(), line[..3]);
        assert_eq!((api.connections(), setting.counters().token_requests), (1, 1), "{line}");
    }
}

pub(crate) async fn a_stream_is_sent_once<S: Sender>() {
    let (setting, sender) = with_a_token_of_no_use::<S>().await;
    let url = setting.server.api_url();
    assert_eq!(sender.send_stream(&url).await.unwrap().0, 401);
    let counters = setting.counters();
    assert_eq!((counters.api_unauthorized, counters.api_ok), (1, 0));
    assert_eq!(counters.token_requests, 2, "renewed for the next call");
    let (status, body) = sender.send_stream(&url).await.unwrap();
    assert_eq!(status, 200);
    assert!(body.contains("\"body\":\"a body\""), "{body}");
}

pub(crate) async fn another_origin_hears_nothing<S: Sender>() {
    let (api, other) = (rejecting().await, rejecting().await);
    let sender = S::for_origin(&api.origin(), fixed("canary-token"));
    for url in [other.url(), format!("http://localhost:{}/", api.port())] {
        let error = sender.send(&url, &[]).await.unwrap_err();
        assert!(matches!(error, ClientError::OriginNotAllowed(_)), "{error:?}");
        assert!(!printed(&error).contains("canary"));
    }
    assert_eq!((api.connections(), other.connections()), (0, 0));
}

pub(crate) async fn credentials_of_its_own_are_refused<S: Sender>() {
    let api = rejecting().await;
    let sender = S::for_origin(&api.origin(), fixed("canary-token"));
    let error = sender
        .send(&api.url(), &[("authorization", "Basic x")])
        .await
        .unwrap_err();
    assert!(matches!(error, ClientError::ConflictingAuthorization), "{error:?}");
    let url = format!("http://canary:canary@127.0.0.1:{}/", api.port());
    let error = sender.send(&url, &[]).await.unwrap_err();
    assert!(matches!(error, ClientError::ConflictingAuthorization), "{error:?}");
    assert!(!printed(&error).contains("canary"));
    assert_eq!(api.connections(), 0);
}

pub(crate) async fn fifty_rejections_at_once_are_one_refresh<S: Sender>() {
    let (setting, sender) = with_a_token_of_no_use::<S>().await;
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let (sender, url) = (sender.clone(), setting.server.api_url());
            tokio::spawn(async move { sender.send(&url, &[]).await.unwrap().0 })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    let counters = setting.counters();
    assert_eq!((counters.token_requests, counters.api_ok), (2, 50));
}

// The server takes the token back that the source has in memory.
async fn with_a_token_of_no_use<S: Sender>() -> (Setting, S) {
    let setting = Setting::new();
    let source = setting.machine();
    source.token().await.unwrap();
    setting.server.expire_access_tokens();
    let sender = S::for_origin(&setting.server.issuer(), source);
    (setting, sender)
}

/// One test for each rule, with this sender.
macro_rules! rules {
    ($sender:ty: $($rule:ident)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $rule() {
                crate::rules::$rule::<$sender>().await;
            }
        )*
    };
    ($sender:ty) => {
        crate::rules::rules! { $sender:
            one_refresh_and_one_resend
            the_second_rejection_is_the_callers
            other_refusals_are_the_callers_at_once
            a_stream_is_sent_once
            another_origin_hears_nothing
            credentials_of_its_own_are_refused
            fifty_rejections_at_once_are_one_refresh
        }
    };
}
pub(crate) use rules;
