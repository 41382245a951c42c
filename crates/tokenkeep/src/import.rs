//! Credentials of other clients: read from their files, and written as they read them.
//!
//! [`Format::detect`] tells whose file it is, [`read`] gives its entries as plain data ([`Imported`]), and
//! [`Imported::into_records`] what a store keeps of one. Nothing is sent and nothing is stored here.
//!
//! | format | file | entries become profiles |
//! |---|---|---|
//! | [`Format::Pancloud`] | `credentials.json` (TinyDB) | each `profile` |
//! | [`Format::Foundry`] | `~/.foundry/oauth` (INI) of palantir-oauth-client | each section: host, or host:port |
//! | [`Format::Globus`] | JSON 1.0 and 2.0, and with the feature `sqlite` the SQLite database | see [`Format::Globus`] |
//! | [`Format::Yup`] | token cache of yup-oauth2 (JSON) | in the order of their scopes: one is `default`, several `default/1`, … |
//!
//! ```
//! use tokenkeep::clock::Timestamp;
//! use tokenkeep::import::{self, Format};
//!
//! let file = br#"{"profiles": {"1": {"profile": "work", "client_id": "id", "client_secret": "secret",
//!                                    "refresh_token": "refresh", "access_token": null}}}"#;
//! assert_eq!(Format::detect(file), Some(Format::Pancloud));
//! for entry in import::read(Format::Pancloud, file)? {
//!     // What a store keeps: TokenStoreExt::save_contents takes each.
//!     let records = entry.found?.into_records(Timestamp::from_unix_seconds(1_800_000_000))?;
//!     assert_eq!(records.profile.as_str(), "work");
//!     assert!(records.grant.is_some_and(|grant| grant.refresh_token.is_some()));
//! }
//! # Ok::<(), import::FormatError>(())
//! ```

mod error;
mod export;
mod fields;
mod foundry;
mod globus;
mod ini;
mod json;
mod jwt;
mod pancloud;
mod places;
mod providers;
mod record;
mod yup;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use auth_core::clock::Timestamp;
use auth_core::secret::SecretBytes;
use auth_core::{Profile, Provider, Secret, Target};
use zeroize::Zeroizing;

pub use error::{FormatError, Problem};
pub use export::{lost, write};
pub use record::Records;

/// The largest file that is read, in bytes.
pub const FILE_MAX: u64 = 16 * 1024 * 1024;
/// The most entries of one file.
pub const ENTRIES_MAX: usize = 10_000;

const SQLITE: &[u8] = b"SQLite format 3\0";

/// Whose file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// pancloud and `pan-cortex-data-lake`: client, refresh token and cached access token of each profile.
    Pancloud,
    /// palantir-oauth-client: endpoint, client, scopes and refresh token of each host; never an access token.
    Foundry,
    /// The Globus SDK: tokens by namespace and resource server; no client.
    ///
    /// A resource server with a refresh token of its own is a login of its own, and becomes the profile
    /// `NAMESPACE/RESOURCE-SERVER`. Those without one become the profile `NAMESPACE` together, each token under
    /// the target [`resource_server`](Target::resource_server).
    Globus,
    /// yup-oauth2: tokens by scopes; no client.
    Yup,
}

/// What one entry of a file holds.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// What it is to be called.
    pub profile: Profile,
    /// The authorization server.
    pub provider: Provider,
    /// The client id; some formats have none.
    pub client_id: Option<String>,
    /// The client secret.
    pub client_secret: Option<Secret>,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
    /// What a refresh asks for.
    pub target: Target,
    /// Access tokens, each for its target; that of [`target`](Self::target) is the login's own.
    pub tokens: Vec<ImportedToken>,
}

/// An access token of an entry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ImportedToken {
    /// What it is for.
    pub target: Target,
    /// The token.
    pub token: Secret,
    /// Its type, as the file has it.
    pub token_type: String,
    /// When it expires; `None` if nobody says.
    pub expires_at: Option<Timestamp>,
    /// The scopes granted.
    pub scopes: Vec<String>,
    /// The ID token that came with it; kept, not verified.
    pub id_token: Option<Secret>,
}

