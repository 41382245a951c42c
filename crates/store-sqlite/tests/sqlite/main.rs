//! The SQLite store: the suite of all stores, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::unused_async, reason = "a subject is opened by an async function")]

mod faults;
mod files;
mod formats;
mod given;
mod permissions;
mod processes;
mod worker;

use given::{named_subject, subject};

store_testkit::conformance!(sqlite, subject());
store_testkit::conformance_renewable!(sqlite_of_a_namespace, named_subject());
