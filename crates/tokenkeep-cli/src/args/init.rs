//! What `init` takes.

use std::path::PathBuf;

use clap::Args;

use super::{ClientArgs, ServerArgs, TargetArgs};

/// Sets a profile up with credentials that you have.
///
/// They are asked for, secrets unseen, or come from a file or stdin. Settings that are not
/// there may also come from `TOKENKEEP_NAME` in the environment, or from `[profiles.NAME]` in the
/// configuration file.
#[derive(Args)]
pub(crate) struct Init {
    /// Read them from this file, - for stdin: a JSON object, or lines of KEY=VALUE
    #[arg(long, value_name = "FILE")]
    pub(crate) from: Option<PathBuf>,
    /// Replace the profile if there is one
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    // Taken, so that they can be refused without being repeated.
    #[arg(hide = true, value_name = "WORD")]
    pub(crate) words: Vec<String>,
}
