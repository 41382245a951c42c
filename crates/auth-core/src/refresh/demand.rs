//! What a caller wants of a flight.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::profile::Profile;
use crate::secret::SecretHash;
use crate::target::Target;
use crate::token::AccessToken;

/// What a caller wants.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) profile: Profile,
    pub(crate) target: Target,
    pub(crate) want: Want,
    /// The token must still live this long; the policy's margin where not given.
    pub(crate) min_validity: Option<Duration>,
    /// A resource server answered 401 to this token.
    pub(crate) rejected: Option<SecretHash>,
}

/// Which token will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Any that is fresh.
    Any,
    /// One beyond the advisory window: asked for behind the users of a good one.
    Better,
    /// A new one, whatever there is; also after a refusal.
    New,
    /// Whatever is stored and valid; the server is not asked.
    Stored,
}

impl Demand {
    pub(crate) fn new(profile: Profile, target: Target) -> Self {
        Self {
            profile,
            target,
            want: Want::Any,
            min_validity: None,
            rejected: None,
        }
    }

    /// Whether only a new token will do.
    pub(crate) fn is_forced(&self) -> bool {
        self.want == Want::New
    }

    /// Whether the token in memory may answer it at once, if it is fresh.
    pub(crate) fn is_plain(&self) -> bool {
        self.want == Want::Any && self.rejected.is_none() && self.min_validity.is_none()
    }

    /// Whether a token from somebody else's flight will do.
    pub(crate) fn is_met_by(&self, token: &AccessToken, now: Timestamp) -> bool {
        let lives_long_enough = match (self.min_validity, token.expires_at()) {
            (Some(wanted), Some(end)) => end.since(now) >= wanted,
            _ => true,
        };
        !self.is_forced() && lives_long_enough && self.rejected != Some(token.hash())
    }
}
