//! The login itself: refresh tokens are moved, never copied silently.

use super::side::{Found, Side};
use super::{GrantTransfer, Leases, Options, Sides, TransferError};
use crate::clock::Timestamp;
use crate::key::Key;
use crate::record::{Contents, Departure, GrantRecord, LoginId, Outcome, Version};
use crate::store::{Persistence, StoreError, StoreErrorKind};

/// What is there, and so what to do.
pub(super) struct Plan {
    source: Option<Source>,
    /// The version that is stored in the target, and the login, which may have ended.
    target: Option<(Version, Option<GrantRecord>)>,
    /// Whether the login of the source departs to the target, or has gone there: then its client went before.
    departs: bool,
}

struct Source {
    version: Version,
    keep_until: Option<Timestamp>,
    grant: GrantRecord,
}

impl Plan {
    /// Whether the target holds the login already, and rightly: an earlier move broke
    /// off after writing it, or there is nothing in it that can be spent. What became of
    /// it there since, its end too, holds.
    pub(super) fn resumes(&self) -> bool {
        let Some((source, target)) = self.same_login() else {
            return false;
        };
        let nothing_to_spend = source.refresh_token.is_none() && target.refresh_token.is_none();
        source.departure.is_some() || (target.ended.is_none() && nothing_to_spend)
    }

    /// Whether a client that the target has is its own by now, and stays: what became of it there since it was copied
    /// holds. Where nothing departed only if nothing is to be overwritten.
    pub(super) fn leaves_client(&self, options: Options) -> bool {
        self.departs || (self.resumes() && !options.overwrite)
    }

    /// Whether a login lives in the target.
    fn is_occupied(&self) -> bool {
        let target = self.target.as_ref().and_then(|(_, login)| login.as_ref());
        target.is_some_and(|login| login.ended.is_none())
    }

    fn same_login(&self) -> Option<(&GrantRecord, &GrantRecord)> {
        let source = &self.source.as_ref()?.grant;
        let target = self.target.as_ref()?.1.as_ref()?;
        (source.login_id == target.login_id).then_some((source, target))
    }

    pub(super) fn is_login(&self) -> bool {
        self.source.is_some()
    }

    pub(super) fn source_version(&self) -> Option<Version> {
        self.source.as_ref().map(|source| source.version)
    }

    pub(super) fn login_id(&self) -> Option<LoginId> {
        self.source.as_ref().map(|source| source.grant.login_id)
    }

    pub(super) fn outcome(&self, options: Options) -> GrantTransfer {
        match &self.source {
            None => GrantTransfer::Absent,
            Some(source) if source.has_refresh_token() && !options.allow_duplicate => GrantTransfer::Moved,
            Some(_) if self.resumes() => GrantTransfer::Present,
            Some(_) => GrantTransfer::Copied,
        }
    }
}

