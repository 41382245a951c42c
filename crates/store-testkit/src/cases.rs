//! What every store must do, case by case. Each panics where the store does not.
//!
//! Where a store says that it can't do something, the case asserts that it
//! refuses, or the limit that it documents: nothing is skipped.

#![allow(
    clippy::missing_panics_doc,
    reason = "a case panics where the store breaks the contract: that is what it is for"
)]

pub mod bytes;
pub mod cancel;
pub mod cas;
pub mod crud;
pub mod errors;
pub mod expiry;
mod given;
pub mod lease;
pub mod limits;
pub mod list;
