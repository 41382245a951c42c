//! The Memcached store: the suite of all stores, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]
#![allow(clippy::unused_async, reason = "a subject is opened by an async function")]

mod away;
mod engine;
mod forgetting;
mod given;
mod late;
mod limits;
mod processes;
mod worker;

use given::{one_node, two_nodes};

store_testkit::conformance!(memcached_one_node, one_node());
store_testkit::conformance!(memcached_two_nodes, two_nodes());
