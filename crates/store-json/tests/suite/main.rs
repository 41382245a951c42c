//! The suite of all stores. Apart from the other tests, as some of them start processes: until it has become another
//! program a new process holds whatever this one has locked, and a lease that was given back is not free.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::unused_async, reason = "a subject is opened by an async function")]

use std::sync::Arc;

use auth_core::clock::ManualClock;
use auth_core::store::{Capabilities, LeaseEnd, LeaseScope, Persistence};
use store_json::JsonStore;
use store_testkit::Subject;
use tempfile::TempDir;

async fn subject() -> Subject<JsonStore> {
    let (folder, clock) = (TempDir::new().unwrap(), ManualClock::default());
    let path = folder.path().join("tokens.json");
    let open = {
        let clock = clock.clone();
        move || JsonStore::open(&path).unwrap().with_clock(Arc::new(clock.clone()))
    };
    Subject::new(open(), clock)
        .reopening(move || std::future::ready(open()))
        .expecting(Capabilities::new(
            Persistence::DurableNode,
            LeaseScope::Host,
            LeaseEnd::ByHolder,
        ))
        .keeping(folder)
}

store_testkit::conformance!(json, subject());
