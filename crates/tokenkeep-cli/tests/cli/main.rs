//! The built command against a real authorization server.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod browser;
mod configuration;
mod documentation;
mod errors;
mod login;
mod request;
mod secrets;
mod status;
mod support;
mod token;
