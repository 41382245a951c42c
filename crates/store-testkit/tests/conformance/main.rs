//! The suite over core's own stores, and the proof that it can fail.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::unused_async, reason = "a subject is opened by an async function")]

mod broken;
mod cas_lease;
mod get_set;
mod named_cases;

use std::sync::Arc;

use auth_core::clock::ManualClock;
use auth_core::store::{Capabilities, LeaseEnd, LeaseScope, MemoryStore, Persistence};
use store_testkit::Subject;

use cas_lease::CasLeaseStore;

async fn memory() -> Subject<MemoryStore> {
    let clock = ManualClock::default();
    Subject::new(MemoryStore::with_clock(Arc::new(clock.clone())), clock).expecting(Capabilities::new(
        Persistence::Memory,
        LeaseScope::Process,
        LeaseEnd::ByTime,
    ))
}

async fn memory_with_cas_lease() -> Subject<CasLeaseStore> {
    let clock = ManualClock::default();
    let store = CasLeaseStore::new(&clock);
    let again = store.clone();
    Subject::new(store, clock).reopening(move || {
        let second = again.clone();
        async { second }
    })
}

store_testkit::conformance!(memory_store, memory());
store_testkit::conformance!(cas_lease_store, memory_with_cas_lease());
store_testkit::conformance_renewable!(get_set_store, get_set::over_a_map());
