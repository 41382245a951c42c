//! Profiles that move from store to store by the built command, all of them and exactly; and moves that are
//! killed anywhere.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use store_testkit::process::{Process, ProcessBuilder};
use test_services::Redis;
use tokenkeep::clock::{Clock as _, SystemClock, Timestamp};
use tokenkeep::endpoint::EndpointUrl;
use tokenkeep::key::Key;
use tokenkeep::record::{
    AccessEntry, Binding, ClientRecord, Contents, GrantRecord, HistoryEntry, Outcome, Recipe, TokenRecord,
};
use tokenkeep::store::TokenStoreExt as _;
use tokenkeep::{Profile, Secret, Target, TokenStore, provider, store};
use tokio::task::JoinSet;

use crate::command::{Home, LIMIT, patient};
use crate::kills::random;
use crate::mongo::PATIENT;

const TOKEN_ENDPOINT: &str = "http://127.0.0.1:1/token";

/// A thousand profiles are some thousands of writes, one after the other.
const ALL: Duration = Duration::from_secs(3_600);

/// A JSON file takes them by one replacement.
const SAVED_AT_ONCE: usize = 64;

/// What was stored under each key, with its end.
type Stored = BTreeMap<Key, (Contents, Option<Timestamp>)>;

/// A client, a login and an access token for something else, every secret another one.
fn profile(number: usize) -> [(Key, (Contents, Option<Timestamp>)); 3] {
    let profile = Profile::new(format!("user-{number:04}")).unwrap();
    let provider = provider::with_endpoints(EndpointUrl::new(TOKEN_ENDPOINT).unwrap(), None);
    let mut client = ClientRecord::new(provider, format!("client-{number}"));
    client.client_secret = Some(Secret::new(format!("client-secret-{number}")));
    let binding = Binding::new(None, Some(TOKEN_ENDPOINT.into()), format!("client-{number}"));
    let target = |scope: &str| {
        Target::new()
            .scope(scope)
            .audience(format!("https://api-{number}.example"))
    };
    let end = SystemClock.now().plus(Duration::from_secs(86_400 + number as u64));
    let access =
        |name: &str| AccessEntry::bearer(Secret::new(format!("{name}-{number}")), SystemClock.now(), Some(end));

    let mut grant = GrantRecord::new(Recipe::new("authorization_code", target("all")), binding.clone());
    grant.refresh_token = Some(Secret::new(format!("refresh-{number}-{}", "x".repeat(number % 300))));
    grant.id_token = Some(Secret::new(format!("id-{number}")));
    grant.access = Some(access("access"));
    let other = target("one");
    let key = Key::token(&profile, other.id());
    let mut token = TokenRecord::new(binding, "authorization_code", other, access("other"));
    token.login_id = Some(grant.login_id);
    let keep_grant = Some(end.plus(Duration::from_secs(number as u64)));
    [
        (Key::client(&profile), (client.into(), None)),
        (Key::grant(&profile), (grant.into(), keep_grant)),
        (key, (token.into(), Some(end))),
    ]
}

async fn fill(url: &str, profiles: usize) -> Stored {
    let store = store::open(url).await.unwrap();
    let stored: Stored = (0..profiles).flat_map(profile).collect();
    let mut saving = JoinSet::new();
    for (key, (contents, keep_until)) in stored.clone() {
        if saving.len() == SAVED_AT_ONCE {
            saving.join_next().await.unwrap().unwrap();
        }
        let store = store.clone();
        saving.spawn(async move { store.save_contents(&key, &contents, None, keep_until).await.unwrap() });
    }
    saving.join_all().await;
    stored
}

/// The command that moves all profiles from one store to the other.
fn migration(home: &Home, from: &str, to: &str, options: &[&str]) -> ProcessBuilder {
    home.command(&["store", "migrate", "--to", to])
        .args(options)
        .env("TOKENKEEP_STORE", from)
}

