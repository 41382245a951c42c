//! Rare sequences, each of which once lost something.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::Timestamp;
use auth_core::error::{ReauthReason, TokenErrorKind};
use auth_core::key::Key;
use auth_core::observer::{Event, Observer};
use auth_core::provider::Rotation;
use auth_core::record::Mark;
use auth_core::refresh::{RefreshPolicy, Timing};
use auth_core::sealer::{DataKey, SealError, Sealer};
use auth_core::secret::SecretBytes;
use auth_core::store::StoreErrorKind;
use auth_core::transport::{HttpRequest, HttpResponse, Transport, TransportError};
use auth_core::{Profile, Target, TokenManager};
use auth_http::HttpTransport;
use store_testkit::server::{Fault, Gate, Rotation as ServerRotation};

use crate::setup::{Bench, HOUR, NEARLY};

#[tokio::test]
async fn a_grace_ends_however_often_it_was_tried() {
    let grace = Duration::from_secs(60);
    let mut bench = Bench::standing_with(|server| server.rotation(ServerRotation::GraceSamePair(grace)));
    bench.rotation = Rotation::Grace(grace);
    // Due so long before its end that whoever asks waits for the attempt, and has a good token all the same.
    let mut policy = RefreshPolicy::default();
    policy.margin = Duration::from_secs(300);
    let manager = || bench.builder(bench.app()).refresh_policy(policy).build().unwrap();
    let source = bench.logged_in(&manager()).await;
    let good = source.token().await.unwrap();
    bench.advance(Duration::from_secs(3400));
    // The second attempt is within the grace, and its answer is lost too; that begins no other grace.
    for refreshes in [1, 2, 2, 2] {
        bench.server.inject(Fault::drop_after_handling());
        assert_eq!(source.token().await.unwrap(), good);
        assert_eq!(manager().source(&bench.profile).token().await.unwrap(), good);
        assert_eq!(bench.refreshes(), refreshes);
        bench.advance(Duration::from_secs(40));
    }
    let counters = bench.server.counters();
    assert_eq!((counters.refreshes_replayed, counters.double_spends), (1, 0));
}

#[tokio::test]
async fn a_gateway_that_gave_up_does_not_end_the_login() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    let good = source.token().await.unwrap();
    bench.advance(NEARLY);
    bench
        .server
        .inject(Fault::answer(504).body("<html>gateway</html>").after_handling());
    for _ in 0..5 {
        assert_eq!(source.token().await.unwrap(), good);
        bench.advance(Duration::from_secs(1));
    }
    assert_eq!(bench.server.counters().double_spends, 0);
    bench.advance(HOUR);
    let error = source.token().await.unwrap_err();
    assert_eq!(
        error.kind(),
        &TokenErrorKind::ReauthRequired(ReauthReason::InterruptedRefresh),
        "explained"
    );
}

#[tokio::test]
async fn looking_does_not_disturb_who_wants_a_token() {
    let bench = Bench::new();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    for _ in 0..20 {
        let (looked, token) = tokio::join!(source.current(), source.token());
        token.unwrap();
        let _ = looked;
        bench.advance(HOUR);
    }
}

#[derive(Debug)]
struct PlainKey;

impl DataKey for PlainKey {
    fn seal(&self, _name: &str, plain: &SecretBytes) -> Result<Vec<u8>, SealError> {
        Ok(plain.expose().to_vec())
    }
}

/// Remembers the keys that it gave, without keeping them alive.
#[derive(Clone, Debug, Default)]
struct Keys(Arc<Mutex<Vec<Weak<dyn DataKey>>>>);

#[async_trait]
impl Sealer for Keys {
    fn name(&self) -> &'static str {
        "keys"
    }

    async fn data_key(&self, _key: &Key) -> Result<Arc<dyn DataKey>, SealError> {
        let key: Arc<dyn DataKey> = Arc::new(PlainKey);
        self.0.lock().unwrap().push(Arc::downgrade(&key));
        Ok(key)
    }

    async fn open(&self, _key: &Key, _name: &str, sealed: &[u8]) -> Result<SecretBytes, SealError> {
        Ok(SecretBytes::new(sealed.to_vec()))
    }
}

/// Counts the keys that are alive when a request goes out.
#[derive(Debug)]
struct Counting {
    keys: Keys,
    alive: Arc<AtomicUsize>,
    inner: HttpTransport,
}

#[async_trait]
impl Transport for Counting {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, TransportError> {
        let alive = self
            .keys
            .0
            .lock()
            .unwrap()
            .iter()
            .filter(|key| key.strong_count() > 0)
            .count();
        self.alive.fetch_add(alive, Ordering::SeqCst);
        self.inner.send(request).await
    }
}

#[tokio::test]
async fn the_data_key_is_there_while_the_answer_is_under_way() {
    let bench = Bench::standing();
    bench.logged_in(&bench.manager()).await;
    let (keys, alive) = (Keys::default(), Arc::new(AtomicUsize::new(0)));
    let transport = Counting {
        keys: keys.clone(),
        alive: alive.clone(),
        inner: HttpTransport::new(),
    };
    let manager = bench
        .builder(bench.app())
        .sealer(Arc::new(keys))
        .transport(transport)
        .build()
        .unwrap();
    bench.advance(HOUR);
    manager.source(&bench.profile).token().await.unwrap();
    assert_eq!(alive.load(Ordering::SeqCst), 1);
}

