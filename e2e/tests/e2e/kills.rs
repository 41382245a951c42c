//! Workers that are killed at random while they refresh one rotating grant in one
//! store. What is lost is counted at the authorization server.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store_testkit::process::{Process, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, Client, Login, Rotation};
use test_services::Redis;
use tokenkeep::clock::{Clock as _, SystemClock};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::{AuthorizationCode, Grant as _};
use tokenkeep::record::Recipe;
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Profile, Target, TokenManager, provider, store};

use crate::command::patient;

pub(crate) const WORKERS: usize = 8;
const SPEED: u32 = 20;
/// Over the file; over each other store a scene that is shorter.
const REFRESHES: u64 = 500;
const FEWER: u64 = 60;
const BUDGET: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(600);

/// One scene at a time: three would starve the server, and what looks like a slow
/// request of a dead worker would be one.
pub(crate) static STAGE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// How the server and the workers take refresh tokens.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Grace,
    NoRotation,
    Strict,
}

impl Kind {
    fn of_server(self) -> Rotation {
        match self {
            Self::Grace => Rotation::GraceSamePair(Duration::from_secs(30)),
            Self::NoRotation => Rotation::None,
            Self::Strict => Rotation::Strict,
        }
    }

    fn of_workers(self) -> &'static str {
        match self {
            Self::Grace => "30",
            Self::NoRotation => "none",
            Self::Strict => "strict",
        }
    }

    fn secret(self) -> Option<&'static str> {
        matches!(self, Self::NoRotation).then_some("secret")
    }
}

/// Workers at an authorization server, over the store with this URL.
pub(crate) struct Scene {
    pub(crate) server: AuthorizationServer,
    folder: tempfile::TempDir,
    store: String,
    kind: Kind,
    budget: Duration,
    lease: Duration,
    origin: Duration,
}

#[derive(Debug, Default)]
struct Losses {
    kills: u64,
    explained: u64,
    unexplained: Vec<String>,
}

impl Scene {
    /// Tokens live so long by the clock of the workers.
    pub(crate) fn new(kind: Kind, life: Duration, store: impl FnOnce(&Path) -> String) -> Self {
        let client = kind
            .secret()
            .map_or_else(|| Client::public("app"), |secret| Client::confidential("app", secret));
        let server = AuthorizationServer::builder()
            .client(client)
            .rotation(kind.of_server())
            .access_token_lifetime(life)
            .latency(Duration::from_millis(8))
            .start()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        Self {
            server,
            store: store(folder.path()),
            folder,
            kind,
            budget: BUDGET,
            lease: Duration::from_secs(1),
            origin: SystemTime::now().duration_since(UNIX_EPOCH).unwrap(),
        }
    }

    /// A token request of a worker may take so long. On a store whose leases end by time nobody
    /// takes the refresh of a dead worker over before.
    pub(crate) fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// A lease that ends by time ends so long after the death of its holder.
    pub(crate) fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    pub(crate) fn worker(&self) -> Process {
        let mut worker = ProcessBuilder::new(env!("CARGO_BIN_EXE_worker"))
            .env("HOME", self.folder.path())
            .env("WORKER_STORE", &self.store)
            .env("WORKER_TOKEN_ENDPOINT", self.server.token_endpoint())
            .env("WORKER_ROTATION", self.kind.of_workers())
            .env("WORKER_SPEED", SPEED.to_string())
            .env("WORKER_BUDGET", self.budget.as_secs().to_string())
            .env("WORKER_LEASE", self.lease.as_secs().to_string())
            .env("WORKER_ORIGIN", self.origin.as_millis().to_string());
        if let Some(secret) = self.kind.secret() {
            worker = worker.env("WORKER_CLIENT_SECRET", secret);
        }
        worker.spawn().unwrap()
    }

    /// A new login, as a person would make it: it replaces what is stored.
    pub(crate) async fn log_in(&self) {
        let Login {
            access_token,
            refresh_token,
            ..
        } = self.server.log_in("app", "api");
        let mut tokens = TokenResponse::bearer(access_token.as_str());
        tokens.refresh_token = Some(refresh_token.as_str().into());
        tokens.expires_in = Some(Duration::ZERO);
        let recipe = Recipe::new(AuthorizationCode.name(), Target::new());
        self.manager()
            .await
            .adopt(&Profile::default(), recipe, &tokens)
            .await
            .unwrap();
    }

    pub(crate) async fn manager(&self) -> TokenManager {
        let provider = provider::with_endpoints(EndpointUrl::new(&self.server.token_endpoint()).unwrap(), None);
        let client = match self.kind.secret() {
            Some(secret) => ClientRegistration::confidential(provider, "app", tokenkeep::Secret::new(secret)),
            None => ClientRegistration::public(provider, "app"),
        };
        tokenkeep::manager(client, store::open(&self.store).await.unwrap())
            .build()
            .unwrap()
    }