fn migrate(home: &Home, from: &str, to: &str, options: &[&str]) {
    let output = migration(home, from, to, options).spawn().unwrap().wait(ALL).unwrap();
    assert_eq!(output.code(), Some(0), "{}", output.stderr());
    for secret in ["secret-", "refresh-", "access-", "id-", "other-"] {
        let said = format!("{}{}", output.stdout(), output.stderr());
        assert!(!said.contains(secret), "{secret} in what it says");
    }
}

/// The same keys, contents and ends; of a move only the history tells, in one line each.
async fn assert_exact(url: &str, expected: &Stored, moves: usize) {
    let store = store::open(url).await.unwrap();
    let listed = store.list_all().await.unwrap();
    let listed: Vec<&Key> = listed.iter().map(|listed| &listed.key).collect();
    assert_eq!(listed.len(), expected.len());
    for (key, (contents, keep_until)) in expected {
        let record = store.load(key).await.unwrap().unwrap();
        assert_eq!(record.keep_until(), *keep_until, "{key}");
        match (record.decode().unwrap(), contents) {
            (Contents::Grant(mut found), Contents::Grant(expected)) => {
                let (told, before): (Vec<HistoryEntry>, _) = found
                    .history
                    .into_iter()
                    .partition(|entry| entry.outcome == Outcome::Moved);
                assert_eq!(told.len(), moves, "{key}");
                found.history = before;
                assert_eq!(&found, expected, "{key}");
            }
            (found, expected) => assert_eq!(&found, expected, "{key}"),
        }
    }
}

/// Nothing that can be spent or used is left.
async fn assert_left(url: &str) {
    let store = store::open(url).await.unwrap();
    for listed in store.list_all().await.unwrap() {
        let (_, contents) = store.load_contents(&listed.key).await.unwrap().unwrap();
        let grant = contents
            .into_grant()
            .unwrap_or_else(|| panic!("{} was left", listed.key));
        assert!(grant.ended.is_some() && grant.refresh_token.is_none() && grant.access.is_none());
    }
}

fn local(home: &Home, scheme: &str, name: &str) -> String {
    format!("{scheme}:{}", home.folder().join(name).join("tokens").display())
}

/// A namespace of our own at the server that the variable names.
fn mongo() -> String {
    let url = std::env::var("TOKENKEEP_TEST_MONGODB_URL")
        .unwrap_or_else(|_| panic!("TOKENKEEP_TEST_MONGODB_URL is not set: run `cargo xtask test --only e2e`"));
    format!("{url}&namespace=migrations-{}&{PATIENT}", std::process::id())
}

#[tokio::test]
async fn a_thousand_profiles_through_every_kind_of_store_stay_exactly_the_same() {
    let redis = Redis::builder().durable().start().unwrap();
    let home = Home::in_memory();
    let places = [
        local(&home, "json", "first"),
        local(&home, "sqlite", "second"),
        patient(&redis.url()),
        mongo(),
        local(&home, "json", "last"),
    ];
    let expected = fill(&places[0], 1_000).await;
    for pair in places.windows(2) {
        migrate(&home, &pair[0], &pair[1], &["--delete-source"]);
        assert_left(&pair[0]).await;
    }
    assert_exact(&places[places.len() - 1], &expected, places.len() - 1).await;
}

/// Two stores that profiles move between.
struct Move<'a> {
    home: &'a Home,
    urls: [&'a str; 2],
    stores: [Arc<dyn TokenStore>; 2],
    expected: Stored,
}

impl<'a> Move<'a> {
    async fn new(home: &'a Home, from: &'a str, to: &'a str, profiles: usize) -> Self {
        let expected = fill(from, profiles).await;
        let stores = [store::open(from).await.unwrap(), store::open(to).await.unwrap()];
        Self {
            home,
            urls: [from, to],
            stores,
            expected,
        }
    }

