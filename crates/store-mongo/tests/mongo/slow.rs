//! A server that has too much to do.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use auth_core::key::Key;
use auth_core::record::{Binding, GrantRecord, Recipe};
use auth_core::store::{LeaseId, TokenStoreExt as _};
use auth_core::transfer::{Place, Transfer};
use auth_core::{MemoryStore, Profile, Secret, Target, TokenStore};
use store_mongo::mongodb::bson::doc;
use test_services::MongoDb;

use crate::faults::{Failing, HELD};
use crate::given::{connect, in_time, key, patient, put};

/// When the store gives an operation up. The others must be done by then, however busy the machine.
const GIVEN_UP: Duration = Duration::from_secs(7);
const BLOCKED_MS: u32 = 20_000;

/// Twelve of their writes are done long after nobody waits for them any more.
#[tokio::test]
async fn logins_that_are_not_answered_in_time_are_moved_all_the_same() {
    let server = MongoDb::start().unwrap();
    let there = connect(&format!("{}&timeoutMS={}", server.url(), GIVEN_UP.as_millis())).await;
    // It has found out about its server by then, so that all the time is for the writes.
    put(&there, "warm").await;
    in_time(async || there.try_lease(&key("warm"), &LeaseId::random(), HELD).await).await;
    let here = MemoryStore::new();
    let binding = Binding::new(None, Some("http://127.0.0.1:1/token".into()), "app");
    for number in 0..40 {
        let mut login = GrantRecord::new(Recipe::new("authorization_code", Target::new()), binding.clone());
        login.refresh_token = Some(Secret::new(format!("refresh-{number}")));
        let key = Key::grant(&name(number));
        here.replace_contents(&key, &login.into(), None).await.unwrap();
    }
    let failing = Failing::on(&server).await;
    let late = doc! { "failCommands": ["insert", "update"], "blockConnection": true, "blockTimeMS": BLOCKED_MS };
    let blocked_until = Instant::now() + Duration::from_millis(BLOCKED_MS.into());
    failing.next(12, late).await;

    let moving = Transfer::new(
        Place::new(Arc::new(here.clone()), "here"),
        Place::new(Arc::new(there.clone()), "there"),
    );
    let mut told = Vec::new();
    let moving = moving.at_once(16);
    let moving = moving.all(|profile, report| {
        report.unwrap_or_else(|error| panic!("{profile}: {error:?}"));
        told.push(profile.clone());
        ControlFlow::Continue(())
    });
    moving.await.unwrap();
    assert_eq!(told, (0..40).map(name).collect::<Vec<_>>());
    // The late ones come to nothing; most are over by then.
    tokio::time::sleep_until(blocked_until.into()).await;
    let there = patient(&server.url()).await;
    for number in 0..40 {
        let key = Key::grant(&name(number));
        let (_, arrived) = there.load_contents(&key).await.unwrap().unwrap();
        let arrived = arrived.into_grant().unwrap();
        assert_eq!(arrived.refresh_token, Some(Secret::new(format!("refresh-{number}"))));
        assert!(arrived.ended.is_none() && arrived.departure.is_none(), "{key}");
        let (_, left) = here.load_contents(&key).await.unwrap().unwrap();
        assert!(left.into_grant().unwrap().ended.is_some(), "{key} can be spent twice");
    }
}

fn name(number: u32) -> Profile {
    Profile::new(format!("user-{number:02}")).unwrap()
}
