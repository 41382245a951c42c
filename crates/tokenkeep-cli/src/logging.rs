//! Diagnostics on stderr: `-v`, or `TOKENKEEP_LOG`.

use std::str::FromStr as _;

use tokenkeep::Profile;
use tokenkeep::observer::{Event, Observer};
use tracing::Level;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::progress::LogLines;

// Ours only: what libraries below trace is not ours to keep free of secrets.
const OURS: [&str; 6] = [
    "tokenkeep",
    "auth_core",
    "auth_http",
    "auth_login",
    "store_json",
    "store_redis",
];

/// Sets diagnostics up. `TOKENKEEP_LOG` (`tokenkeep=debug`) wins over `-v`.
pub(crate) fn start(verbose: u8, quiet: bool) -> Result<()> {
    let targets = match environment::variable("TOKENKEEP_LOG")? {
        Some(directives) => Targets::from_str(&directives).map_err(|error| {
            Failure::caused(Exit::Configuration, "TOKENKEEP_LOG can't be read", error)
                .hint("write it like TOKENKEEP_LOG=tokenkeep=debug")
        })?,
        None => usual(level(verbose, quiet)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(|| LogLines)
        .with_ansi(false)
        .without_time()
        .with_filter(targets);
    // There is no other before this one: it is called once.
    let _ = tracing_subscriber::registry().with(lines).try_init();
    Ok(())
}

fn level(verbose: u8, quiet: bool) -> Level {
    match (verbose, quiet) {
        (0, true) => Level::ERROR,
        (0, false) => Level::WARN,
        (1, _) => Level::INFO,
        (2, _) => Level::DEBUG,
        _ => Level::TRACE,
    }
}

fn usual(level: Level) -> Targets {
    OURS.iter()
        .fold(Targets::new().with_default(Level::ERROR), |targets, ours| {
            targets.with_target(*ours, level)
        })
}

/// Tells the log what the engine does. Failures are the command's to report, so
/// they are no warnings here.
#[derive(Debug)]
pub(crate) struct Narrator;

impl Observer for Narrator {
    fn event(&self, profile: &Profile, event: &Event) {
        match event {
            Event::SaveDelayed => {
                tracing::warn!(target: "tokenkeep", %profile, "new tokens can't be saved yet; trying on");
            }
            Event::Failed(error) | Event::ReauthRequired(error) => {
                tracing::info!(target: "tokenkeep", %profile, %error, "no new token");
            }
            other => tracing::info!(target: "tokenkeep", %profile, event = ?other, "token event"),
        }
    }
}
