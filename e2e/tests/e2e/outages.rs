//! A fleet refreshes one rotating grant in Redis at a strict server while Redis ends and
//! comes back, cuts connections, or is taken over by its replica.

use std::time::{Duration, Instant};

use store_testkit::process::Process;
use test_services::{Redis, RedisSentinel};
use tokenkeep::Profile;

use crate::command::{Home, finish};
use crate::kills::{Kind, STAGE, Scene, WORKERS};

/// A second of real time: long enough for an outage to begin under a valid token.
const LIFE: Duration = Duration::from_secs(20);
const LIMIT: Duration = Duration::from_secs(300);
/// Long beside any stall of a busy machine: nobody here is dead.
const LEASE: Duration = Duration::from_secs(5);

/// Eight workers; none of them is killed.
struct Fleet {
    scene: Scene,
    workers: Vec<Process>,
}

impl Fleet {
    /// Nobody takes a refresh over while the outage lasts, and to connect may take its time.
    async fn start(store: &str) -> Self {
        let sign = if store.contains('?') { '&' } else { '?' };
        let store = format!("{store}{sign}connect_timeout=30000");
        let scene = Scene::new(Kind::Strict, LIFE, |_| store)
            .budget(Duration::from_secs(30))
            .lease(LEASE);
        scene.log_in().await;
        let workers: Vec<_> = (0..WORKERS).map(|_| scene.worker()).collect();
        for worker in &workers {
            assert!(worker.wait_for_stdout("ready\n", LIMIT), "{}", worker.stderr_so_far());
        }
        Self { scene, workers }
    }

    fn refreshes(&self) -> u64 {
        self.scene.server.counters().refreshes_granted
    }

    /// Waits until so many more refreshes are completed, and does this meanwhile.
    fn refresh(&self, more: u64, mut meanwhile: impl FnMut()) {
        let (enough, begun) = (self.refreshes() + more, Instant::now());
        while self.refreshes() < enough {
            assert!(
                begun.elapsed() < LIMIT,
                "{} of {enough}: {}",
                self.refreshes(),
                self.said()
            );
            meanwhile();
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until every worker has told of a failure since it had said so much.
    fn wait_for_errors(&self, before: &[usize]) {
        let begun = Instant::now();
        for (worker, before) in self.workers.iter().zip(before) {
            while !worker.stdout_so_far()[*before..].contains("\nerror ") {
                assert!(begun.elapsed() < LIMIT, "{}", worker.stdout_so_far());
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }

    fn said_so_much(&self) -> Vec<usize> {
        let said = |worker: &Process| worker.stdout_so_far().trim_end().len();
        self.workers.iter().map(said).collect()
    }

    /// All that went wrong in the eyes of the workers.
    fn errors(&self) -> Vec<String> {
        let all = self.workers.iter().map(Process::stdout_so_far);
        let lines = all.flat_map(|said| said.lines().map(str::to_owned).collect::<Vec<_>>());
        let well = |line: &String| line == "ready" || line.starts_with("token ");
        lines.filter(|line| !well(line)).collect()
    }

    /// The workers are asked to end while one of them has a request under way, whose answer a
    /// strict server gives once.
    fn end_in_the_midst(&mut self) {
        let requests = self.scene.server.counters().token_requests;
        assert!(self.scene.server.wait_for_token_requests_blocking(requests + 1, LIMIT));
        for worker in &mut self.workers {
            worker.terminate().unwrap();
        }
        for worker in self.workers.drain(..) {
            let output = worker.wait(LIMIT).unwrap();
            assert_eq!(output.code(), Some(0), "{}", output.stderr());
        }
    }

    fn said(&self) -> String {
        let last = |worker: &Process| worker.stdout_so_far().lines().last().map(str::to_owned);
        format!("{:#?}", self.workers.iter().map(last).collect::<Vec<_>>())
    }

    /// No login was lost, no refresh token spent twice, and who had a valid token noticed nothing;
    /// what is stored in the end is good.
    async fn has_lost_nothing(mut self) {
        let errors = self.errors();
        self.end_in_the_midst();
        let wrong = |line: &&String| line.starts_with("login ") || line.starts_with("noticed ");
        let wrong: Vec<_> = errors.iter().filter(wrong).collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
        let counters = self.scene.server.counters();
        assert_eq!((counters.double_spends, counters.logins_lost), (0, 0), "{counters:?}");
        assert_eq!((counters.families_revoked, counters.logins), (0, 1), "{counters:?}");
        let token = self.scene.manager().await.source(&Profile::default()).force().await;
        assert!(self.scene.server.is_live(token.unwrap().secret().expose()));
    }
}

#[tokio::test]
async fn a_server_that_ends_and_comes_back_costs_no_login() {
    let _stage = STAGE.lock().await;
    let mut redis = Redis::builder().durable().start().unwrap();
    let fleet = Fleet::start(&redis.url()).await;
    let home = Home::with_store(|_| redis.url());
    fleet.refresh(5, || ());
    for round in 0..3 {
        let before = fleet.said_so_much();
        if round == 0 {
            redis.stop();
        } else {
            redis.kill();
        }
        fleet.wait_for_errors(&before);
        let output = finish(home.command(&["token"]));
        assert_eq!(output.code(), Some(6), "{}", output.stderr());
        names_the_store(&output.stderr(), &redis);
        assert!(output.stderr().contains("is the server running"), "{}", output.stderr());
        redis.restart().unwrap();
        fleet.refresh(5, || ());
    }
    for error in fleet.errors().iter().filter(|line| line.starts_with("error ")) {
        names_the_store(error, &redis);
    }
    fleet.has_lost_nothing().await;
}

fn names_the_store(text: &str, redis: &Redis) {
    assert!(
        text.contains("redis") && text.contains(&redis.address().to_string()),
        "{text}"
    );
}

#[tokio::test]
async fn connections_that_are_cut_again_and_again_cost_no_login() {
    let _stage = STAGE.lock().await;
    let redis = Redis::builder().durable().start().unwrap();
    let fleet = Fleet::start(&redis.url()).await;
    let mut cuts = 0;
    fleet.refresh(12, || {
        redis
            .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
            .unwrap();
        cuts += 1;
        // On a busy machine nothing would ever get through without a pause.
        std::thread::sleep(Duration::from_millis(130));
    });
    assert!(cuts > 10, "{cuts}");
    fleet.has_lost_nothing().await;
}

#[tokio::test]
async fn a_replica_that_takes_over_has_all_that_was_confirmed() {
    let _stage = STAGE.lock().await;
    let mut servers = RedisSentinel::start().unwrap();
    let fleet = Fleet::start(&format!("{}?wait_replicas=1", servers.url())).await;
    fleet.refresh(5, || ());
    let said = fleet.said_so_much();
    let killed = servers.kill_primary().unwrap();
    fleet.wait_for_errors(&said);
    // Nobody confirms a write before the one that was killed comes back, as a replica.
    let primary = servers.fail_over().unwrap();
    let (address, port) = (primary.ip().to_string(), primary.port().to_string());
    let killed = servers.server_at(killed).unwrap();
    killed.restart().unwrap();
    killed.command(&["REPLICAOF", &address, &port]).unwrap();
    fleet.refresh(5, || ());
    fleet.has_lost_nothing().await;
}
