//! The lease on a profile's grant, for those who write the record themselves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokenkeep::clock::{Clock as _, SystemClock, Timestamp};
use tokenkeep::key::Key;
use tokenkeep::record::{Contents, GrantRecord, Version};
use tokenkeep::store::{Lease, LeaseId, TokenStoreExt as _};
use tokenkeep::{Profile, TokenStore};

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// All that is done under it is short.
const TTL: Duration = Duration::from_secs(30);
/// Longer than a refresh takes, at most.
const PATIENCE: Duration = Duration::from_secs(70);
const PAUSE_MOST: Duration = Duration::from_millis(100);

/// Why it may take long to have it.
pub(crate) const IN_USE: &str = "waiting for a refresh to end";

/// The lease, held: nobody refreshes, logs in or logs out meanwhile.
pub(crate) struct GrantLease {
    store: Arc<dyn TokenStore>,
    key: Key,
    id: LeaseId,
}

impl GrantLease {
    /// Waits for it, as long as a refresh may take.
    pub(crate) async fn take(store: &Arc<dyn TokenStore>, profile: &Profile) -> Result<Self> {
        let lease = Self {
            store: store.clone(),
            key: Key::grant(profile),
            id: LeaseId::random(),
        };
        let begun = Instant::now();
        loop {
            match store.try_lease(&lease.key, &lease.id, TTL).await? {
                Lease::Granted => return Ok(lease),
                _ if begun.elapsed() > PATIENCE => {
                    let message = format!("profile {profile} is in use: somebody is refreshing it, and does not end");
                    return Err(Failure::new(Exit::Store, message).hint("try again later"));
                }
                Lease::HeldElsewhere { retry_after } => SystemClock.sleep(retry_after.min(PAUSE_MOST)).await,
                _ => SystemClock.sleep(PAUSE_MOST).await,
            }
        }
    }

    /// Holds it for longer; an error if it was lost.
    pub(crate) async fn renew(&self) -> Result<()> {
        if self.store.renew(&self.key, &self.id, TTL).await? {
            return Ok(());
        }
        let message = format!("the lease on profile {} was lost meanwhile", self.key.profile());
        Err(Failure::new(Exit::Store, message).hint("try again"))
    }

    /// The grant as it is kept, with its version.
    pub(crate) async fn load(&self) -> Result<Option<(Version, GrantRecord)>> {
        let stored = self.store.load_contents(&self.key).await?;
        Ok(stored.and_then(|(version, contents)| Some((version, contents.into_grant()?))))
    }

    /// Keeps this grant in place of what is kept.
    pub(crate) async fn put(&self, grant: &GrantRecord, keep_until: Option<Timestamp>) -> Result<()> {
        let contents = Contents::from(grant.clone());
        self.store.replace_contents(&self.key, &contents, keep_until).await?;
        Ok(())
    }

    /// Keeps this grant in place of the one of this version.
    pub(crate) async fn replace(
        &self,
        version: Version,
        grant: &GrantRecord,
        keep_until: Option<Timestamp>,
    ) -> Result<Version> {
        let contents = Contents::from(grant.clone());
        let saved = self
            .store
            .save_contents(&self.key, &contents, Some(version), keep_until);
        Ok(saved.await?)
    }

    /// Gives it back.
    pub(crate) async fn release(self) {
        if let Err(error) = self.store.release(&self.key, &self.id).await {
            tracing::warn!(target: "tokenkeep", key = %self.key, %error, "a lease can't be given back; it ends by itself");
        }
    }
}

/// Refuses to bring a refresh token to a store that may forget it.
pub(crate) fn check_persistence(store: &dyn TokenStore) -> Result<()> {
    if !store.capabilities().refuses_refresh_tokens() {
        return Ok(());
    }
    let message = format!("a {} store may forget a refresh token at any time", store.name());
    Err(Failure::new(Exit::Configuration, message).hint(
        "choose another store with --store URL, or accept it: allow_volatile_refresh_tokens=true in the URL of this one",
    ))
}
