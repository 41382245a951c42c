//! What `store migrate` takes.

use clap::Args;

/// Moves profiles to another store: writes, reads back, compares, and only then removes.
///
/// A run that was interrupted is finished by the same command. At no time can a refresh token be spent in both
/// stores.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags, each of which is there or not")]
pub(crate) struct StoreMigrate {
    /// The store to move to, as for --store [or env: TOKENKEEP_MIGRATE_TO]
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// How the target is sealed, as for --seal, else as the source is [env: TOKENKEEP_MIGRATE_TO_SEAL]
    #[arg(long, value_name = "KEY")]
    pub(crate) to_seal: Option<String>,
    /// Only these profiles; all in the store if none is named
    #[arg(value_name = "PROFILE")]
    pub(crate) profiles: Vec<String>,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Replace profiles that are there already
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Remove from the source what was copied, clients and access tokens, too
    #[arg(long)]
    pub(crate) delete_source: bool,
    /// Copy refresh tokens, although where the server changes them the first to refresh ends the others' login
    #[arg(long)]
    pub(crate) allow_duplicate: bool,
    /// Move refresh tokens to a store that may forget them at any time
    #[arg(long)]
    pub(crate) allow_volatile_refresh_tokens: bool,
    /// What came of it as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
