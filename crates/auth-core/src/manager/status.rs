//! What is known of a profile without asking anybody.

use super::TokenManager;
use crate::clock::Timestamp;
use crate::error::TokenError;
use crate::key::Key;
use crate::profile::Profile;
use crate::record::{GrantRecord, HistoryEntry, RecordState};
use crate::store::TokenStoreExt as _;

/// What is known of a profile without asking the server. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileStatus {
    /// The profile.
    pub profile: Profile,
    /// In what state its grant is.
    pub state: RecordState,
    /// The grant by which its tokens came.
    pub grant: String,
    /// When the access token expires, if there is one and it is known.
    pub access_expires_at: Option<Timestamp>,
    /// Whether an access token is stored.
    pub has_access_token: bool,
    /// Whether a refresh token is stored.
    pub has_refresh_token: bool,
    /// When the refresh token ends, if the server said so.
    pub refresh_expires_at: Option<Timestamp>,
    /// When tokens were last got.
    pub refreshed_at: Option<Timestamp>,
    /// The last events, oldest first.
    pub history: Vec<HistoryEntry>,
}

impl ProfileStatus {
    /// The status that a grant record shows.
    pub fn of(profile: &Profile, grant: &GrantRecord) -> Self {
        Self {
            profile: profile.clone(),
            state: grant.hints().state.unwrap_or(RecordState::Active),
            grant: grant.recipe.grant.clone(),
            access_expires_at: grant.access.as_ref().and_then(|access| access.expires_at),
            has_access_token: grant.access.is_some(),
            has_refresh_token: grant.refresh_token.is_some(),
            refresh_expires_at: grant.refresh_expires_at,
            refreshed_at: grant.refreshed_at,
            history: grant.history.clone(),
        }
    }
}

impl TokenManager {
    /// What the store knows of a profile; `None` if nobody logged in under it.
    ///
    /// # Errors
    /// `Store`.
    pub async fn status(&self, profile: &Profile) -> Result<Option<ProfileStatus>, TokenError> {
        let stored = self.held.core.store.load_contents(&Key::grant(profile)).await;
        let stored = stored.map_err(|error| TokenError::store(error, "status").of_profile(profile))?;
        let grant = stored.and_then(|(_, contents)| contents.into_grant());
        Ok(grant.map(|grant| ProfileStatus::of(profile, &grant)))
    }
}
