//! What keeps a move from being made.

use crate::error::{TokenError, TokenErrorKind};
use crate::profile::Profile;
use crate::store::StoreError;

/// Why a profile was not moved, or not to the end. Nothing is lost by any of them.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The source can't say what it holds; name the profiles.
    #[error("{place} can't list what it holds; move the profiles one by one, by name")]
    CannotList {
        /// The label of the source.
        place: String,
    },
    /// An earlier move to somewhere else was interrupted.
    #[error("profile {profile}: an earlier move to {to} was not finished; run that one again first")]
    Departing {
        /// The profile in the source.
        profile: Profile,
        /// Where that one went.
        to: String,
    },
    /// A refresh was interrupted; whether its refresh token is spent is not known yet.
    #[error("profile {profile}: a refresh was interrupted; ask for a token first, which recovers it, then move")]
    Interrupted {
        /// The profile in the source.
        profile: Profile,
    },
    /// The target ends with this process, and the source does not; that was not allowed.
    #[error("{place} ends with this process; use a store that lasts, or allow_volatile_refresh_tokens")]
    EndsWithProcess {
        /// The label of the target.
        place: String,
    },
    /// Somebody else holds a lease, longer than is waited for.
    #[error("profile {profile} of {place} is in use, and was not given free in time; try again")]
    InUse {
        /// The profile.
        profile: Profile,
        /// The label of the place.
        place: String,
    },
    /// What was read back is not what was written; the source is as it was, but for
    /// the note that its login departs.
    #[error("{name}: what {place} gives back is not what was written; nothing was deleted")]
    Mismatch {
        /// The name of the record.
        name: String,
        /// The label of the target.
        place: String,
    },
    /// Something else is stored under that name.
    #[error("{place} already has a profile {profile}; nothing was changed")]
    Occupied {
        /// The profile in the target.
        profile: Profile,
        /// The label of the target.
        place: String,
    },
    /// The engine ends.
    #[error("the profile was not moved")]
    Other(#[source] TokenError),
    /// Source and target are the same.
    #[error("the source and the target are the same")]
    SamePlace,
    /// A store can't be used.
    #[error("{place} can't be used ({})", source.kind())]
    Store {
        /// The label of the place.
        place: String,
        /// What the store says.
        source: StoreError,
    },
    /// The target may forget refresh tokens, and that was not allowed.
    #[error("{place} may forget refresh tokens at any time; use another store, or allow_volatile_refresh_tokens")]
    Volatile {
        /// The label of the target.
        place: String,
    },
}

impl TransferError {
    pub(super) fn store(place: &str, source: StoreError) -> Self {
        Self::Store {
            place: place.to_owned(),
            source,
        }
    }

    /// The kind of a token error that says the same, for one table of exit codes: a
    /// store's is `Store`, a lease that is not given free `Timeout`; `None` for what
    /// the caller has to decide.
    pub fn token_error_kind(&self) -> Option<TokenErrorKind> {
        match self {
            Self::Store { source, .. } => Some(TokenErrorKind::Store(source.kind())),
            Self::Other(error) => Some(error.kind().clone()),
            Self::InUse { .. } => Some(TokenErrorKind::Timeout),
            _ => None,
        }
    }
}
