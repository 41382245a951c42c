//! AWS KMS: `TOKENKEEP_TEST_KMS_URL` names the server. It is moto with the states of keys enforced by
//! `xtask/services/kms/launch.py`, so what is tested here is how we take such answers.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod chain;
mod engine;
mod errors;
mod given;
mod keys;
mod logs;
mod outage;
mod sealed;

use sealed::in_memory;

store_testkit::conformance!(aws_kms_in_memory, in_memory());
