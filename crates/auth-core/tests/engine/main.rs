//! The engine against a real authorization server on loopback, over HTTP.

#![allow(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod bad_answers;
mod clock;
mod conflicts;
mod ended;
mod faults;
mod format;
mod foundry;
mod globus;
mod hard_cases;
mod known_faults;
mod late;
mod login;
mod logout;
mod many;
mod moody;
mod never_lost;
mod overtaken;
mod pancloud;
mod renewable;
mod resolver;
mod seeds;
mod setup;
mod spill;
mod storms;
mod transfer;
mod web_login;
