//! What a caller wants of a flight.

use std::time::Duration;

use crate::profile::Profile;
use crate::secret::SecretHash;
use crate::target::Target;
use crate::token::AccessToken;

/// What a caller wants.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) profile: Profile,
    pub(crate) target: Target,
    /// The token must still live this long; the policy's margin where not given.
    pub(crate) min_validity: Option<Duration>,
    /// A resource server answered 401 to this token.
    pub(crate) rejected: Option<SecretHash>,
    /// A new token, whatever there is; also after a refusal.
    pub(crate) force: bool,
    /// Whatever is held or stored; the server is not asked.
    pub(crate) stored_only: bool,
}

impl Demand {
    pub(crate) fn new(profile: Profile, target: Target) -> Self {
        Self { profile, target, min_validity: None, rejected: None, force: false, stored_only: false }
    }

    /// Whether only this caller's own flight can answer it.
    pub(crate) fn is_special(&self) -> bool {
        self.force || self.rejected.is_some() || self.min_validity.is_some() || self.stored_only
    }

    /// Whether a token from somebody else's flight will do.
    pub(crate) fn is_met_by(&self, token: &AccessToken) -> bool {
        !self.force && self.min_validity.is_none() && self.rejected != Some(token.hash())
    }
}
