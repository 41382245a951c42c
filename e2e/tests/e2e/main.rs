//! Several processes, real servers, real faults, with the built command.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod browser;
mod command;
mod kills;
mod mongo;
mod oidc;
mod processes;
mod provider;
mod spill;
