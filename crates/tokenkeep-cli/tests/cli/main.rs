//! The built command against a real authorization server.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod browser;
mod bundle;
mod configuration;
mod doctor;
mod documentation;
mod endings;
mod errors;
mod exec;
mod foreign;
mod init;
mod login;
mod migrate;
mod profile;
mod providers;
mod refresh;
mod request;
mod requirements;
mod seal;
mod secrets;
mod status;
mod store;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
mod token;
mod tools;
mod turns;
mod waiting;
