//! The Redis store: the suite of all stores on each kind of server, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod durability;
mod engine;
mod fail_over;
mod faults;
mod given;
mod planted;
mod processes;
mod refusals;

use given::{Kind, subject};

store_testkit::conformance!(redis_standalone, subject(Kind::Standalone));
store_testkit::conformance!(redis_cluster, subject(Kind::Cluster));
store_testkit::conformance!(redis_sentinel, subject(Kind::Sentinel));
store_testkit::conformance!(redis_tls, subject(Kind::Tls));

store_testkit::conformance_renewable!(redis_renewable, subject(Kind::Standalone));
