//! The commands around a login: what they take.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use clap_complete::Shell;

use super::TargetArgs;
use super::bundle::{ProfileExport, ProfileImport};
use super::migrate;
use crate::duration;

/// Gets new tokens from the server now.
#[derive(Args)]
pub(crate) struct Refresh {
    /// Of these profiles, in place of the one that -p names
    #[arg(value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Of all profiles in the store; those that were logged out are skipped
    #[arg(long, conflicts_with = "profiles")]
    pub(crate) all: bool,
    /// Only where the token lives no longer than this: 60s, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) if_expires_within: Option<Duration>,
    /// What came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Runs a command with the token in its environment.
#[derive(Args)]
pub(crate) struct Exec {
    /// The variable that holds the token
    #[arg(long, value_name = "NAME", default_value = "TOKENKEEP_ACCESS_TOKEN", value_parser = variable_name)]
    pub(crate) env: String,
    /// The token must be good for at least this long: 60s, 5m, 1h
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    pub(crate) min_valid: Option<Duration>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// The command and its arguments, after --
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

/// What to do with profiles.
#[derive(Subcommand)]
pub(crate) enum ProfileCommand {
    /// Names and states
    List(ProfileList),
    /// All that is known of one, without secrets, and where each thing came from
    Show(ProfileShow),
    /// Give one another name; whoever uses the old one must know
    Rename(ProfileRename),
    /// Write profiles into a bundle, encrypted with a passphrase, or into the file of another client
    Export(ProfileExport),
    /// Read profiles from a bundle, or from the file of another client
    Import(ProfileImport),
    /// Remove one, with its client and all its tokens; no server is told
    Remove(ProfileRemove),
}

/// Lists profiles.
#[derive(Args)]
pub(crate) struct ProfileList {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Shows a profile.
#[derive(Args)]
pub(crate) struct ProfileShow {
    /// This one, in place of the one that -p names
    #[arg(value_name = "PROFILE")]
    pub(crate) name: Option<String>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Also each place that was looked in for a setting, and which one counts
    #[arg(long)]
    pub(crate) origin: bool,
}

/// Renames a profile.
#[derive(Args)]
pub(crate) struct ProfileRename {
    /// The name it has
    #[arg(value_name = "FROM")]
    pub(crate) from: String,
    /// The name it gets
    #[arg(value_name = "TO")]
    pub(crate) to: String,
}

/// Removes a profile.
#[derive(Args)]
pub(crate) struct ProfileRemove {
    /// This one, in place of the one that -p names
    #[arg(value_name = "PROFILE")]
    pub(crate) name: Option<String>,
    /// Don't ask, and remove it although a refresh token lives on at the server
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What to do with the store.
#[derive(Subcommand)]
pub(crate) enum StoreCommand {
    /// Write, read, lease and remove a record of no meaning, and say what the store promises
    Check(StoreCheck),
    /// Move profiles to another store; a refresh token is moved, never copied
    Migrate(migrate::StoreMigrate),
    /// Seal every record anew under the key that --seal names, while others use the store; again if interrupted
    Rewrap(StoreRewrap),
    /// Accept what is stored of a profile after the store was put back to an older state
    Accept(StoreAccept),
}

/// Seals every record anew.
#[derive(Args)]
pub(crate) struct StoreRewrap {
    /// Seal also what is not sealed yet
    #[arg(long)]
    pub(crate) accept_plaintext: bool,
    /// What came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Accepts an older state.
#[derive(Args)]
pub(crate) struct StoreAccept {
    /// This profile, in place of the one that -p names
    #[arg(value_name = "PROFILE")]
    pub(crate) name: Option<String>,
}

/// What to do with keys.
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key, in a new file that is yours alone
    Generate(KeyGenerate),
}

/// Makes a key.
#[derive(Args)]
pub(crate) struct KeyGenerate {
    /// The file; there must be none yet
    #[arg(value_name = "FILE")]
    pub(crate) path: PathBuf,
}

/// Checks the store.
#[derive(Args)]
pub(crate) struct StoreCheck {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Looks for what is wrong.
#[derive(Args)]
pub(crate) struct Doctor {
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Prints completions.
#[derive(Args)]
pub(crate) struct Completions {
    /// For which shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Prints or writes manual pages.
#[derive(Args)]
pub(crate) struct Man {
    /// Write the pages of all commands into this folder
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
}

fn variable_name(text: &str) -> Result<String, String> {
    let first = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    if first && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(text.to_owned());
    }
    Err("write a variable's name: letters, digits and _, no digit first".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables() {
        assert_eq!(variable_name("GH_TOKEN2").as_deref(), Ok("GH_TOKEN2"));
        for name in ["", "2X", "A=B", "A B", "A-B", "Ä"] {
            assert!(variable_name(name).is_err(), "{name}");
        }
    }
}