impl Sides<'_> {
    /// Reads both sides and refuses what can't be done, before anything is changed.
    pub(super) async fn plan(&self) -> Result<Plan, TransferError> {
        let source = self.from.find(&Key::grant(self.from.profile)).await?;
        let departs = source.as_ref().is_some_and(|found| self.departs(found));
        let source = self.source(source)?;
        let target = self.to.find(&Key::grant(self.to.profile)).await?;
        let target = target.map(|found| (found.version, found.contents.into_grant()));
        let plan = Plan {
            source,
            target,
            departs,
        };
        self.lasts(&plan)?;
        if plan.is_login() && plan.is_occupied() && !plan.resumes() && !self.transfer.options.overwrite {
            return Err(self.to.occupied());
        }
        Ok(plan)
    }

    /// The login of the source, if it lives and may go.
    fn source(&self, found: Option<Found>) -> Result<Option<Source>, TransferError> {
        let Some(found) = found else { return Ok(None) };
        let Some(grant) = found.contents.into_grant().filter(|grant| grant.ended.is_none()) else {
            return Ok(None);
        };
        if let Some(departure) = grant
            .departure
            .as_ref()
            .filter(|departure| departure.to != self.to.place_name())
        {
            return Err(TransferError::Departing {
                profile: self.from.profile.clone(),
                to: departure.to.clone(),
            });
        }
        if grant.refresh_token.is_some() {
            self.may_go(&grant)?;
        }
        Ok(Some(Source {
            version: found.version,
            keep_until: found.keep_until,
            grant,
        }))
    }

    fn departs(&self, found: &Found) -> bool {
        let Contents::Grant(grant) = &found.contents else {
            return false;
        };
        let departure = grant.departure.as_ref();
        departure.is_some_and(|departure| departure.to == self.to.place_name())
    }

    /// What leaves a store that lasts must not end with this process: a refresh token, or what is deleted.
    fn lasts(&self, plan: &Plan) -> Result<(), TransferError> {
        let persistence = |side: &Side<'_>| side.store().capabilities().persistence;
        let ends = persistence(&self.to) == Persistence::Memory && persistence(&self.from) != Persistence::Memory;
        let options = self.transfer.options;
        let moves = !options.allow_duplicate && plan.source.as_ref().is_some_and(Source::has_refresh_token);
        let leaves = moves || options.delete_source;
        if ends && leaves && !options.allow_volatile {
            return Err(TransferError::EndsWithProcess { place: self.to.label() });
        }
        Ok(())
    }

    fn may_go(&self, grant: &GrantRecord) -> Result<(), TransferError> {
        if grant.mark.is_some() {
            return Err(TransferError::Interrupted {
                profile: self.from.profile.clone(),
            });
        }
        let capabilities = self.to.store().capabilities();
        if capabilities.refuses_refresh_tokens() && !self.transfer.options.allow_volatile {
            return Err(TransferError::Volatile { place: self.to.label() });
        }
        Ok(())
    }

    /// What the target has of the same login before it departs, an older copy that is to be overwritten or what was
    /// left there by an earlier move or a logout, becomes nobody's: the login that is found there afterwards has
    /// arrived.
    async fn disown(&self, plan: &mut Plan) -> Result<(), TransferError> {
        if plan.resumes() || plan.same_login().is_none() {
            return Ok(());
        }
        let Some((version, Some(before))) = &plan.target else {
            return Ok(());
        };
        let mut stone = match before.ended {
            Some(_) => before.clone(),
            None => before.tombstone(self.now()),
        };
        stone.login_id = LoginId::random();
        let key = Key::grant(self.to.profile);
        let saved = self.to.put(&key, &stone.into(), None, Some(*version), None).await;
        plan.target = Some((saved.map_err(|error| self.to.failed(error))?, None));
        Ok(())
    }

    pub(super) async fn grant(&self, plan: &mut Plan, leases: &Leases) -> Result<GrantTransfer, TransferError> {
        let outcome = plan.outcome(self.transfer.options);
        if outcome == GrantTransfer::Moved {
            self.disown(plan).await?;
        }
        let Some(source) = &plan.source else {
            return Ok(outcome);
        };
        match outcome {
            GrantTransfer::Moved => self.move_grant(source, plan, leases).await?,
            GrantTransfer::Copied => self.write_grant(source, plan, Some(source.version)).await?,
            GrantTransfer::Absent | GrantTransfer::Present => {}
        }
        Ok(outcome)
    }

    async fn move_grant(&self, source: &Source, plan: &Plan, leases: &Leases) -> Result<(), TransferError> {
        let departing = self.depart(source).await?;
        self.still_leased(leases).await?;
        if !plan.resumes() {
            self.write_grant(source, plan, Some(departing)).await?;
        }
        let stone = source.grant_departing(&self.to, self.now()).moved(self.now());
        let key = Key::grant(self.from.profile);
        let saved = self.from.put(&key, &stone.into(), None, Some(departing), None).await;
        saved.map(drop).map_err(|error| self.from.failed(error))
    }

    /// From here on nobody spends the refresh token in the source. Written also where an earlier move wrote it: what
    /// that one may have sent to take it back, unanswered, comes too late from now on.
    async fn depart(&self, source: &Source) -> Result<Version, TransferError> {
        let contents = source.grant_departing(&self.to, self.now()).into();
        let key = Key::grant(self.from.profile);
        let saved = self
            .from
            .put(&key, &contents, source.keep_until, Some(source.version), None)
            .await;
        saved.map_err(|error| self.from.failed(error))
    }

    async fn write_grant(&self, source: &Source, plan: &Plan, after: Option<Version>) -> Result<(), TransferError> {
        let key = Key::grant(self.to.profile);
        let found = plan.target.as_ref().map(|(version, _)| *version);
        let mut grant = source.grant.clone();
        grant.departure = None;
        grant.note(self.now(), Outcome::Moved, None);
        let contents = Contents::from(grant);
        if let Err(error) = self.to.put(&key, &contents, source.keep_until, found, after).await {
            if self.never_arrives(source, &error).await {
                self.stay(source, after).await;
            }
            return Err(self.to.failed(error));
        }
        self.to.compare(&key, &contents).await
    }

    /// Whether it is sure, after this error, that nothing of the login is in the target, nor will be. Where an
    /// earlier try noted the departure it is not: what that one sent and heard nothing of may come whenever it likes.
    async fn never_arrives(&self, source: &Source, error: &StoreError) -> bool {
        if source.grant.departure.is_some() {
            return false;
        }
        match error.kind() {
            StoreErrorKind::Ambiguous => false,
            // What is there may be our own.
            StoreErrorKind::Conflict => self.is_not_there(source).await,
            _ => true,
        }
    }

    /// Whether the target, read again, holds another login or none.
    async fn is_not_there(&self, source: &Source) -> bool {
        let Ok(found) = self.to.find(&Key::grant(self.to.profile)).await else {
            return false;
        };
        let there = found.and_then(|found| found.contents.into_grant());
        there.is_none_or(|there| there.login_id != source.grant.login_id)
    }

    /// Nothing was written to the target: the login goes on where it is. If that
    /// can't be said, the move has to be run again.
    async fn stay(&self, source: &Source, departing: Option<Version>) {
        if departing == Some(source.version) {
            return;
        }
        let key = Key::grant(self.from.profile);
        let contents = source.grant.clone().into();
        let _ = self.from.put(&key, &contents, source.keep_until, departing, None).await;
    }

    async fn still_leased(&self, leases: &Leases) -> Result<(), TransferError> {
        for (lease, side) in leases.0.iter().zip([&self.from, &self.to]) {
            if !lease.extend().await.map_err(|error| side.failed(error))? {
                return Err(side.in_use());
            }
        }
        Ok(())
    }

    fn now(&self) -> Timestamp {
        self.transfer.clock.now()
    }
}

impl Source {
    fn has_refresh_token(&self) -> bool {
        self.grant.refresh_token.is_some()
    }

    fn grant_departing(&self, to: &Side<'_>, now: Timestamp) -> GrantRecord {
        let mut grant = self.grant.clone();
        grant
            .departure
            .get_or_insert_with(|| Departure::new(to.place_name(), now));
        grant
    }
}
