//! The command `tokenkeep`: log in once, have a valid token always.

mod args;
mod bundle;
mod commands;
mod config;
mod duration;
mod environment;
mod error;
mod exit;
mod grant_lease;
mod input;
mod logging;
mod managers;
mod output;
mod place;
mod private_folder;
mod progress;
mod run;
mod sealing;
mod session;
mod settings;
mod signals;
mod text;

use std::process::ExitCode;

fn main() -> ExitCode {
    run::run()
}
