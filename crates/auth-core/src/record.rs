//! Records: what a store keeps, opaque to it.
//!
//! A [`Record`] has a key, a version, an end, hints that are no secret, and a
//! body. Stores see bytes; [`Contents`] is what they mean, and the stored format
//! (version 1, JSON) is described in `record/format.rs` and pinned by golden
//! files.

mod client;
mod error;
mod format;
mod grant;
mod hints;
mod history;
mod login;
mod login_id;
mod pack;
mod token;
mod version;

use std::fmt;

pub use client::ClientRecord;
pub use error::{RecordError, RecordErrorKind};
pub use format::FORMAT;
pub use grant::{
    BackOff, Binding, Departure, Ended, GrantRecord, HISTORY_LENGTH, Mark, PAST_SEEDS_LENGTH, Recipe, Refused,
};
pub use hints::{Hints, RecordState};
pub use history::{HistoryEntry, Outcome};
pub use login::LoginRecord;
pub use login_id::LoginId;
pub use token::{AccessEntry, TokenRecord};
pub use version::Version;

use crate::clock::Timestamp;
use crate::key::Key;
use crate::secret::SecretBytes;
use crate::store::Listed;

/// What a store keeps under a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    key: Key,
    version: Version,
    keep_until: Option<Timestamp>,
    hints: Hints,
    body: SecretBytes,
}

impl Record {
    /// A record from its parts: for stores, when they read one.
    pub fn from_parts(
        key: Key,
        version: Version,
        keep_until: Option<Timestamp>,
        hints: Hints,
        body: SecretBytes,
    ) -> Self {
        Self {
            key,
            version,
            keep_until,
            hints,
            body,
        }
    }

    /// Encodes contents under a key and a version.
    pub fn encode(key: Key, version: Version, keep_until: Option<Timestamp>, contents: &Contents) -> Self {
        let body = format::encode(&key, version, contents);
        Self {
            key,
            version,
            keep_until,
            hints: contents.hints(),
            body,
        }
    }

    /// Decodes the body, and checks that it was written for this key and this
    /// version.
    ///
    /// # Errors
    /// [`RecordErrorKind::NewerFormat`] if a newer version of the software wrote
    /// it, [`RecordErrorKind::WrongName`] if it belongs under another key or
    /// version, [`RecordErrorKind::Corrupt`] if it can't be read.
    pub fn decode(&self) -> Result<Contents, RecordError> {
        format::decode(self)
    }

    /// The key.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.version
    }

    /// Past this time the record counts as absent; `None`: it is kept.
    pub fn keep_until(&self) -> Option<Timestamp> {
        self.keep_until
    }

    /// What may be known without reading the body.
    pub fn hints(&self) -> &Hints {
        &self.hints
    }

    /// The bytes to keep.
    pub fn body(&self) -> &SecretBytes {
        &self.body
    }

    /// Whether the record counts as absent at this time.
    pub fn is_past(&self, now: Timestamp) -> bool {
        self.keep_until.is_some_and(|until| until <= now)
    }

    /// The record's entry in a list.
    pub fn listed(&self) -> Listed {
        Listed::new(self.key.clone(), self.version, self.hints.clone())
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("keep_until", &self.keep_until)
            .field("hints", &self.hints)
            .field("body", &self.body)
            .finish()
    }
}

/// What a record means, one kind per [`Part`](crate::key::Part).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Contents {
    /// A client registration.
    Client(Box<ClientRecord>),
    /// What must not be lost.
    Grant(Box<GrantRecord>),
    /// A login under way.
    Login(LoginRecord),
    /// One access token.
    Token(TokenRecord),
}

impl Contents {
    /// What may be known of them without reading the body.
    pub fn hints(&self) -> Hints {
        match self {
            Self::Client(_) | Self::Login(_) => Hints::default(),
            Self::Grant(grant) => grant.hints(),
            Self::Token(token) => token.hints(),
        }
    }

    /// The grant record, if they are one.
    pub fn into_grant(self) -> Option<GrantRecord> {
        match self {
            Self::Grant(grant) => Some(*grant),
            _ => None,
        }
    }

    /// The token record, if they are one.
    pub fn into_token(self) -> Option<TokenRecord> {
        match self {
            Self::Token(token) => Some(token),
            _ => None,
        }
    }

    /// The client registration, if they are one.
    pub fn into_client(self) -> Option<ClientRecord> {
        match self {
            Self::Client(client) => Some(*client),
            _ => None,
        }
    }

    /// The login under way, if they are one.
    pub fn into_login(self) -> Option<LoginRecord> {
        match self {
            Self::Login(login) => Some(login),
            _ => None,
        }
    }
}

impl From<GrantRecord> for Contents {
    fn from(grant: GrantRecord) -> Self {
        Self::Grant(Box::new(grant))
    }
}

impl From<TokenRecord> for Contents {
    fn from(token: TokenRecord) -> Self {
        Self::Token(token)
    }
}

impl From<ClientRecord> for Contents {
    fn from(client: ClientRecord) -> Self {
        Self::Client(Box::new(client))
    }
}

impl From<LoginRecord> for Contents {
    fn from(login: LoginRecord) -> Self {
        Self::Login(login)
    }
}