    /// Kills workers at random until so many refreshes are completed.
    async fn run(&self, refreshes: u64) -> Losses {
        self.log_in().await;
        let mut losses = Losses::default();
        let mut workers: Vec<Process> = (0..WORKERS).map(|_| self.worker()).collect();
        let begun = Instant::now();
        while self.server.counters().refreshes_granted < refreshes {
            assert!(begun.elapsed() < LIMIT, "{losses:?} {:?}", self.server.counters());
            std::thread::sleep(Duration::from_micros(random(200_000)));
            let victim = usize::try_from(random(WORKERS as u64)).unwrap();
            let said = workers[victim].stdout_so_far();
            workers[victim].kill().unwrap();
            workers[victim] = self.worker();
            losses.kills += 1;
            // Of its last loss: of those before others have told.
            if let Some(line) = said.lines().rfind(|line| line.starts_with("login ")) {
                self.note_loss(line, &mut losses).await;
            }
        }
        losses
    }

    /// A worker said that a login is required; others may have said so of the same
    /// loss, so the store is asked whether it is still true.
    async fn note_loss(&self, said: &str, losses: &mut Losses) {
        let status = self.manager().await.status(&Profile::default()).await.unwrap().unwrap();
        if status.state != tokenkeep::record::RecordState::Refused {
            return;
        }
        if said.contains("InterruptedRefresh") {
            losses.explained += 1;
        } else {
            losses.unexplained.push(said.to_owned());
        }
        self.log_in().await;
    }
}

/// Some number below this.
pub(crate) fn random(below: u64) -> u64 {
    let now = SystemClock.now().unix_millis().unsigned_abs();
    let nanos = u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos());
    (now ^ nanos.wrapping_mul(0x9e37_79b9_7f4a_7c15)).rotate_left(17) % below
}

fn json(folder: &Path) -> String {
    format!("json:{}", folder.join("tokens.json").display())
}

fn sqlite(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("tokens.sqlite").display())
}

/// Until so many refreshes are completed no login is lost.
async fn nothing_is_lost(kind: Kind, store: impl FnOnce(&Path) -> String, refreshes: u64) {
    let _stage = STAGE.lock().await;
    let scene = Scene::new(kind, Duration::from_secs(1), store);
    let losses = scene.run(refreshes).await;
    let counters = scene.server.counters();
    assert_eq!((losses.explained, losses.unexplained.len()), (0, 0), "{losses:?}");
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0), "{losses:?}");
    assert!(losses.kills > refreshes / 25, "{losses:?}");
}

/// A strict server may have taken the request of the killed: such a loss is told for what it is.
async fn every_loss_is_explained(store: impl FnOnce(&Path) -> String, refreshes: u64, budget: Duration) {
    let _stage = STAGE.lock().await;
    let scene = Scene::new(Kind::Strict, Duration::from_secs(1), store).budget(budget);
    let losses = scene.run(refreshes).await;
    assert_eq!(losses.unexplained, Vec::<String>::new(), "{losses:?}");
    assert!(losses.explained < losses.kills, "{losses:?}");
}

#[tokio::test]
async fn within_a_grace_nothing_is_lost() {
    nothing_is_lost(Kind::Grace, json, REFRESHES).await;
}

#[tokio::test]
async fn within_a_grace_nothing_is_lost_over_sqlite() {
    nothing_is_lost(Kind::Grace, sqlite, FEWER).await;
}

#[tokio::test]
async fn within_a_grace_nothing_is_lost_over_redis() {
    let redis = Redis::start().unwrap();
    nothing_is_lost(Kind::Grace, |_| patient(&redis.url()), FEWER).await;
}

#[tokio::test]
async fn a_confidential_client_without_rotation_loses_nothing() {
    nothing_is_lost(Kind::NoRotation, json, REFRESHES).await;
}

#[tokio::test]
async fn a_confidential_client_without_rotation_loses_nothing_over_sqlite() {
    nothing_is_lost(Kind::NoRotation, sqlite, FEWER).await;
}

#[tokio::test]
async fn a_confidential_client_without_rotation_loses_nothing_over_redis() {
    let redis = Redis::start().unwrap();
    nothing_is_lost(Kind::NoRotation, |_| patient(&redis.url()), FEWER).await;
}

#[tokio::test]
async fn on_a_strict_server_every_loss_is_explained() {
    every_loss_is_explained(json, REFRESHES, BUDGET).await;
}

#[tokio::test]
async fn on_a_strict_server_every_loss_is_explained_over_sqlite() {
    every_loss_is_explained(sqlite, FEWER, BUDGET).await;
}

#[tokio::test]
async fn on_a_strict_server_every_loss_is_explained_over_redis() {
    let redis = Redis::start().unwrap();
    every_loss_is_explained(|_| patient(&redis.url()), FEWER, Duration::from_secs(4)).await;
}
