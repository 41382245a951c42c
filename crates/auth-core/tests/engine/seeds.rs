//! Refresh tokens that programs are given at each start.

use std::collections::{BTreeMap, HashSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::error::{ConfigError, ReauthReason, TokenErrorKind};
use auth_core::grant::{AuthorizationCode, ClientCredentials, Grant as _};
use auth_core::manager::Seed;
use auth_core::provider::Rotation;
use auth_core::record::{Recipe, RecordState};
use auth_core::store::{GetSet, GetSetStore, StoreErrorKind};
use auth_core::token::TokenResponse;
use auth_core::{Secret, Target};
use store_testkit::server::{Fault, Gate, Login};

use crate::setup::{Bench, HOUR};

impl Bench {
    /// A login made elsewhere, whose refresh token we are given.
    fn given(&self) -> Login {
        self.server.log_in("app", "api")
    }

    /// As a process that starts with this refresh token would.
    async fn start(&self, login: &Login) -> auth_core::TokenSource {
        self.manager()
            .seed(&self.profile, Seed::new(login.refresh_token.as_str()))
            .await
            .unwrap()
    }

    async fn refused(&self, login: &Login) -> TokenErrorKind {
        let before = self.version().await;
        let seed = Seed::new(login.refresh_token.as_str());
        let error = self.manager().seed(&self.profile, seed).await.unwrap_err();
        assert_eq!(self.version().await, before, "nothing is changed");
        error.kind().clone()
    }
}

fn hash(login: &Login) -> auth_core::secret::SecretHash {
    Secret::new(login.refresh_token.as_str()).hash()
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_at_once_spend_it_once() {
    let bench = Bench::with(|server| server.latency(Duration::from_millis(5)));
    for round in 1..=10 {
        let login = bench.given();
        let starts: Vec<_> = (0..16)
            .map(|_| {
                let (manager, profile) = (bench.manager(), bench.profile.clone());
                let seed = Seed::new(login.refresh_token.as_str());
                tokio::spawn(async move {
                    let source = manager.seed(&profile, seed).await.unwrap();
                    source.token().await.unwrap().secret().expose().to_owned()
                })
            })
            .collect();
        let mut tokens = HashSet::new();
        for start in starts {
            tokens.insert(start.await.unwrap());
        }
        assert_eq!((tokens.len(), bench.refreshes()), (1, round));
        assert!(bench.refresh_token_is_alive().await);
    }
    let counters = bench.server.counters();
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0));
}

#[tokio::test]
async fn what_descends_from_it_wins() {
    let bench = Bench::new();
    let login = bench.given();
    let first = bench.start(&login).await.token().await.unwrap();
    let begun = bench.record().await;
    assert_ne!(begun.refresh_token, Some(login.refresh_token.as_str().into()));
    for round in 0..3 {
        assert_eq!(bench.refreshes(), 1 + round);
        bench.advance(HOUR);
        assert_ne!(bench.start(&login).await.token().await.unwrap(), first);
        let record = bench.record().await;
        assert_eq!((record.seed, record.login_id), (Some(hash(&login)), begun.login_id));
    }
    // The access token that is stored is used by whoever starts next.
    bench.start(&login).await.token().await.unwrap();
    assert_eq!((bench.refreshes(), bench.server.counters().logins_lost), (4, 0));
    assert!(bench.refresh_token_is_alive().await);
}

#[tokio::test]
async fn another_one_is_a_new_login_and_the_old_one_does_not_come_back() {
    let bench = Bench::new();
    let (old, new) = (bench.given(), bench.given());
    let held = bench.start(&old).await;
    let old_token = held.token().await.unwrap();
    let old_id = bench.record().await.login_id;
    let token = bench.start(&new).await.token().await.unwrap();
    assert_ne!(token, old_token);
    assert_ne!(bench.record().await.login_id, old_id);
    let superseded = TokenErrorKind::Config(ConfigError::SupersededRefreshToken);
    assert_eq!(bench.refused(&old).await, superseded);
    assert_eq!(bench.start(&new).await.token().await.unwrap(), token);
    assert_eq!((bench.refreshes(), bench.server.counters().double_spends), (2, 0));
}

