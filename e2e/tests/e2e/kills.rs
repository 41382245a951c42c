//! Workers that are killed at random while they refresh one rotating grant in one
//! JSON file. What is lost is counted at the authorization server.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use store_testkit::process::{Process, ProcessBuilder};
use store_testkit::server::{AuthorizationServer, Client, Login, Rotation};
use tokenkeep::clock::{Clock as _, SystemClock};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::grant::{AuthorizationCode, Grant as _};
use tokenkeep::record::Recipe;
use tokenkeep::token::TokenResponse;
use tokenkeep::{ClientRegistration, Profile, Target, TokenManager, provider, store};

const WORKERS: usize = 8;
const SPEED: u32 = 20;
const REFRESHES: u64 = 500;
const LIMIT: Duration = Duration::from_secs(600);

/// One scene at a time: three would starve the server, and what looks like a slow
/// request of a dead worker would be one.
pub(crate) static STAGE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct Scene {
    server: AuthorizationServer,
    folder: tempfile::TempDir,
    rotation: &'static str,
    secret: Option<&'static str>,
    origin: Duration,
}

#[derive(Debug, Default)]
struct Losses {
    kills: u64,
    explained: u64,
    unexplained: Vec<String>,
}

impl Scene {
    fn new(server_rotation: Rotation, rotation: &'static str, secret: Option<&'static str>) -> Self {
        let client = secret.map_or_else(|| Client::public("app"), |secret| Client::confidential("app", secret));
        let server = AuthorizationServer::builder()
            .client(client)
            .rotation(server_rotation)
            .access_token_lifetime(Duration::from_secs(1))
            .latency(Duration::from_millis(8))
            .start()
            .unwrap();
        let origin = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self {
            server,
            folder: tempfile::tempdir().unwrap(),
            rotation,
            secret,
            origin,
        }
    }

    fn store(&self) -> String {
        format!("json:{}", self.folder.path().join("tokens.json").display())
    }

    fn worker(&self) -> Process {
        let mut worker = ProcessBuilder::new(env!("CARGO_BIN_EXE_worker"))
            .env("HOME", self.folder.path())
            .env("WORKER_STORE", self.store())
            .env("WORKER_TOKEN_ENDPOINT", self.server.token_endpoint())
            .env("WORKER_ROTATION", self.rotation)
            .env("WORKER_SPEED", SPEED.to_string())
            .env("WORKER_ORIGIN", self.origin.as_millis().to_string());
        if let Some(secret) = self.secret {
            worker = worker.env("WORKER_CLIENT_SECRET", secret);
        }
        worker.spawn().unwrap()
    }

    /// A new login, as a person would make it: it replaces what is stored.
    async fn log_in(&self) {
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

    async fn manager(&self) -> TokenManager {
        let provider = provider::with_endpoints(EndpointUrl::new(&self.server.token_endpoint()).unwrap(), None);
        let client = match self.secret {
            Some(secret) => ClientRegistration::confidential(provider, "app", tokenkeep::Secret::new(secret)),
            None => ClientRegistration::public(provider, "app"),
        };
        tokenkeep::manager(client, store::open(&self.store()).await.unwrap())
            .build()
            .unwrap()
    }

    /// Kills workers at random until enough refreshes are completed.
    async fn run(&self) -> Losses {
        self.log_in().await;
        let mut losses = Losses::default();
        let mut workers: Vec<Process> = (0..WORKERS).map(|_| self.worker()).collect();
        let begun = Instant::now();
        while self.server.counters().refreshes_granted < REFRESHES {
            assert!(begun.elapsed() < LIMIT, "{losses:?} {:?}", self.server.counters());
            std::thread::sleep(Duration::from_micros(random(200_000)));
            let victim = usize::try_from(random(WORKERS as u64)).unwrap();
            let said = workers[victim].stdout_so_far();
            workers[victim].kill().unwrap();
            workers[victim] = self.worker();
            losses.kills += 1;
            if let Some(line) = said.lines().find(|line| line.starts_with("login ")) {
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

#[tokio::test]
async fn within_a_grace_nothing_is_lost() {
    let _stage = STAGE.lock().await;
    let scene = Scene::new(Rotation::GraceSamePair(Duration::from_secs(30)), "30", None);
    let losses = scene.run().await;
    let counters = scene.server.counters();
    assert_eq!((losses.explained, losses.unexplained.len()), (0, 0), "{losses:?}");
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0), "{losses:?}");
    assert!(losses.kills > 20, "{losses:?}");
}

#[tokio::test]
async fn a_confidential_client_without_rotation_loses_nothing() {
    let _stage = STAGE.lock().await;
    let scene = Scene::new(Rotation::None, "none", Some("secret"));
    let losses = scene.run().await;
    let counters = scene.server.counters();
    assert_eq!((losses.explained, losses.unexplained.len()), (0, 0), "{losses:?}");
    assert_eq!((counters.double_spends, counters.logins_lost), (0, 0), "{losses:?}");
}

#[tokio::test]
async fn on_a_strict_server_every_loss_is_explained() {
    let _stage = STAGE.lock().await;
    let scene = Scene::new(Rotation::Strict, "strict", None);
    let losses = scene.run().await;
    assert_eq!(losses.unexplained, Vec::<String>::new(), "{losses:?}");
    assert!(losses.explained < losses.kills, "{losses:?}");
}
