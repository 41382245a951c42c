//! A store that shows an older state than was seen: nothing is spent of it, the newer
//! is put back where that is safe, and a person may accept the older. [ADR 9].
//!
//! [ADR 9]: https://github.com/tokenkeep/tokenkeep/blob/main/docs/adr/0009-rollback.md

use std::time::Duration;

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Record, RecordErrorKind, Version};
use auth_core::store::{Lease, LeaseId, Retry, StoreError, StoreErrorKind, TokenStore as _, WriteIf};

use crate::error::rolled_back;
use crate::store::{KmsStore, Shared};
use crate::witness::{Facts, Seen, Verdict, judge};

/// How often, and after which pause, a record is read again that somebody else puts right.
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// For how long the lease is taken to put a record back.
const LEASE: Duration = Duration::from_secs(15);

impl KmsStore {
    /// Accepts what is stored of a profile as it is, in all processes: the state that a
    /// store was rolled back to, by who knows that its refresh token was not spent since.
    /// `false` if there is no login.
    ///
    /// The record is written anew with a generation that no process has seen.
    ///
    /// # Errors
    /// Those of [`TokenStore::load`](auth_core::TokenStore::load) and
    /// [`TokenStore::save`](auth_core::TokenStore::save).
    pub async fn accept(&self, profile: &Profile) -> Result<bool, StoreError> {
        let (shared, key) = (&*self.shared, Key::grant(profile));
        let loaded = shared.inner.load(&key).await.map_err(|error| shared.named(error))?;
        let Some(stored) = loaded else { return Ok(false) };
        let read = stored.version();
        let record = shared.open(&stored).await?;
        let accepted = shared.renumbered(&record, Version::far_after(Some(read)))?;
        shared.save(&accepted, WriteIf::Matches(read)).await?;
        Ok(true)
    }
}

impl Shared {
    /// Loads a record, and compares it with what was seen of it.
    pub(crate) async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let mut tries = 0;
        loop {
            // Looked up before the store is read: what was seen until now is in it.
            let seen = self.witness.seen(key);
            let loaded = self.inner.load(key).await.map_err(|error| self.named(error))?;
            let Some(stored) = loaded else { return Ok(None) };
            let version = stored.version();
            let record = self.open(&stored).await?;
            if let Some(record) = self.compared(seen.as_deref(), stored, record).await? {
                return Ok(Some(record));
            }
            if tries == TRIES {
                let seen = seen.map_or(version, |seen| seen.version);
                return Err(rolled_back(key, &self.name, version, seen).with_retry(Retry::After(PAUSE)));
            }
            tries += 1;
            self.clock.sleep(PAUSE).await;
        }
    }

    /// The record, if it does not go back behind what was seen, or what was put back in
    /// its place; `None` if somebody else is about to put it right.
    async fn compared(
        &self,
        seen: Option<&Seen>,
        stored: Record,
        record: Record,
    ) -> Result<Option<Record>, StoreError> {
        if seen.is_some_and(|seen| seen.version == stored.version()) {
            return Ok(Some(record));
        }
        let Some(facts) = Facts::of(&record) else {
            return Ok(Some(record));
        };
        if let Some(seen) = seen.filter(|seen| is_behind(seen, stored.version(), &facts)) {
            return self.put_back(seen, stored.version()).await;
        }
        let restarted = seen.is_some_and(|seen| stored.version().generation() <= seen.version.generation());
        let now = Seen {
            version: stored.version(),
            facts,
            stored,
        };
        if restarted {
            self.witness.note(now);
        } else {
            self.witness.note_unless_later(now);
        }
        Ok(Some(record))
    }

    /// Puts the newer state that was seen back, under the lease, if nobody can have
    /// spent of it since; `None` if somebody else is at it.
    async fn put_back(&self, seen: &Seen, stored: Version) -> Result<Option<Record>, StoreError> {
        let key = seen.stored.key();
        tracing::warn!(target: "tokenkeep", %key, stored = stored.generation(), seen = seen.version.generation(), "the store shows an older state than was seen: nothing is sent");
        if !seen.facts.may_be_put_back(self.clock.now()) {
            return Err(rolled_back(key, &self.name, stored, seen.version));
        }
        // Opened before anything is locked: the key service may be slow.
        let newer = self.open(&seen.stored).await?;
        let newer = self.renumbered(&newer, Version::after_both(Some(stored), Some(seen.version)))?;
        let own = LeaseId::random();
        let mine = self.leases().contains_key(key);
        if !mine {
            let lease = self.inner.try_lease(key, &own, LEASE).await;
            if lease.map_err(|error| self.named(error))? != Lease::Granted {
                return Ok(None);
            }
        }
        let saved = self.save(&newer, WriteIf::Matches(stored)).await;
        if !mine {
            // Its time is short, should this fail.
            let _ = self.inner.release(key, &own).await;
        }
        match saved {
            Ok(()) => {
                tracing::warn!(target: "tokenkeep", %key, generation = newer.version().generation(), "the newer state that this process had seen was put back");
                Ok(Some(newer))
            }
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A save met another version. If the store was rolled back behind the state that
    /// this record goes on from, it is written over what came back: the tokens in it
    /// are the latest there are.
    pub(crate) async fn save_over_rollback(
        &self,
        sealed: &Record,
        when: WriteIf,
        conflict: StoreError,
    ) -> Result<(), StoreError> {
        let (WriteIf::Matches(expected), Some(seen)) = (when, self.witness.seen(sealed.key())) else {
            return Err(conflict);
        };
        if seen.version != expected {
            return Err(conflict);
        }
        let Some(stored) = self.inner.load(sealed.key()).await? else {
            return Err(conflict);
        };
        let found = stored.version();
        let Ok(record) = self.open(&stored).await else {
            return Err(conflict);
        };
        match Facts::of(&record) {
            Some(facts) if found.generation() < expected.generation() && is_behind(&seen, found, &facts) => {
                tracing::warn!(target: "tokenkeep", key = %sealed.key(), "the store was rolled back under a write, which goes over it");
                self.inner.save(sealed, WriteIf::Matches(found)).await
            }
            _ => Err(conflict),
        }
    }

    /// The same contents as another version.
    pub(crate) fn renumbered(&self, record: &Record, version: Version) -> Result<Record, StoreError> {
        let contents = record.decode().map_err(|error| {
            let replaceable = !matches!(error.kind(), RecordErrorKind::NewerFormat { .. });
            let error = error.into_store_error(&self.name);
            if replaceable {
                error.with_stored(record.version())
            } else {
                error
            }
        })?;
        Ok(Record::encode(
            record.key().clone(),
            version,
            record.keep_until(),
            &contents,
        ))
    }
}

fn is_behind(seen: &Seen, stored: Version, facts: &Facts) -> bool {
    stored.generation() <= seen.version.generation()
        && stored != seen.version
        && judge(&seen.facts, facts) == Verdict::RolledBack
}