#[tokio::test]
async fn where_refresh_tokens_stay_the_old_one_may_come_back() {
    let mut bench = Bench::with(|server| server.rotation(store_testkit::server::Rotation::None));
    bench.rotation = Rotation::NonRotating;
    let (old, new) = (bench.given(), bench.given());
    for login in [&old, &new, &old] {
        let token = bench.start(login).await.token().await.unwrap();
        assert!(bench.server.is_live(token.secret().expose()));
        assert_eq!(bench.record().await.seed, Some(hash(login)));
    }
}

#[tokio::test]
async fn a_logout_holds_until_another_one_is_given() {
    let bench = Bench::new();
    let (login, other) = (bench.given(), bench.given());
    bench.start(&login).await.token().await.unwrap();
    assert!(bench.manager().logout(&bench.profile).await.unwrap());
    let logged_out = TokenErrorKind::ReauthRequired(ReauthReason::LoggedOut);
    assert_eq!(bench.refused(&login).await, logged_out);
    let state = bench.manager().status(&bench.profile).await.unwrap().unwrap().state;
    assert_eq!(state, RecordState::LoggedOut);
    bench.start(&other).await.token().await.unwrap();
    // Over the tombstone too what came before is remembered.
    let superseded = TokenErrorKind::Config(ConfigError::SupersededRefreshToken);
    assert_eq!(bench.refused(&login).await, superseded);
}

#[tokio::test]
async fn a_login_by_hand_is_not_undone_by_what_is_left_in_the_environment() {
    let bench = Bench::new();
    let (login, by_hand) = (bench.given(), bench.given());
    bench.start(&login).await.token().await.unwrap();
    let mut tokens = TokenResponse::bearer(by_hand.access_token.as_str());
    tokens.refresh_token = Some(by_hand.refresh_token.as_str().into());
    let recipe = Recipe::new(AuthorizationCode.name(), Target::new());
    bench.manager().adopt(&bench.profile, recipe, &tokens).await.unwrap();
    let superseded = TokenErrorKind::Config(ConfigError::SupersededRefreshToken);
    assert_eq!(bench.refused(&login).await, superseded);
    // Tokens from elsewhere are a seed themselves, also after they were spent.
    bench.manager().source(&bench.profile).force().await.unwrap();
    let kept = bench.version().await;
    bench.start(&by_hand).await.token().await.unwrap();
    assert_eq!(bench.version().await, kept);
    assert_eq!(bench.server.counters().double_spends, 0);
}

#[tokio::test]
async fn a_stored_refresh_token_that_is_given_again_is_the_same_login() {
    let bench = Bench::new();
    bench.logged_in(&bench.manager()).await;
    bench.change(|record| record.seed = None).await;
    let record = bench.record().await;
    let token = record.refresh_token.clone().unwrap();
    let source = bench.manager().seed(&bench.profile, token.clone()).await.unwrap();
    assert_eq!(bench.record().await.login_id, record.login_id);
    assert_eq!(bench.record().await.seed, Some(token.hash()));
    source.force().await.unwrap();
    bench.manager().seed(&bench.profile, token).await.unwrap();
    assert_eq!(bench.record().await.login_id, record.login_id);
}

#[tokio::test]
async fn the_access_token_given_with_it_is_used_first() {
    let bench = Bench::new();
    let login = bench.given();
    let seed = Seed::new(login.refresh_token.as_str()).access_token(login.access_token.as_str());
    let source = bench.manager().seed(&bench.profile, seed.clone()).await.unwrap();
    let given = source.token().await.unwrap();
    assert_eq!(given.secret().expose(), login.access_token);
    assert_eq!(bench.refreshes(), 0);
    // Nobody knows how long it lives: a 401 tells.
    let token = source.after_rejection(&given).await.unwrap();
    assert_ne!(token, given);
    // The next start has the old one still; what is stored is later.
    let again = bench.manager().seed(&bench.profile, seed).await.unwrap();
    assert_eq!(again.token().await.unwrap(), token);
    assert_eq!(bench.refreshes(), 1);
}

#[tokio::test]
async fn without_a_cache_of_access_tokens_the_given_one_is_used_from_memory() {
    let bench = Bench::new();
    let login = bench.given();
    let manager = bench.builder(bench.app()).cache_access_tokens(false).build().unwrap();
    let seed = Seed::new(login.refresh_token.as_str()).access_token(login.access_token.as_str());
    let source = manager.seed(&bench.profile, seed).await.unwrap();
    assert_eq!(source.token().await.unwrap().secret().expose(), login.access_token);
    assert_eq!((bench.record().await.access, bench.refreshes()), (None, 0));
}

