//! Bad answers, lost answers, stores that are away.

use std::time::Duration;

use auth_core::error::{ConfigError, ReauthReason, TokenErrorKind};
use auth_core::key::Key;
use auth_core::provider::Rotation;
use auth_core::record::RecordState;
use auth_core::sealer::{DataKey, SealError, Sealer};
use auth_core::secret::SecretBytes;
use auth_core::store::StoreErrorKind;
use auth_core::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use auth_http::HttpTransport;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store_testkit::server::{Fault, Rotation as ServerRotation};

use crate::setup::{Bench, HOUR, NEARLY};

#[tokio::test]
async fn a_failed_refresh_never_displaces_a_good_token() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let good = source.token().await.unwrap();
    bench.advance(NEARLY);
    bench.server.inject(Fault::answer(500).times(100));
    for _ in 0..20 {
        assert_eq!(source.token().await.unwrap(), good);
    }
    assert_eq!(bench.refreshes(), 1, "the back-off is kept");
    assert!(bench.refresh_token_is_alive().await);
    bench.server.clear_faults();
    bench.advance(Duration::from_secs(60));
    assert_ne!(source.token().await.unwrap(), good);
}

#[tokio::test]
async fn the_servers_own_pause_is_kept_by_everybody() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.server.inject(Fault::answer(429).header("retry-after", "20"));
    let error = source.token().await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.status == 429),
        "{error}"
    );
    let other = bench.manager().source(&bench.profile);
    bench.advance(Duration::from_secs(18));
    assert!(other.token().await.is_err());
    assert_eq!(bench.refreshes(), 1);
    bench.advance(Duration::from_secs(3));
    other.token().await.unwrap();
}

#[tokio::test]
async fn a_refused_refresh_token_is_sent_once_and_kept() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let token = bench.record().await.refresh_token.unwrap();
    bench.server.revoke_family_of(token.expose());
    bench.advance(HOUR);
    for _ in 0..100 {
        let source = bench.manager().source(&bench.profile);
        let error = source.token().await.unwrap_err();
        let reason = ReauthReason::RefreshTokenRefused {
            code: "invalid_grant".into(),
        };
        assert_eq!(error.kind(), &TokenErrorKind::ReauthRequired(reason));
    }
    assert_eq!(bench.refreshes(), 1);
    let record = bench.record().await;
    assert_eq!(record.refresh_token, Some(token), "nothing is deleted");
    let status = bench.manager().status(&bench.profile).await.unwrap().unwrap();
    assert_eq!(status.state, RecordState::Refused);
    source.force().await.unwrap_err();
    assert_eq!(bench.refreshes(), 2, "force asks again");
    bench.logged_in(&bench.manager()).await;
    source.token().await.unwrap();
}

#[tokio::test]
async fn wrong_client_credentials_are_not_the_end_of_a_login() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench
        .server
        .inject(Fault::answer(401).body(r#"{"error":"invalid_client"}"#));
    let error = source.token().await.unwrap_err();
    assert!(
        matches!(error.kind(), TokenErrorKind::Refused(refusal) if refusal.code.as_deref() == Some("invalid_client"))
    );
    bench.advance(Duration::from_secs(60));
    source.token().await.unwrap();
}

#[tokio::test]
async fn a_lost_answer_of_a_strict_server_is_not_replayed_while_the_token_is_valid() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let good = source.token().await.unwrap();
    bench.advance(NEARLY);
    bench.server.inject(Fault::drop_after_handling());
    for _ in 0..5 {
        assert_eq!(source.token().await.unwrap(), good);
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.refreshes(), 1);
    assert!(bench.record().await.mark.is_some_and(|mark| mark.ambiguous));
    // Once the access token is over, a replay costs nothing; here it comes too late.
    bench.advance(Duration::from_secs(200));
    let error = source.token().await.unwrap_err();
    assert_eq!(
        error.kind(),
        &TokenErrorKind::ReauthRequired(ReauthReason::InterruptedRefresh)
    );
    assert_eq!(bench.refreshes(), 2);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_made_again() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.server.inject(Fault::drop_before_handling());
    let error = source.token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Network);
    bench.advance(Duration::from_secs(200));
    source.token().await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(bench.events.count("Recovered"), 1);
}

/// No connection, until there is one.
#[derive(Clone, Debug, Default)]
struct Wire(Arc<AtomicBool>);

#[async_trait::async_trait]
impl Transport for Wire {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        if self.0.load(Ordering::SeqCst) {
            HttpTransport::new().send(request).await
        } else {
            Err(TransportError::not_sent("no connection"))
        }
    }
}

