//! Spilling a child that the store does not take, and finding it again.
//!
//! The name of what is spilled is made of the key and the attempt in the mark, so
//! it is found by whoever finds the mark, and by nobody else.

use super::records::Snapshot;
use super::spend::Attempt;
use super::{Ledger, OPERATION};
use crate::error::{TokenError, TokenErrorKind};
use crate::key::Key;
use crate::profile::Profile;
use crate::record::{GrantRecord, Mark, Record, Version};
use crate::refresh::flight::Landing;
use crate::refresh::flight::Reporter;
use crate::refresh::policy::is_valid;
use crate::refresh::{Core, Demand};
use crate::secret::SecretBytes;
use crate::spill::SpillFolder;
use crate::store::{StoreErrorKind, TokenStore as _, WriteIf};
use crate::target::Target;

/// What was found of an earlier attempt.
pub(super) enum Recovered {
    /// Nothing: the mark is all that is left.
    Nothing,
    /// Its answer, and it is saved now: decide anew.
    Saved,
    /// Its answer, but the store still does not take it.
    Stuck(Landing),
}

/// Tries once to save what was spilled for a profile; `true` if nothing is left to do.
pub(crate) async fn save_spilled(core: &Core, profile: &Profile) -> bool {
    let (demand, reporter) = (Demand::new(profile.clone(), Target::default()), Reporter::unheard());
    let ledger = Ledger {
        core,
        demand: &demand,
        reporter: &reporter,
        key: Key::grant(profile),
    };
    let saved = ledger.leased(async {
        let snapshot = ledger.load().await?;
        ledger.recover(&snapshot).await
    });
    matches!(saved.await, Ok(Recovered::Nothing | Recovered::Saved))
}

impl Ledger<'_> {
    /// Puts a child beside the store; `false` if there is no place, or it failed.
    pub(super) async fn spill(&self, attempt: &Attempt, child: &GrantRecord) -> bool {
        let Some(folder) = self.core.options.spill.clone() else {
            return false;
        };
        let name = self.spill_name(&attempt.mark);
        let packed = Record::encode(
            self.key.clone(),
            Version::after(Some(attempt.version)),
            None,
            &child.clone().into(),
        )
        .pack();
        let bytes = match attempt.data_key() {
            None => packed,
            Some(key) => match key.seal(&name, &packed) {
                Ok(sealed) => SecretBytes::new(sealed),
                Err(_) => return false,
            },
        };
        match on_disk(move || folder.put(&name, &bytes)).await {
            Ok(()) => {
                tracing::warn!(target: "tokenkeep", key = %self.key, "new tokens can't be saved; they were put into the spill folder");
                true
            }
            Err(error) => {
                tracing::error!(target: "tokenkeep", key = %self.key, %error, "new tokens can neither be saved nor spilled yet");
                false
            }
        }
    }

    /// Looks for the answer of the attempt whose mark is stored. Only under the lease.
    pub(super) async fn recover(&self, snapshot: &Snapshot) -> Result<Recovered, TokenError> {
        let (Some(folder), Some(version)) = (&self.core.options.spill, snapshot.version) else {
            return Ok(Recovered::Nothing);
        };
        let Some(mark) = snapshot.grant.as_ref().and_then(|grant| grant.mark.as_ref()) else {
            return Ok(Recovered::Nothing);
        };
        let name = self.spill_name(mark);
        let Some(child) = self.spilled(folder, &name).await? else {
            return Ok(Recovered::Nothing);
        };
        let saved = self
            .core
            .store
            .save(&self.encode(&child, version), WriteIf::Matches(version))
            .await;
        match saved {
            Ok(()) => {
                self.unspill(folder, name).await;
                Ok(Recovered::Saved)
            }
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(Recovered::Saved),
            Err(error) => Ok(Recovered::Stuck(
                self.spilled_token(child, TokenError::store(error, OPERATION)),
            )),
        }
    }

    /// The spilled access token, while it is valid: the refresh token of the record
    /// is spent, so nothing better can be had.
    fn spilled_token(&self, child: GrantRecord, error: TokenError) -> Landing {
        let now = self.core.options.clock.now();
        let usable = self.is_own_target(&child) && !self.demand.is_forced();
        let login = child.login_id;
        match child
            .access
            .filter(|access| usable && is_valid(access, now) && self.demand.rejected != Some(access.token.hash()))
        {
            Some(access) => {
                self.reporter.keep();
                Ok(crate::token::AccessToken::of_login(access, Some(login)))
            }
            None => Err(error),
        }
    }

    async fn spilled(&self, folder: &SpillFolder, name: &str) -> Result<Option<GrantRecord>, TokenError> {
        let (place, file) = (folder.clone(), name.to_owned());
        let unreadable = || TokenError::new(TokenErrorKind::Store(StoreErrorKind::Corrupt), OPERATION);
        let Some(bytes) = on_disk(move || place.get(&file))
            .await
            .map_err(|error| unreadable().with_source(error))?
        else {
            return Ok(None);
        };
        let packed = match &self.core.options.sealer {
            None => bytes,
            Some(sealer) => sealer
                .open(&self.key, name, bytes.expose())
                .await
                .map_err(|error| TokenError::seal(error, OPERATION))?,
        };
        let record = Record::unpack_as(&self.key, packed.expose()).ok_or_else(unreadable)?;
        let contents = record.decode().map_err(|error| unreadable().with_source(error))?;
        contents.into_grant().map(Some).ok_or_else(unreadable)
    }

    /// Takes away what was spilled, now that it is saved.
    pub(super) async fn unspill(&self, folder: &SpillFolder, name: String) {
        let folder = folder.clone();
        if let Err(error) = on_disk(move || folder.remove(&name)).await {
            tracing::warn!(target: "tokenkeep", key = %self.key, %error, "a spilled file can't be removed");
        }
    }

    pub(super) fn spill_name(&self, mark: &Mark) -> String {
        format!("{}.{}", self.key.digest(), mark.attempt)
    }
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> std::io::Result<T> + Send + 'static) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("the work broke off")))
}
