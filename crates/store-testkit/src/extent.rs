//! How much of a thing a test does.

/// The variable that asks for long runs: `cargo xtask test --long` sets it.
pub const LONG_RUN: &str = "STORE_TESTKIT_LONG";

/// How much of a thing a test does: `usual`, or `long` where [`LONG_RUN`] is set, for those
/// who have the time, or a server that is faster than those of the tests.
pub fn extent<T>(usual: T, long: T) -> T {
    match std::env::var_os(LONG_RUN) {
        Some(_) => long,
        None => usual,
    }
}