#[tokio::test]
async fn what_was_never_sent_is_sent_after_a_pause_and_nobody_settles() {
    let (bench, wire) = (Bench::standing(), Wire::default());
    let manager = bench.builder(bench.app()).transport(wire.clone()).build().unwrap();
    let source = bench.logged_in(&manager).await;
    bench.advance(HOUR);
    for failures in 1..=3 {
        assert_eq!(source.token().await.unwrap_err().kind(), &TokenErrorKind::Network);
        let record = bench.record().await;
        assert_eq!(record.mark, None);
        assert_eq!(record.back_off.unwrap().failures, failures);
        bench.advance(Duration::from_secs(5));
    }
    wire.0.store(true, Ordering::SeqCst);
    source.token().await.unwrap();
    let record = bench.record().await;
    assert_eq!((bench.refreshes(), record.mark, record.back_off), (1, None, None));
    assert_eq!(bench.events.count("Recovered"), 0);
}

#[tokio::test]
async fn a_lost_answer_is_got_again_within_the_grace() {
    let grace = Duration::from_secs(600);
    let mut bench = Bench::standing_with(|server| server.rotation(ServerRotation::GraceSamePair(grace)));
    bench.rotation = Rotation::Grace(grace);
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.server.inject(Fault::drop_after_handling());
    source.token().await.unwrap_err();
    bench.advance(Duration::from_secs(5));
    source.token().await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(bench.server.counters().double_spends, 0);
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_counts_as_spent() {
    for body in ["", "<html>hello</html>", "{\"access_tok"] {
        let bench = Bench::standing();
        let source = bench.logged_in(&bench.manager()).await;
        bench.advance(NEARLY);
        bench.server.inject(Fault::answer(200).body(body).after_handling());
        source.token().await.unwrap();
        assert!(bench.record().await.mark.is_some(), "{body:?}");
        assert_eq!(bench.refreshes(), 1);
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_written_means_that_nothing_is_sent() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let good = source.token().await.unwrap();
    for kind in [
        StoreErrorKind::Unavailable,
        StoreErrorKind::Denied,
        StoreErrorKind::TooLarge,
    ] {
        let source = bench.manager().source(&bench.profile);
        bench.store.fail_saves(&[kind]);
        let error = source.force().await.unwrap_err();
        assert_eq!(error.kind(), &TokenErrorKind::Store(kind));
    }
    assert_eq!(bench.refreshes(), 0);
    bench.advance(NEARLY);
    bench.store.fail_saves(&[StoreErrorKind::Unavailable]);
    assert_eq!(source.token().await.unwrap(), good);
    assert_eq!(bench.refreshes(), 0);
}

#[tokio::test]
async fn a_save_whose_outcome_is_not_known_is_made_again() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    bench.store.fail_saves(&[StoreErrorKind::Ambiguous]);
    source.token().await.unwrap();
    assert!(bench.refresh_token_is_alive().await);
    assert_eq!(bench.refreshes(), 1);
}

#[derive(Debug)]
struct NoKey;

#[async_trait::async_trait]
impl Sealer for NoKey {
    fn name(&self) -> &'static str {
        "no-key"
    }

    async fn data_key(&self, _key: &Key) -> Result<Arc<dyn DataKey>, SealError> {
        Err(SealError::new("the key service is away"))
    }

    async fn open(&self, _key: &Key, _name: &str, _sealed: &[u8]) -> Result<SecretBytes, SealError> {
        Err(SealError::new("the key service is away"))
    }
}

#[tokio::test]
async fn without_a_data_key_nothing_is_sent() {
    let bench = Bench::standing();
    bench.logged_in(&bench.manager()).await;
    let manager = bench.builder(bench.app()).sealer(Arc::new(NoKey)).build().unwrap();
    bench.advance(HOUR);
    let error = manager.source(&bench.profile).token().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::Unavailable));
    assert_eq!(bench.refreshes(), 0);
    assert!(bench.record().await.mark.is_none());
}

#[tokio::test]
async fn a_login_of_another_client_is_not_used() {
    let bench = Bench::standing();
    bench.logged_in(&bench.manager()).await;
    bench
        .change(|record| record.binding.token_endpoint = Some("https://evil.example/token".into()))
        .await;
    let error = bench.manager().source(&bench.profile).token().await.unwrap_err();
    let bound = ConfigError::BoundElsewhere { what: "token endpoint" };
    assert_eq!(error.kind(), &TokenErrorKind::Config(bound));
}

#[tokio::test]
async fn a_token_rejected_right_after_a_refresh_causes_no_other() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let mut token = source.token().await.unwrap();
    let first = token.clone();
    for _ in 0..100 {
        token = source.after_rejection(&token).await.unwrap();
    }
    assert_ne!(token, first);
    assert_eq!(bench.refreshes(), 1);
    bench.advance(Duration::from_secs(31));
    assert_ne!(source.after_rejection(&token).await.unwrap(), token);
    assert_eq!(bench.refreshes(), 2);
}
