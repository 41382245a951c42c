//! The refresh engine: never twice, never lost.
//!
//! - [`policy`](self) decides, as pure functions of record, clock and settings;
//! - `flight` sees to it that one process asks once;
//! - `cache` renews what can be asked for again;
//! - `ledger` spends what can be lost: lease, mark, send, commit.
//!
//! Flights run on a thread of the engine's own, so that neither a dropped future
//! nor an ending runtime stops one half-way.

mod cache;
mod check;
mod core;
mod demand;
mod engine;
mod exchange;
mod flight;
pub(crate) mod lease;
mod ledger;
mod policy;
mod settings;
mod slot;
mod token_retry;

pub(crate) use self::core::{Core, Options};
pub(crate) use demand::{Demand, Want};
pub(crate) use engine::to_its_end;
pub(crate) use exchange::entry_of;
pub(crate) use flight::{Flight, Reporter};
pub(crate) use ledger::{Planting, end_login, login, plant, replace_grant};
pub(crate) use policy::{end_of, is_valid};
pub use settings::{RefreshPolicy, Timing};
pub(crate) use slot::{Peeked, Slot};
pub use token_retry::TokenRetry;
