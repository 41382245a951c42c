//! Moving logins: to another name, or to another store.
//!
//! A refresh token that is stored twice is a login that will be lost: the first to
//! spend it ends the other. So a login with one is *moved*, under the leases of both
//! sides: the source is noted as departing (nobody spends there any more), the
//! target is written, read back and compared, and only then the source becomes a
//! tombstone. A move that breaks off anywhere is finished by running it again, and
//! until then the refresh token can be spent in one place at most. What can be asked
//! for again, client registrations and access tokens, is copied.

mod error;
mod grant;
mod pace;
mod parts;
mod report;
mod several;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

pub use error::TransferError;
pub use report::{GrantTransfer, TransferReport};
use side::Side;

use crate::clock::{Clock, SystemClock};
use crate::key::{Key, Part};
use crate::profile::Profile;
use crate::refresh::Timing;
use crate::store::{Listed, StoreErrorKind, TokenStore, TokenStoreExt as _};
use crate::target::TargetId;

/// A store, and what to call it.
#[derive(Clone, Debug)]
pub struct Place {
    store: Arc<dyn TokenStore>,
    label: String,
}

impl Place {
    /// This store. The label goes into messages and into records: it must hold no
    /// secret, and be the same when an interrupted move is run again.
    pub fn new(store: Arc<dyn TokenStore>, label: impl Into<String>) -> Self {
        Self {
            store,
            label: label.into(),
        }
    }
}

/// Moves profiles from one place to another.
#[derive(Clone, Debug)]
pub struct Transfer {
    from: Place,
    to: Place,
    clock: Arc<dyn Clock>,
    timing: Timing,
    at_once: usize,
    options: Options,
}

#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent answers of a person, each yes or no"
)]
struct Options {
    overwrite: bool,
    delete_source: bool,
    allow_duplicate: bool,
    allow_volatile: bool,
    dry_run: bool,
}

impl Transfer {
    /// From one place to the other, which may be the same under another name.
    pub fn new(from: Place, to: Place) -> Self {
        Self {
            from,
            to,
            clock: Arc::new(SystemClock),
            timing: Timing::default(),
            at_once: 1,
            options: Options::default(),
        }
    }

    /// Whether what is stored under the target's name may be replaced. No
    pub fn overwrite(mut self, overwrite: bool) -> Self {
        self.options.overwrite = overwrite;
        self
    }

    /// Whether what was copied is removed from the source, if it is still what was copied. No: only refresh tokens
    /// leave it, with the access tokens that came by them
    pub fn delete_source(mut self, delete: bool) -> Self {
        self.options.delete_source = delete;
        self
    }

    /// Whether a refresh token may be copied, and stay where it is. No: who spends
    /// one of them may end the other
    pub fn allow_duplicate(mut self, allow: bool) -> Self {
        self.options.allow_duplicate = allow;
        self
    }

    /// Whether a refresh token may go to a store that may forget it at any time, or from one that lasts to one that
    /// ends with this process. No
    pub fn allow_volatile_refresh_tokens(mut self, allow: bool) -> Self {
        self.options.allow_volatile = allow;
        self
    }

    /// Whether to look only, and change nothing. No
    pub fn dry_run(mut self, dry_run: bool) -> Self {
        self.options.dry_run = dry_run;
        self
    }

    /// How many profiles are on their way at the same time at most, at least one. One: several are quicker where a
    /// write waits for a disk or a network, and each is moved by the same steps, in the same order, as it would be
    /// alone.
    ///
    /// Where several are too many for a store, and it does not answer in time, fewer are on their way from then on,
    /// and more again while it answers. A move that fails so is made again, at most eight times in all, and only
    /// while there were several: one that fails alone has failed
    pub fn at_once(mut self, profiles: usize) -> Self {
        self.at_once = profiles.max(1);
        self
    }

    /// Times for leases and the waiting for them.
    pub fn timing(mut self, timing: Timing) -> Self {
        self.timing = timing;
        self
    }

    /// Another clock than the system's.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Moves one profile, under this name in the target. `None` if the source has
    /// nothing of it.
    ///
    /// Access tokens beside the login's own one are found where the source can list.
    ///
    /// # Errors
    /// [`TransferError`]; nothing is lost by any, and the same move can be run again.
    pub async fn profile(&self, from: &Profile, to: &Profile) -> Result<Option<TransferReport>, TransferError> {
        if self.is_same(from, to) {
            return Err(TransferError::SamePlace);
        }
        let mut listed = by_profile(self.listed().await?.unwrap_or_default());
        self.one(from, to, &listed.remove(from).unwrap_or_default()).await
    }

