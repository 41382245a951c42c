//! Servers that go, come back, answer nothing, or answer what they should not.

use auth_core::store::{Lease, LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use std::time::Duration;

use store_mongo::MongoStore;
use store_mongo::mongodb::Client;
use store_mongo::mongodb::bson::{Document, doc};
use test_services::{MongoDb, Proxy, Trouble};

use crate::given::{bounded, connect, in_time, key, less_patient, patient, put, record, refused};

/// Of leases that must not end while they are looked at.
pub(crate) const HELD: Duration = Duration::from_secs(600);

#[tokio::test]
async fn what_was_saved_survives_a_kill_and_a_restart() {
    let mut server = MongoDb::start().unwrap();
    let store = patient(&server.url()).await;
    let mut last = put(&store, "a").await;
    for round in 0..6 {
        let next = record("a", round.to_string(), Some(last.version()));
        store.save(&next, WriteIf::Matches(last.version())).await.unwrap();
        last = next;
        if round % 2 == 0 {
            server.kill();
        } else {
            server.stop();
        }
        server.restart().unwrap();
        let found = in_time(async || store.load(&key("a")).await).await;
        assert_eq!(found.as_ref(), Some(&last), "round {round}");
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_unavailable_in_time_and_used_again_when_back() {
    let mut server = MongoDb::start().unwrap();
    let store = connect(&server.url()).await;
    let stored = put(&store, "a").await;
    server.kill();
    let next = record("a", "next", Some(stored.version()));
    for error in [
        refused(store.load(&key("a"))).await,
        refused(store.try_lease(&key("a"), &LeaseId::random(), HELD)).await,
        refused(store.renew(&key("a"), &LeaseId::random(), HELD)).await,
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }
    let error = refused(store.save(&next, WriteIf::Matches(stored.version()))).await;
    assert!(
        matches!(error.kind(), StoreErrorKind::Unavailable | StoreErrorKind::Ambiguous),
        "{error}"
    );
    server.restart().unwrap();
    in_time(async || store.save(&next, WriteIf::Matches(stored.version())).await).await;
    assert_eq!(in_time(async || store.load(&key("a")).await).await, Some(next));
}

/// A store that was opened while its server was away.
#[tokio::test]
async fn a_service_may_start_before_its_database() {
    let mut server = MongoDb::start().unwrap();
    let url = server.url();
    server.kill();
    let store = bounded(MongoStore::connect(&url)).await.unwrap();
    let error = refused(store.load(&key("a"))).await;
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    server.restart().unwrap();
    in_time(async || store.load(&key("a")).await).await;
    put(&store, "a").await;
}

#[tokio::test]
async fn a_server_that_answers_nothing_holds_nobody_up() {
    let server = MongoDb::start().unwrap();
    let store = connect(&server.url()).await;
    let stored = put(&store, "a").await;
    server.freeze();
    let next = record("a", "next", Some(stored.version()));
    let a = key("a");
    let (loaded, saved) = tokio::join!(
        refused(store.load(&a)),
        refused(store.save(&next, WriteIf::Matches(stored.version())))
    );
    server.thaw();
    assert_eq!(loaded.kind(), StoreErrorKind::Unavailable, "{loaded}");
    assert_eq!(saved.kind(), StoreErrorKind::Ambiguous, "{saved}");
    // It may have been written; said again, it is.
    in_time(async || store.save(&next, WriteIf::Matches(stored.version())).await).await;
    assert_eq!(in_time(async || store.load(&key("a")).await).await, Some(next));
}

#[tokio::test]
async fn a_connection_that_is_closed_once_is_not_noticed() {
    let server = MongoDb::start().unwrap();
    let store = patient(&server.url()).await;
    let stored = put(&store, "a").await;
    let failing = Failing::on(&server).await;
    failing
        .next(1, doc! { "failCommands": ["update"], "closeConnection": true })
        .await;
    let next = record("a", "next", Some(stored.version()));
    store.save(&next, WriteIf::Matches(stored.version())).await.unwrap();
    failing
        .next(1, doc! { "failCommands": ["insert"], "closeConnection": true })
        .await;
    put(&store, "b").await;
    failing
        .next(1, doc! { "failCommands": ["find"], "closeConnection": true })
        .await;
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(next));
    failing
        .next(1, doc! { "failCommands": ["findAndModify"], "closeConnection": true })
        .await;
    let mine = LeaseId::random();
    let lease = store.try_lease(&key("a"), &mine, HELD).await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    failing
        .next(1, doc! { "failCommands": ["update"], "closeConnection": true })
        .await;
    assert!(store.renew(&key("a"), &mine, HELD).await.unwrap());
}

#[tokio::test]
async fn a_connection_that_is_closed_again_leaves_a_write_open() {
    let server = MongoDb::start().unwrap();
    let store = patient(&server.url()).await;
    let stored = put(&store, "a").await;
    let failing = Failing::on(&server).await;
    failing
        .next(2, doc! { "failCommands": ["update"], "closeConnection": true })
        .await;
    let next = record("a", "next", Some(stored.version()));
    let error = refused(store.save(&next, WriteIf::Matches(stored.version()))).await;
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    in_time(async || store.save(&next, WriteIf::Matches(stored.version())).await).await;
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(next));
}

#[tokio::test]
async fn a_write_without_its_majority_is_ambiguous_and_there() {
    let server = MongoDb::start().unwrap();
    let store = patient(&server.url()).await;
    let failing = Failing::on(&server).await;
    let unacknowledged = |command: &str| {
        doc! { "failCommands": [command], "writeConcernError": { "code": 64, "errmsg": "canary", "codeName": "WriteConcernTimeout" } }
    };
    let mine = record("a", "mine", None);
    // The first write makes the index too.
    put(&store, "other").await;
    failing.next(1, unacknowledged("insert")).await;
    let error = refused(store.save(&mine, WriteIf::Absent)).await;
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    assert_eq!(
        store.load(&key("a")).await.unwrap().as_ref(),
        Some(&mine),
        "the write was done"
    );
    store.save(&mine, WriteIf::Absent).await.unwrap();

    let next = record("a", "next", Some(mine.version()));
    failing.next(1, unacknowledged("update")).await;
    let error = refused(store.save(&next, WriteIf::Matches(mine.version()))).await;
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    assert_eq!(store.load(&key("a")).await.unwrap(), Some(next), "the write was done");
}

#[tokio::test]
async fn what_a_server_refuses_has_its_kind() {
    let server = MongoDb::start().unwrap();
    let store = patient(&server.url()).await;
    let stored = put(&store, "a").await;
    let failing = Failing::on(&server).await;
    let next = record("a", "next", Some(stored.version()));
    for (code, kind) in [
        (13, StoreErrorKind::Denied),
        (8000, StoreErrorKind::Denied),
        (2, StoreErrorKind::Unavailable),
        (50, StoreErrorKind::Ambiguous),
        (11600, StoreErrorKind::Ambiguous),
    ] {
        failing
            .next(4, doc! { "failCommands": ["update"], "errorCode": code })
            .await;
        let error = refused(store.save(&next, WriteIf::Matches(stored.version()))).await;
        assert_eq!(error.kind(), kind, "{code}: {error}");
        failing.stop().await;
        let found = in_time(async || store.load(&key("a")).await).await;
        assert_eq!(found.as_ref(), Some(&stored), "{code}: nothing was written");
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_once_is_not_noticed() {
    let server = MongoDb::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let store = less_patient(&server.url_at(proxy.address())).await;
    let mut last = put(&store, "a").await;
    for round in 0..5 {
        proxy.set(Trouble::CutAnswers(1));
        let next = record("a", round.to_string(), Some(last.version()));
        let saved = bounded(store.save(&next, WriteIf::Matches(last.version()))).await;
        // The driver's monitor may be the one that is cut off.
        if let Err(error) = saved {
            assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
            in_time(async || store.save(&next, WriteIf::Matches(last.version())).await).await;
        }
        let found = in_time(async || store.load(&key("a")).await).await;
        assert_eq!(found.as_ref(), Some(&next), "round {round}");
        last = next;
    }
}

#[tokio::test]
async fn a_write_whose_answers_are_cut_off_is_ambiguous_and_there() {
    let server = MongoDb::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let store = connect(&server.url_at(proxy.address())).await;
    let stored = put(&store, "a").await;
    proxy.set(Trouble::CutAnswer);
    let next = record("a", "next", Some(stored.version()));
    let error = refused(store.save(&next, WriteIf::Matches(stored.version()))).await;
    assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{error}");
    proxy.set(Trouble::None);
    let found = in_time(async || store.load(&key("a")).await).await;
    assert_eq!(found, Some(next), "it was carried out, and nobody heard of it");
}

/// Makes a server's next commands fail.
pub(crate) struct Failing(Client);

impl Failing {
    pub(crate) async fn on(server: &MongoDb) -> Self {
        Self(Client::with_uri_str(server.url()).await.unwrap())
    }

    pub(crate) async fn next(&self, times: i32, how: Document) {
        self.run(doc! { "configureFailPoint": "failCommand", "mode": { "times": times }, "data": how })
            .await;
    }

    async fn stop(&self) {
        self.run(doc! { "configureFailPoint": "failCommand", "mode": "off" })
            .await;
    }

    async fn run(&self, command: Document) {
        self.0.database("admin").run_command(command).await.unwrap();
    }
}
