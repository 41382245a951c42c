//! What `profile export` and `profile import` take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tokenkeep::import::Format;

/// Writes profiles into a bundle, or into the file of another client.
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
    /// Write the file of another client in place of a bundle: not encrypted, with the secrets as they are
    #[arg(long, value_name = "CLIENT", conflicts_with = "passphrase_file", requires = "output")]
    pub(crate) format: Option<Writable>,
    /// Write secrets as they are, for everybody to read who gets the file
    #[arg(long, conflicts_with = "passphrase_file")]
    pub(crate) plaintext: bool,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// What becomes of a refresh token, which is good in one place.
#[derive(Args)]
pub(crate) struct CarryArgs {
    /// Move the login: it ends here, and goes on where the file is imported or used
    #[arg(long = "move", conflicts_with = "allow_duplicate", requires = "output")]
    pub(crate) moves: bool,
    /// Copy refresh tokens, although where the server changes them the first to refresh ends the others' login
    #[arg(long)]
    pub(crate) allow_duplicate: bool,
}

/// Reads profiles from a bundle, or from the file of another client. All of it is checked before any of it is
/// written.
#[derive(Args)]
pub(crate) struct ProfileImport {
    /// The file, - for stdin; with --from pancloud or foundry the one that client uses, if it is not said
    #[arg(value_name = "FILE", required_unless_present = "from")]
    pub(crate) file: Option<PathBuf>,
    /// Replace profiles that are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Say what would be done, and write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    #[command(flatten)]
    pub(crate) foreign: ForeignArgs,
    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,
}

/// How the file of another client is read.
#[derive(Args)]
#[command(next_help_heading = "Files of other clients")]
pub(crate) struct ForeignArgs {
    /// It is the file of this client, no bundle
    #[arg(long, value_name = "CLIENT", conflicts_with = "passphrase_file")]
    pub(crate) from: Option<Foreign>,
    /// Only this entry of the file; repeatable
    #[arg(long, value_name = "NAME", requires = "from")]
    pub(crate) entry: Vec<String>,
    /// The client id, where the file has none
    #[arg(long, value_name = "ID", requires = "from")]
    pub(crate) client_id: Option<String>,
    /// Read the client secret from this file, where the other has none
    #[arg(long, value_name = "FILE", requires = "from")]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The token endpoint, where it is not the usual one of that client
    #[arg(long, value_name = "URL", requires = "from")]
    pub(crate) token_endpoint: Option<String>,
}

/// Clients whose files are read.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Foreign {
    /// pancloud and pan-cortex-data-lake: credentials.json
    Pancloud,
    /// palantir-oauth-client: ~/.foundry/oauth
    Foundry,
    /// Globus SDK: tokens.json of any version, or its SQLite database
    Globus,
    /// yup-oauth2: a token cache
    Yup,
}

/// Clients whose files are written.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Writable {
    /// pancloud: credentials.json
    Pancloud,
    /// palantir-oauth-client: ~/.foundry/oauth
    Foundry,
    /// Globus SDK: tokens.json, version 2.0
    Globus,
}

impl Foreign {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Pancloud => Format::Pancloud,
            Self::Foundry => Format::Foundry,
            Self::Globus => Format::Globus,
            Self::Yup => Format::Yup,
        }
    }
}

impl Writable {
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Pancloud => Format::Pancloud,
            Self::Foundry => Format::Foundry,
            Self::Globus => Format::Globus,
        }
    }
}

/// Where the passphrase comes from, if nobody is asked.
#[derive(Args)]
pub(crate) struct PassphraseArgs {
    /// Read the passphrase from this file [or env: TOKENKEEP_PASSPHRASE]
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
