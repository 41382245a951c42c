//! The JSON store: the suite of all stores, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::unused_async, reason = "a subject is opened by an async function")]

mod files;
mod given;
mod pancloud;
mod permissions;
mod processes;
mod together;
mod worker;

use given::subject;

store_testkit::conformance!(json, subject());
