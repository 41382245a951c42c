//! Several processes, real servers, real faults, with the built command.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod bad_answers;
mod browser;
mod cached;
mod canary;
mod command;
mod expiries;
mod fleet;
#[cfg(target_os = "linux")]
mod full_disk;
mod kills;
mod logins;
mod memcached;
mod migrations;
mod mongo;
mod oidc;
mod outages;
mod packages;
mod processes;
mod provider;
mod redis;
mod replicas;
mod sealing;
mod spill;
mod stores_page;
