//! The MongoDB store: the suite of all stores, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod access;
mod documents;
mod engine;
mod faults;
mod given;
mod races;
mod slow;
mod worker;

use given::subject;

store_testkit::conformance!(mongo, subject());
store_testkit::conformance_renewable!(mongo_renewable, subject());