/// An entry by its name, and what it holds or why it can't be used.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Entry {
    /// Its name: what becomes the profile's.
    pub name: String,
    /// What it holds.
    pub found: Result<Imported, FormatError>,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pancloud, Self::Foundry, Self::Globus, Self::Yup];

    /// What the file is, by its content; `None` if it is none of theirs.
    pub fn detect(content: &[u8]) -> Option<Self> {
        if content.starts_with(SQLITE) {
            return Some(Self::Globus);
        }
        let text = std::str::from_utf8(content).ok()?;
        if let Ok(json) = json::Json::parse(text) {
            let detected = [
                (Self::Pancloud, pancloud::is_one as fn(&json::Json) -> bool),
                (Self::Globus, globus::is_one),
                (Self::Yup, yup::is_one),
            ];
            return detected
                .into_iter()
                .find(|(_, is_one)| is_one(&json))
                .map(|(format, _)| format);
        }
        foundry::is_one(text).then_some(Self::Foundry)
    }

    /// The name by which people pick it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pancloud => "pancloud",
            Self::Foundry => "foundry",
            Self::Globus => "globus",
            Self::Yup => "yup",
        }
    }
}

/// Reads the entries of a file's content. An entry that can't be used does not keep others from being read:
/// it is for the caller to take all or nothing.
///
/// # Errors
/// [`FormatError`] if the file as a whole can't be read, or holds two entries of one name. It says where, never
/// what is there.
pub fn read(format: Format, content: &[u8]) -> Result<Vec<Entry>, FormatError> {
    if content.starts_with(SQLITE) {
        return Err(FormatError::of_file(Problem::DatabaseNeedsFile));
    }
    if let Some(other) = Format::detect(content).filter(|found| *found != format) {
        return Err(FormatError::of_file(Problem::Other(other.as_str())));
    }
    let text = std::str::from_utf8(content).map_err(|error| json::not_text(content, error.valid_up_to()))?;
    let entries = match format {
        Format::Pancloud => pancloud::read(json::Json::parse(text)?)?,
        Format::Foundry => foundry::read(text)?,
        Format::Globus => globus::read(json::Json::parse(text)?)?,
        Format::Yup => yup::read(json::Json::parse(text)?)?,
    };
    checked(entries)
}

/// Reads the entries of a file; an SQLite database by a driver, which waits for whoever is writing it.
///
/// # Errors
/// As [`read`], and [`Problem::Io`] if the file can't be read or is larger than [`FILE_MAX`].
pub fn read_file(format: Option<Format>, path: &Path) -> Result<(Format, Vec<Entry>), FormatError> {
    let content = content(path)?;
    let found = Format::detect(&content);
    let format = format.or(found).ok_or(FormatError::of_file(Problem::Unknown))?;
    if !content.starts_with(SQLITE) {
        return Ok((format, read(format, &content)?));
    }
    if format != Format::Globus {
        return Err(FormatError::of_file(Problem::Database));
    }
    Ok((format, checked(globus::read_database(path)?)?))
}

fn content(path: &Path) -> Result<Zeroizing<Vec<u8>>, FormatError> {
    let mut content = Zeroizing::new(Vec::new());
    let read = File::open(path).and_then(|file| file.take(FILE_MAX + 1).read_to_end(&mut content));
    read.map_err(FormatError::io)?;
    if content.len() as u64 > FILE_MAX {
        return Err(FormatError::of_file(Problem::TooLarge));
    }
    Ok(content)
}

fn checked(mut entries: Vec<Entry>) -> Result<Vec<Entry>, FormatError> {
    if entries.len() > ENTRIES_MAX {
        return Err(FormatError::of_file(Problem::TooManyEntries));
    }
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let mut profiles = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let same_name = index > 0 && entries[index - 1].name == entry.name;
        let same_profile = |imported: &Imported| !profiles.insert(imported.profile.clone());
        if same_name || entry.found.as_ref().is_ok_and(same_profile) {
            return Err(FormatError::of_entry(&entry.name, Problem::Twice));
        }
    }
    Ok(entries)
}

impl Imported {
    /// An entry that holds nothing yet.
    pub fn new(profile: Profile, provider: Provider) -> Self {
        Self {
            profile,
            provider,
            client_id: None,
            client_secret: None,
            refresh_token: None,
            target: Target::new(),
            tokens: Vec::new(),
        }
    }

    /// The access token that a login hands out by itself: the one for its target.
    pub fn own_token(&self) -> Option<&ImportedToken> {
        self.tokens.iter().find(|token| token.target == self.target)
    }
}

impl ImportedToken {
    /// A bearer token without further details.
    pub fn bearer(target: Target, token: Secret) -> Self {
        Self {
            target,
            token,
            token_type: "Bearer".into(),
            expires_at: None,
            scopes: Vec::new(),
            id_token: None,
        }
    }
}

type Written = Result<SecretBytes, FormatError>;

#[cfg(test)]
mod tests;
