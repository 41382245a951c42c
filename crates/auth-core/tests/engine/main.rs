//! The engine against a real authorization server on loopback, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod conflicts;
mod faults;
mod format;
mod hard_cases;
mod login;
mod logout;
mod many;
mod never_lost;
mod renewable;
mod setup;
mod spill;
mod storms;
mod transfer;
mod web_login;
