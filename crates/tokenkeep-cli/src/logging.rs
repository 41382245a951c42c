//! Diagnostics on stderr: `-v`, or `TOKENKEEP_LOG`.

use std::io;

use tokenkeep::Profile;
use tokenkeep::observer::{Event, Observer};
use tracing_subscriber::EnvFilter;

use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;

// Ours only: what libraries below trace is not ours to keep free of secrets.
const OURS: [&str; 5] = ["tokenkeep", "auth_core", "auth_http", "auth_login", "store_json"];

/// Sets diagnostics up. `TOKENKEEP_LOG` (`tokenkeep=debug`) wins over `-v`.
pub(crate) fn start(verbose: u8, quiet: bool) -> Result<()> {
    let filter = match environment::variable("TOKENKEEP_LOG")? {
        Some(directives) => EnvFilter::try_new(&directives).map_err(|error| {
            Failure::caused(Exit::Configuration, "TOKENKEEP_LOG can't be read", error)
                .hint("write it like TOKENKEEP_LOG=tokenkeep=debug")
        })?,
        None => EnvFilter::new(directives(level(verbose, quiet))),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .without_time()
        .finish();
    // There is no other before this one: it is called once.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(())
}

fn level(verbose: u8, quiet: bool) -> &'static str {
    match (verbose, quiet) {
        (0, true) => "error",
        (0, false) => "warn",
        (1, _) => "info",
        (2, _) => "debug",
        _ => "trace",
    }
}

fn directives(level: &str) -> String {
    let ours = OURS.map(|target| format!("{target}={level}"));
    format!("error,{}", ours.join(","))
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
