//! What `profile export` and `profile import` take.

use std::path::PathBuf;

use clap::Args;

/// Writes profiles into a bundle.
#[derive(Args)]
pub(crate) struct ProfileExport {
    /// These, in place of the one that -p names
    #[arg(value_name = "PROFILE")]
    pub(crate) names: Vec<String>,
    /// All profiles in the store
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,
    /// Write this file, which must not be there yet; stdout if not said
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) logins: CarryArgs,
    /// Write secrets as they are, for everybody to read who gets the file
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) plaintext: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// What becomes of a refresh token, which is good in one place.
#[derive(Args)]
pub(crate) struct CarryArgs {
    /// Move the login: it ends here, and goes on where the bundle is imported
    #[arg(long = "move", conflicts_with = "allow_duplicate", requires = "output")]
    pub(crate) moves: bool,
    /// Copy refresh tokens, although where the server changes them the first to refresh ends the others' login
    #[arg(long)]
    pub(crate) allow_duplicate: bool,
}

/// Reads profiles from a bundle.
#[derive(Args)]
pub(crate) struct ProfileImport {
    /// The bundle, - for stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Replace profiles that are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// Where the passphrase comes from, if nobody is asked.
#[derive(Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from this file [or env: TOKENKEEP_PASSPHRASE]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