    /// Moves every profile of the source, each under its own name, and tells of each
    /// when it is done, in the order of their names. One that fails does not keep the
    /// others back, unless the answer is to break off: then those on their way are
    /// brought to their end and told, and no other is begun.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    /// If the source can't be listed.
    pub async fn all(
        &self,
        mut done: impl FnMut(&Profile, Result<&TransferReport, &TransferError>) -> ControlFlow<()> + Send,
    ) -> Result<(), TransferError> {
        let unsupported = || TransferError::CannotList {
            place: self.from.label.clone(),
        };
        let profiles = by_profile(self.listed().await?.ok_or_else(unsupported)?);
        let told = |profile: &Profile, outcome: Result<Option<&TransferReport>, &TransferError>| match outcome {
            Ok(None) => ControlFlow::Continue(()),
            Ok(Some(report)) => done(profile, Ok(report)),
            Err(error) => done(profile, Err(error)),
        };
        self.each(profiles, told).await
    }

    /// Moves these profiles as [`all`](Self::all) does; `None` is told of one that the
    /// source has nothing of.
    ///
    /// # Errors
    /// If the source can list, but fails to.
    pub async fn profiles(
        &self,
        profiles: impl IntoIterator<Item = Profile> + Send,
        done: impl FnMut(&Profile, Result<Option<&TransferReport>, &TransferError>) -> ControlFlow<()> + Send,
    ) -> Result<(), TransferError> {
        let profiles: BTreeSet<Profile> = profiles.into_iter().collect();
        let mut listed = by_profile(self.listed().await?.unwrap_or_default());
        let wanted = profiles.into_iter().map(|profile| {
            let tokens = listed.remove(&profile).unwrap_or_default();
            (profile, tokens)
        });
        self.each(wanted.collect(), done).await
    }

    async fn one(&self, from: &Profile, to: &Profile, tokens: &BTreeSet<TargetId>) -> Outcome {
        let sides = Sides {
            transfer: self,
            from: Side::new(&self.from, from),
            to: Side::new(&self.to, to),
        };
        let leases = sides.lease().await?;
        let outcome = sides.transfer(&leases, tokens).await;
        leases.release().await;
        outcome
    }

    fn is_same(&self, from: &Profile, to: &Profile) -> bool {
        from == to && Arc::ptr_eq(&self.from.store, &self.to.store)
    }

    /// `None` where the source can't list.
    async fn listed(&self) -> Result<Option<Vec<Listed>>, TransferError> {
        match self.from.store.list_all().await {
            Ok(listed) => Ok(Some(listed)),
            Err(error) if error.kind() == StoreErrorKind::Unsupported => Ok(None),
            Err(error) => Err(TransferError::store(&self.from.label, error)),
        }
    }
}

/// What came of one profile; `None` if the source has nothing of it.
type Outcome = Result<Option<TransferReport>, TransferError>;

/// One profile on both sides.
struct Sides<'a> {
    transfer: &'a Transfer,
    from: Side<'a>,
    to: Side<'a>,
}

/// The leases on both sides, held.
struct Leases([crate::refresh::lease::HeldLease; 2]);

impl Leases {
    async fn release(self) {
        for lease in self.0 {
            lease.release().await;
        }
    }
}

impl Sides<'_> {
    /// In one order for all, so that two moves in opposite directions do not wait
    /// for each other.
    async fn lease(&self) -> Result<Leases, TransferError> {
        if self.from.place_name() <= self.to.place_name() {
            let from = self.from.lease(self.transfer).await?;
            Ok(Leases([from, self.to.lease(self.transfer).await?]))
        } else {
            let to = self.to.lease(self.transfer).await?;
            Ok(Leases([self.from.lease(self.transfer).await?, to]))
        }
    }

    /// The client first and the login last: what breaks off before the login has
    /// changed nothing that matters.
    async fn transfer(
        &self,
        leases: &Leases,
        tokens: &BTreeSet<TargetId>,
    ) -> Result<Option<TransferReport>, TransferError> {
        let mut plan = self.plan().await?;
        let client = self.client(&plan).await?;
        if self.transfer.options.dry_run {
            let grant = plan.outcome(self.transfer.options);
            return Ok(TransferReport::of(
                client.is_same(),
                grant,
                tokens.len(),
                usize::from(client.differs()),
            ));
        }
        let tokens = self.tokens(&plan, tokens).await?;
        let copied = tokens.copied;
        let grant = self.grant(&mut plan, leases).await?;
        let kept = self.clear(&plan, grant, client, tokens).await?;
        Ok(TransferReport::of(client.is_same(), grant, copied, kept))
    }
}

/// The profiles, each with what it has access tokens for.
fn by_profile(listed: Vec<Listed>) -> BTreeMap<Profile, BTreeSet<TargetId>> {
    let mut profiles: BTreeMap<Profile, BTreeSet<TargetId>> = BTreeMap::new();
    for listed in listed {
        let tokens = profiles.entry(listed.key.profile().clone()).or_default();
        if let Part::Token(target) = listed.key.part() {
            tokens.insert(target);
        }
    }
    profiles
}

/// The key of the same part under another profile.
fn renamed(key: &Key, profile: &Profile) -> Key {
    Key::new(profile.clone(), key.part())
}
