//! tokenkeep beside its floors, its peers and the bare drivers, in one run, as ratios.
//!
//! ```text
//! cargo run --release -p benches            all
//! cargo run --release -p benches -- json    only that: hot cold http json stores command
//! cargo run --release -p benches -- stores redis    of the stores only that: file sqlite redis memcached mongodb
//! ```
//!
//! Single figures of a busy machine say little: compare the ratios, and look at their intervals.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]
#![allow(
    clippy::unwrap_used,
    reason = "a bench that can't go on ends, and the place is what one wants to see"
)]

mod cold;
mod command;
mod hot_path;
mod http;
mod json;
mod measure;
mod records;
mod stores;

type Section = (&'static str, fn());

const SECTIONS: [Section; 6] = [
    ("hot", hot_path::run),
    ("cold", cold::run),
    ("http", http::run),
    ("json", json::run),
    ("stores", stores::run),
    ("command", command::run),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for (name, run) in SECTIONS {
        if asked.is_empty() || asked.iter().any(|asked| asked == name) {
            println!("\n## {name}\n");
            run();
        }
    }
}