/// A refresh that is held after the server has handled it; what the store does then
/// is `failing`.
async fn held_refresh(bench: &Bench, manager: &TokenManager, failing: &[StoreErrorKind]) -> auth_core::TokenSource {
    let source = bench.logged_in(manager).await;
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    bench.store.fail_saves(failing);
    gate.release();
    let _ = flight.await.unwrap();
    source
}

#[tokio::test]
async fn nobody_waits_for_ever_behind_a_save_that_fails() {
    let bench = Bench::standing();
    let mut timing = Timing::default();
    timing.stall = Duration::ZERO;
    let manager = bench.builder(bench.app()).timing(timing).build().unwrap();
    let source = held_refresh(&bench, &manager, &[StoreErrorKind::Denied; 1_000]).await;
    let mut other = tokio::spawn(async move { source.token_for(&Target::new().audience("x")).await });
    tokio::select! {
        early = &mut other => panic!("{early:?}, without a wait"),
        () = bench.clock.limit_is_set(timing.lease_wait) => bench.clock.advance(timing.lease_wait),
    }
    let error = other.await.unwrap().unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Timeout);
    bench.store.stop_failing();
    assert!(manager.drain().await);
    assert!(bench.refresh_token_is_alive().await, "saved at last");
}

#[tokio::test]
async fn a_good_token_is_used_although_the_refresh_token_is_refused() {
    let bench = Bench::standing();
    let manager = bench.builder(bench.app()).cache_access_tokens(false).build().unwrap();
    let source = bench.logged_in(&manager).await;
    let good = source.force().await.unwrap();
    bench
        .server
        .revoke_family_of(bench.record().await.refresh_token.unwrap().expose());
    bench.advance(NEARLY);
    assert_eq!(source.token().await.unwrap(), good);
    assert_eq!(source.token().await.unwrap(), good);
    assert_eq!(bench.refreshes(), 2);
    bench.advance(Duration::from_secs(60));
    assert!(source.token().await.unwrap_err().is_reauth_required());
}

#[tokio::test]
async fn a_mark_from_the_future_holds_nobody_up() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    let future = Timestamp::from(std::time::SystemTime::now()).plus(HOUR * 3);
    bench
        .change(|record| record.mark = Some(Mark::new(record.refresh_token.as_ref().unwrap(), future)))
        .await;
    // As long as for any mark: until the request of who made it is surely over.
    let timing = Timing::default();
    let over = timing.budget + timing.settle;
    let mut flight = tokio::spawn(async move { source.token().await });
    tokio::select! {
        early = &mut flight => panic!("{early:?}, without a wait"),
        () = bench.clock.limit_is_set(over) => {}
    }
    assert_eq!(bench.refreshes(), 0);
    bench.clock.advance(over);
    flight.await.unwrap().unwrap();
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn a_refusal_that_cannot_be_noted_at_once_is_noted_later() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench
        .server
        .revoke_family_of(bench.record().await.refresh_token.unwrap().expose());
    bench.advance(HOUR);
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let caller = source.clone();
    let flight = tokio::spawn(async move { caller.token().await });
    gate.wait_for_arrivals(1).await;
    bench.store.fail_saves(&[StoreErrorKind::Unavailable; 2]);
    gate.release();
    flight.await.unwrap().unwrap_err();
    let error = bench.manager().source(&bench.profile).token().await.unwrap_err();
    let reason = ReauthReason::RefreshTokenRefused {
        code: "invalid_grant".into(),
    };
    assert_eq!(error.kind(), &TokenErrorKind::ReauthRequired(reason));
    assert_eq!(bench.refreshes(), 1);
}

#[derive(Debug)]
struct Panics;

impl Observer for Panics {
    fn event(&self, _profile: &Profile, event: &Event) {
        assert!(!matches!(event, Event::SaveDelayed), "an observer that panics");
    }
}

#[tokio::test]
async fn an_observer_that_panics_costs_no_token() {
    let bench = Bench::standing();
    let manager = bench.builder(bench.app()).observer(Panics).build().unwrap();
    held_refresh(&bench, &manager, &[StoreErrorKind::Unavailable]).await;
    assert!(manager.drain().await);
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test]
async fn what_one_target_may_not_have_the_others_may() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.advance(HOUR);
    for code in ["invalid_scope", "invalid_grant"] {
        bench
            .server
            .inject(Fault::answer(400).body(format!(r#"{{"error":"{code}"}}"#)));
        source.token_for(&Target::new().scope(code)).await.unwrap_err();
    }
    source.token().await.unwrap();
}

#[tokio::test]
async fn a_rebased_login_never_goes_back_in_versions() {
    let bench = Bench::standing();
    let manager = bench.manager();
    let source = bench.logged_in(&manager).await;
    for _ in 0..5 {
        source.force().await.unwrap();
    }
    let before = bench.version().await.generation();
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let flight = tokio::spawn(async move { source.force().await });
    gate.wait_for_arrivals(1).await;
    let key = Key::grant(&bench.profile);
    auth_core::TokenStore::remove(&bench.store, &key, auth_core::store::RemoveIf::Any)
        .await
        .unwrap();
    gate.release();
    flight.await.unwrap().unwrap();
    assert!(bench.version().await.generation() > before);
}

#[tokio::test]
async fn a_mark_that_may_be_stored_is_taken_away_where_nothing_was_sent() {
    let bench = Bench::standing();
    let source = bench.logged_in(&bench.manager()).await;
    bench.store.fail_saves(&[StoreErrorKind::Ambiguous; 2]);
    let error = source.force().await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::Ambiguous));
    assert_eq!((bench.record().await.mark, bench.refreshes()), (None, 0));
    source.force().await.unwrap();
}
