//! What is the JSON store's own.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "these are tests")]

mod files;
mod given;
mod pancloud;
mod permissions;
mod processes;
mod together;
mod worker;
