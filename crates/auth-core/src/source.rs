//! Token sources: a valid token, now.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use crate::error::TokenError;
use crate::manager::Held;
use crate::profile::Profile;
use crate::refresh::{Demand, Peeked, Slot, Want};
use crate::target::Target;
use crate::token::AccessToken;

/// Gives valid tokens of one profile and target. Cheap to clone.
#[derive(Clone)]
pub struct TokenSource {
    held: Held,
    slot: Arc<Slot>,
    min_validity: Option<Duration>,
}

impl TokenSource {
    pub(crate) fn new(held: Held, profile: &Profile, target: &Target) -> Self {
        let slot = held.core.slot(profile, target);
        Self {
            held,
            slot,
            min_validity: None,
        }
    }

    /// A source whose tokens live at least this long when they are handed out;
    /// a token that can't is an error.
    pub fn min_validity(mut self, at_least: Duration) -> Self {
        self.min_validity = Some(at_least);
        self
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.slot.profile
    }

    /// The target.
    pub fn target(&self) -> &Target {
        &self.slot.target
    }

    /// A valid token: from memory, the store or the server.
    ///
    /// - valid in memory: at once, no lock, no store;
    /// - near its end: renewed behind the users, then before they get it;
    /// - renewal fails, but the token is still valid: it is handed out;
    /// - cancelled (this future is dropped): the refresh goes on to its end.
    ///
    /// # Errors
    /// [`TokenErrorKind`](crate::error::TokenErrorKind) says what to do.
    pub async fn token(&self) -> Result<AccessToken, TokenError> {
        if self.min_validity.is_none()
            && let Some(ready) = self.held.core.ready(&self.slot)
        {
            return Ok(ready);
        }
        self.obtain(self.demand()).await
    }

    /// A valid token for another target of the same profile.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn token_for(&self, target: &Target) -> Result<AccessToken, TokenError> {
        let source = Self {
            slot: self.held.core.slot(self.profile(), target),
            ..self.clone()
        };
        source.token().await
    }

    /// A new token from the server, whatever there is, and although the last
    /// refresh was refused.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn force(&self) -> Result<AccessToken, TokenError> {
        let mut demand = self.demand();
        demand.want = Want::New;
        self.obtain(demand).await
    }

    /// The token in memory or in the store, if it is valid; the server is not
    /// asked.
    ///
    /// # Errors
    /// `ReauthRequired` if there is none, `Store`.
    pub async fn current(&self) -> Result<AccessToken, TokenError> {
        if let Some(held) = self.peek() {
            return Ok(held.clone());
        }
        // However short it lives: what is asked for is what there is.
        let mut demand = self.demand();
        demand.want = Want::Stored;
        self.obtain(demand).await
    }

    /// The token to use after a resource server answered 401 to `rejected`: another
    /// one from memory or the store, or a new one; `rejected` itself if it was got
    /// only just now because of a 401, so that useless ones cause no refreshes.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn after_rejection(&self, rejected: &AccessToken) -> Result<AccessToken, TokenError> {
        if let Some(held) = self.peek().filter(|held| **held != *rejected) {
            return Ok(held.clone());
        }
        let mut demand = self.demand();
        demand.rejected = Some(rejected.hash());
        self.obtain(demand).await
    }

    /// The valid token in memory, borrowed, without waiting for anything; `None`
    /// before the first [`token`](Self::token), and when it has ended.
    pub fn peek(&self) -> Option<TokenRef> {
        self.slot.peek(&*self.held.core.options.clock).map(TokenRef)
    }

    fn demand(&self) -> Demand {
        let mut demand = Demand::new(self.slot.profile.clone(), self.slot.target.clone());
        demand.min_validity = self.min_validity;
        demand
    }

    async fn obtain(&self, demand: Demand) -> Result<AccessToken, TokenError> {
        self.held.core.obtain(&self.slot, demand).await
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource")
            .field("profile", self.profile())
            .field("target", self.target())
            .finish_non_exhaustive()
    }
}

/// A token borrowed from memory. Not to be held for long: copies that are renewed
/// meanwhile stay alive for it.
pub struct TokenRef(Peeked);

impl Deref for TokenRef {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        &self.0
    }
}

impl fmt::Debug for TokenRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
