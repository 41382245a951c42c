//! Decisions, as pure functions: what to do with a record, an answer, a conflict.

mod before;
mod conflict;
mod freshness;
mod outcome;
mod seed;

pub(crate) use before::{Situation, Step, before_spend, end_of, never_long_enough, within_last};
pub(crate) use conflict::{OnConflict, on_conflict};
pub(crate) use freshness::{Freshness, advisory_at, freshness, is_valid, mandatory_at};
pub(crate) use outcome::{Aftermath, after_answer};
pub(crate) use seed::{SeedStep, before_seed};
