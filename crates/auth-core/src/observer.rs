//! Events, for logs and metrics.

use std::fmt;
use std::time::Duration;

use crate::error::TokenError;
use crate::profile::Profile;

/// Is told what the engine does. Called on the engine's own thread: it must be
/// quick and must not block.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Something happened to this profile.
    fn event(&self, profile: &Profile, event: &Event);
}

/// What happened. Holds no secret.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Tokens that another process got were taken over from the store.
    Adopted,
    /// A token could not be got; what is still valid is still handed out.
    Failed(TokenError),
    /// The lease was held elsewhere, and waited for this long.
    LeaseWaited(Duration),
    /// New tokens from somebody else's flight or login replaced ours.
    ChildDropped,
    /// A person must log in.
    ReauthRequired(TokenError),
    /// A refresh that was interrupted earlier was carried on, successfully.
    Recovered,
    /// New tokens were got and saved; how long the token endpoint took.
    Refreshed(Duration),
    /// A save met another version and was decided anew.
    SaveConflict,
    /// An answer can't be saved yet; saving goes on.
    SaveDelayed,
}

/// Writes events as `tracing` events of target `tokenkeep`, without anything
/// secret: the default.
#[derive(Clone, Copy, Debug, Default)]
pub struct TracingObserver;

impl Observer for TracingObserver {
    fn event(&self, profile: &Profile, event: &Event) {
        match event {
            Event::Failed(error) => tracing::warn!(target: "tokenkeep", %profile, %error, "no new token"),
            Event::ReauthRequired(error) => tracing::warn!(target: "tokenkeep", %profile, %error, "login required"),
            Event::SaveDelayed => {
                tracing::warn!(target: "tokenkeep", %profile, "new tokens can't be saved yet; going on");
            }
            other => tracing::debug!(target: "tokenkeep", %profile, event = ?other, "token event"),
        }
    }
}
