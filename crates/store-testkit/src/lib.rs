//! Tests for those who write stores: the conformance suite of the store contract.
//!
//! ```
//! use auth_core::clock::ManualClock;
//! use auth_core::store::MemoryStore;
//! use std::sync::Arc;
//! use store_testkit::Subject;
//!
//! async fn fresh() -> Subject<MemoryStore> {
//!     let clock = ManualClock::default();
//!     Subject::new(MemoryStore::with_clock(Arc::new(clock.clone())), clock)
//! }
//!
//! store_testkit::conformance!(memory, fresh());
//! # fn main() {}
//! ```

pub mod cases;
mod conformance;
mod subject;

pub use conformance::run;
pub use subject::Subject;