    /// Kills the command at random, at most so often, until a run comes to its end; how often it was killed.
    async fn killed_at_most(&self, limit: u32) -> u32 {
        let [from, to] = self.urls;
        let mut kills = 0;
        loop {
            let mut running = migration(self.home, from, to, &[]).spawn().unwrap();
            if kills < limit && goes_on_for_a_while(&mut running).await {
                running.kill().unwrap();
                kills += u32::from(running.wait(LIMIT).unwrap().signal().is_some());
                self.check().await;
                continue;
            }
            let output = running.wait(LIMIT).unwrap();
            assert_eq!(output.code(), Some(0), "{}", output.stderr());
            self.check().await;
            assert_arrived(&self.stores[1], &self.expected).await;
            return kills;
        }
    }

    /// Every refresh token is there, and can be spent in one place at most.
    async fn check(&self) {
        for (key, (contents, _)) in &self.expected {
            let Contents::Grant(login) = contents else { continue };
            let (mut there, mut spendable) = (0, 0);
            for store in &self.stores {
                let stored = store.load_contents(key).await.unwrap();
                let grant = stored.and_then(|(_, contents)| contents.into_grant());
                let Some(grant) = grant.filter(|grant| grant.refresh_token.is_some()) else {
                    continue;
                };
                assert_eq!(grant.refresh_token, login.refresh_token, "{key}");
                there += 1;
                spendable += u32::from(grant.ended.is_none() && grant.departure.is_none());
            }
            assert!(there >= 1, "{key} is lost");
            assert!(spendable <= 1, "{key} can be spent twice");
        }
    }
}

/// Waits until some more profiles have moved, and a moment; whether it runs still.
async fn goes_on_for_a_while(running: &mut Process) -> bool {
    let enough = usize::try_from(random(9)).unwrap();
    while running.stderr_so_far().matches(": moved").count() < enough {
        if !running.is_running().unwrap() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_micros(random(30_000))).await;
    running.is_running().unwrap()
}

async fn assert_arrived(store: &Arc<dyn TokenStore>, expected: &Stored) {
    for (key, (contents, _)) in expected {
        let (_, found) = store.load_contents(key).await.unwrap().unwrap();
        match (found, contents) {
            (Contents::Grant(found), Contents::Grant(expected)) => {
                assert!(found.ended.is_none() && found.departure.is_none(), "{key}");
                assert_eq!(found.refresh_token, expected.refresh_token, "{key}");
                assert_eq!(found.access, expected.access, "{key}");
            }
            (found, expected) => assert_eq!(&found, expected, "{key}"),
        }
    }
}

#[tokio::test]
async fn killed_forty_times_nothing_is_lost_and_nothing_can_be_spent_twice() {
    let mut kills = 0;
    while kills < 40 {
        let home = Home::new();
        let (from, to) = (local(&home, "json", "from"), local(&home, "sqlite", "to"));
        let moving = Move::new(&home, &from, &to, 200).await;
        kills += moving.killed_at_most(u32::MAX).await;
    }
}

/// There the leases of the dead end by time: several moves at once, so that it is waited for once.
#[test]
fn killed_over_redis() {
    let redis = Redis::builder().durable().start().unwrap();
    let home = Home::new();
    let mut kills = 0;
    for round in 0.. {
        assert!(round < 20, "{kills} were killed");
        kills += six_moves(&home, &redis, round);
        if kills >= 3 {
            return;
        }
    }
}

/// Each may be killed once; how many were.
fn six_moves(home: &Home, redis: &Redis, round: u32) -> u32 {
    let places = |number: usize| {
        let scheme = if number < 3 { "json" } else { "sqlite" };
        let file = local(home, scheme, &format!("{round}-{number}"));
        let server = patient(&format!("{}?prefix=move-{round}-{number}:", redis.url()));
        if number.is_multiple_of(2) {
            [file, server]
        } else {
            [server, file]
        }
    };
    std::thread::scope(|scope| {
        let moves: Vec<_> = (0..6)
            .map(|number| {
                let [from, to] = places(number);
                scope.spawn(move || killed_once(home, &from, &to))
            })
            .collect();
        moves.into_iter().map(|one| one.join().unwrap()).sum()
    })
}

#[tokio::main(flavor = "current_thread")]
async fn killed_once(home: &Home, from: &str, to: &str) -> u32 {
    Move::new(home, from, to, 30).await.killed_at_most(1).await
}
