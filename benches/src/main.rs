//! The hot path beside its floor, in one run, as ratios.
//!
//! ```text
//! cargo run --release -p benches
//! ```
//!
//! Single figures of a busy machine say little: compare the ratios.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod hot_path;
mod measure;

fn main() {
    println!("| what | threads | ns | floor, ns | ratio |");
    println!("|---|---|---|---|---|");
    for threads in [1, 2] {
        hot_path::peek(threads);
        hot_path::header(threads);
    }
}
