//! Sealed stores: the suite of all stores through the seal, and what is its own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod cache;
mod damage;
mod engine;
mod given;
mod in_place;
#[cfg(target_os = "linux")]
mod memory;
mod rewrap;
mod rollback;
mod states;

use given::{in_json, in_memcached, in_memory, in_mongo, in_redis, in_sqlite};

store_testkit::conformance!(kms_memory, in_memory());
store_testkit::conformance!(kms_json, in_json());
store_testkit::conformance!(kms_sqlite, in_sqlite());
store_testkit::conformance!(kms_redis, in_redis());
store_testkit::conformance!(kms_memcached, in_memcached());
store_testkit::conformance!(kms_mongo, in_mongo());
