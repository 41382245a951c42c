//! Many who count up one number by compare-and-swap: what is lost or done twice shows in the sum.
//!
//! One stores the zero by [`begin`]; each of the others, a process of its own, does [`count`]; at the end
//! [`assert_sum`] looks.

#![allow(
    clippy::missing_panics_doc,
    reason = "each panics where the store breaks the contract: that is what it is for"
)]

use std::time::Duration;

use auth_core::clock::{Clock as _, SystemClock};
use auth_core::record::Version;
use auth_core::store::{StoreErrorKind, TokenStore, WriteIf};

use crate::extent;
use crate::records::{key, record};

const NAME: &str = "counter";

/// How often each counts.
fn times() -> u64 {
    extent(100, 1_000)
}

/// Stores the zero, where there is nothing yet.
pub async fn begin<S: TokenStore>(store: &S) {
    let saved = store.save(&record(NAME, "0", None), WriteIf::Absent).await;
    saved.unwrap_or_else(|error| panic!("the zero was not saved: {error}"));
}

/// Counts up a hundred times, in a long run a thousand. After each time that another came first it waits, at random
/// up to `pause`, so that a slow server is not kept busy with losers.
pub async fn count<S: TokenStore>(store: &S, pause: Duration) {
    let mut left = times();
    while left > 0 {
        let (number, version) = number(store).await;
        let next = record(NAME, (number + 1).to_string(), Some(version));
        match store.save(&next, WriteIf::Matches(version)).await {
            Ok(()) => left -= 1,
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}");
                SystemClock.sleep(pause.mul_f64(random())).await;
            }
        }
    }
}

/// The number, and the number of its versions, are what so many have counted.
pub async fn assert_sum<S: TokenStore>(store: &S, counters: u64) {
    let (number, version) = number(store).await;
    assert_eq!(number, counters * times(), "counted by {counters}");
    assert_eq!(
        version.generation(),
        number + 1,
        "a write without its count, or a count without"
    );
}

async fn number<S: TokenStore>(store: &S) -> (u64, Version) {
    let loaded = store.load(&key(NAME)).await;
    let loaded = loaded.unwrap_or_else(|error| panic!("the number was not loaded: {error}"));
    let record = loaded.unwrap_or_else(|| panic!("the number is gone"));
    let number = std::str::from_utf8(record.body().expose())
        .ok()
        .and_then(|text| text.parse().ok());
    (number.unwrap_or_else(|| panic!("it is no number")), record.version())
}

/// From 0 to 1.
fn random() -> f64 {
    let mut byte = [0];
    let filled = getrandom::fill(&mut byte);
    assert!(filled.is_ok(), "no random number: {filled:?}");
    f64::from(byte[0]) / 255.0
}
