//! From the command line to the exit code: set-up, signals, the last words.

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{ColorWhen, Command, CommandLine, Global};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::managers::Managers;
use crate::session::Session;
use crate::settings::Settings;
use crate::signals::Signals;
use crate::{commands, logging, output};

/// Does what the command line says.
pub(crate) fn run() -> ExitCode {
    leave_no_core_file();
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => {
            // Help goes to stdout, what is wrong to stderr; who reads neither is gone.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Exit::Usage as u8));
        }
    };
    choose_colours(line.global.color);
    match start(line) {
        Ok(()) => Exit::Ok.into(),
        Err(failure) => {
            output::failure(&failure);
            failure.exit().into()
        }
    }
}

fn start(line: CommandLine) -> Result<()> {
    let Global { verbose, quiet, .. } = line.global;
    logging::start(verbose, quiet)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::caused(Exit::Failure, "can't start", error))?;
    runtime.block_on(to_its_end(line))
}

async fn to_its_end(line: CommandLine) -> Result<()> {
    let mut signals = Signals::listen()?;
    let managers = Managers::default();
    let outcome = tokio::select! {
        outcome = carry_out(line, managers.clone()) => outcome,
        exit = signals.next() => {
            tracing::info!(target: "tokenkeep", "a signal has come; a refresh under way is carried to its end");
            Err(Failure::silent(exit))
        }
    };
    tokio::select! {
        () = managers.drain() => outcome,
        // A second signal: whoever sends it does not want to wait.
        exit = signals.next() => std::process::exit(exit as i32),
    }
}

async fn carry_out(line: CommandLine, managers: Managers) -> Result<()> {
    // Where the configuration is broken, these work all the same.
    match &line.command {
        Command::Completions(args) => return commands::completions::run(args),
        Command::Doctor(args) => return commands::doctor::run(&line.global, args, managers).await,
        Command::Key(command) => return commands::key::run(command),
        Command::Man(args) => return commands::man::run(args),
        _ => {}
    }
    let settings = Settings::resolve(&line.global)?;
    let session = Session::open(settings, &line.global, managers).await?;
    commands::run(&session, line.command).await
}

/// A memory image of ours holds tokens and keys. What we execute has its own say.
fn leave_no_core_file() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

fn choose_colours(when: ColorWhen) {
    let choice = match when {
        ColorWhen::Auto => anstream::ColorChoice::Auto,
        ColorWhen::Always => anstream::ColorChoice::Always,
        ColorWhen::Never => anstream::ColorChoice::Never,
    };
    choice.write_global();
}
