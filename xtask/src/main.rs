//! `cargo xtask test`: everything that must pass, in one command.
//!
//! Nothing here is published. Each step is also a command of its own (`cargo xtask test --only NAME`),
//! and what a step starts is stopped again, however the run ends.

mod bans;
mod conformance;
mod console;
mod examples;
mod leaks;
mod parity;
mod plan;
mod run;
mod services;
mod sources;
mod steps;
mod tally;
mod tools;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::console::say;
use crate::run::Failure;
use crate::services::Services;
use crate::workspace::Workspace;

/// What can be asked for.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Checks and services of this workspace"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every step, or only some.
    #[command(after_help = plan::HELP)]
    Test {
        /// Only these: steps, services or crates.
        #[arg(long, value_name = "NAME", num_args = 1.., value_delimiter = ',')]
        only: Vec<String>,
        /// More of what takes long: 1,000 increments in each of 16 processes, 200 expiries over MongoDB.
        #[arg(long)]
        long: bool,
    },
    /// Check that docs/parity.md has a row for each statement, and that the tests it names are there.
    Parity,
    /// Real servers for tests run by hand.
    Services {
        #[command(subcommand)]
        command: ServicesCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ServicesCommand {
    /// Start them all, print the environment for the tests, wait for Ctrl-C.
    Up,
}

fn main() -> ExitCode {
    match obey(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// False: something failed, and it has been said.
fn obey(command: Command) -> Result<bool, Failure> {
    let workspace = Workspace::read()?;
    match command {
        Command::Test { only, long } => steps::test(&workspace, &only, long),
        Command::Parity => parity::check(&workspace).map(|()| true),
        Command::Services {
            command: ServicesCommand::Up,
        } => up(&workspace),
    }
}

fn up(workspace: &Workspace) -> Result<bool, Failure> {
    tools::require(workspace, &[])?;
    let mut services = Services::new(workspace);
    services.start()?;
    for (name, value) in services.environment() {
        console::print(&format!("export {name}='{value}'"));
    }
    say("running; Ctrl-C stops");
    services.wait().map(|()| true)
}
