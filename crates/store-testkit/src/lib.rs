//! Tests for those who write stores or use tokens: the conformance suite of the
//! store contract; with feature `server` an authorization server that rotates,
//! detects reuse and injects faults; with feature `process` control of other
//! processes.
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
pub mod counting;
mod extent;
#[cfg(feature = "process")]
pub mod process;
mod records;
mod refusals;
#[cfg(feature = "server")]
pub mod server;
mod subject;

pub use conformance::{run, run_case};
pub use extent::{LONG_RUN, extent};
pub use records::{key, record};
pub use subject::Subject;