#[tokio::test]
async fn a_store_that_fails_costs_nothing() {
    let bench = Bench::new();
    let login = bench.given();
    bench.store.fail_saves(&[StoreErrorKind::Denied]);
    let seed = || Seed::new(login.refresh_token.as_str());
    let error = bench.manager().seed(&bench.profile, seed()).await.unwrap_err();
    assert_eq!(error.kind(), &TokenErrorKind::Store(StoreErrorKind::Denied));
    assert_eq!(bench.server.counters().token_requests, 0);
    // Written, but the answer was lost; then by another process meanwhile.
    bench
        .store
        .fail_saves(&[StoreErrorKind::Ambiguous, StoreErrorKind::Conflict]);
    bench.start(&login).await;
    let begun = bench.record().await.login_id;
    // What the other one began is used, not begun again.
    assert_eq!(bench.version().await.generation(), 1);
    bench.store.stop_failing();
    bench.start(&login).await.token().await.unwrap();
    assert_eq!((bench.record().await.login_id, bench.refreshes()), (begun, 1));
}

#[tokio::test]
async fn a_process_that_dies_at_any_point_leaves_a_login() {
    let bench = Bench::new();
    let login = bench.given();
    // Begun, never spent.
    drop(bench.start(&login).await);
    // Spent by one that waits for its answer, while others start.
    let gate = Gate::new();
    bench.server.inject(Fault::none().hold_after(&gate));
    let first = bench.start(&login).await;
    let waiting = tokio::spawn(async move { first.token().await });
    gate.wait_for_arrivals(1).await;
    let second = bench.start(&login).await;
    // The caller is gone; what it began goes on to its end.
    waiting.abort();
    gate.release();
    second.token().await.unwrap();
    let counters = bench.server.counters();
    assert_eq!((bench.refreshes(), counters.double_spends), (1, 0));
    assert!(bench.refresh_token_is_alive().await);
}

#[derive(Debug, Default)]
struct Cache(Mutex<BTreeMap<String, Vec<u8>>>);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[async_trait]
impl GetSet for Cache {
    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn set(&self, name: &str, value: &[u8], _ttl: Option<Duration>) -> Result<(), Failure> {
        self.0.lock().unwrap().insert(name.into(), value.into());
        Ok(())
    }

    async fn delete(&self, name: &str) -> Result<(), Failure> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }
}

#[tokio::test]
async fn managers_that_could_lose_it_or_can_not_renew_it_refuse_it() {
    let bench = Bench::new();
    let login = bench.given();
    let seed = || Seed::new(login.refresh_token.as_str());
    let volatile = auth_core::TokenManager::builder(bench.app(), GetSetStore::new(Cache::default()))
        .transport(auth_http::HttpTransport::new());
    let volatile = volatile.build().unwrap();
    let error = volatile.seed(&bench.profile, seed()).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::VolatileStore { .. })
    ));
    let error = bench.service_manager().seed(&bench.profile, seed()).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::Unusable { .. })
    ));
    let other = bench
        .builder(bench.app())
        .grant(AuthorizationCode)
        .grant(ClientCredentials::new());
    let error = other.build().unwrap().seed(&bench.profile, seed()).await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::UnknownGrant { grant }) if grant == "refresh_token"
    ));
    let error = bench.manager().seed(&bench.profile, Seed::new("")).await.unwrap_err();
    assert!(error.to_string().contains("empty"), "{error}");
    assert_eq!(bench.server.counters().token_requests, 0);
}

#[tokio::test]
async fn a_seed_of_another_client_is_not_handed_out() {
    let bench = Bench::new();
    let login = bench.given();
    bench.start(&login).await.token().await.unwrap();
    let other = auth_core::ClientRegistration::public(bench.app().provider().clone(), "other");
    let manager = bench.builder(other).build().unwrap();
    let source = manager
        .seed(&bench.profile, Seed::new(login.refresh_token.as_str()))
        .await
        .unwrap();
    let error = source.token().await.unwrap_err();
    assert!(matches!(
        error.kind(),
        TokenErrorKind::Config(ConfigError::BoundElsewhere { what: "client id" })
    ));
    assert_eq!(bench.refreshes(), 1);
}
