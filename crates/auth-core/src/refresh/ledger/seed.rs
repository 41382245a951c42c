//! Seeds: a refresh token that a program is given at each start begins a login once;
//! after that what descends from it wins.
//!
//! The login is one write under the lease, so that of several processes one begins
//! it, and a crash leaves all or nothing of it. The refresh token is spent later, as
//! any other.

use super::{Core, Demand, Ledger, ROUNDS_MAX, acquire};
use crate::error::TokenError;
use crate::key::Key;
use crate::record::{AccessEntry, Contents, GrantRecord, LoginId, Outcome, Recipe, Record, Version};
use crate::refresh::flight::Reporter;
use crate::refresh::lease::Waited;
use crate::refresh::policy::{SeedStep, before_seed};
use crate::secret::Secret;
use crate::store::{StoreErrorKind, WriteIf};

const OPERATION: &str = "seed";

/// A login that begins with a refresh token from elsewhere.
pub(crate) struct Planting {
    pub(crate) recipe: Recipe,
    pub(crate) refresh_token: Secret,
    pub(crate) access: Option<AccessEntry>,
}

/// Sees to it that a login is stored that descends from this refresh token; names it
/// if it was begun just now.
pub(crate) async fn plant(core: &Core, demand: &Demand, planting: &Planting) -> Result<Option<LoginId>, TokenError> {
    let reporter = &Reporter::unheard();
    let ledger = Ledger {
        core,
        demand,
        reporter,
        key: Key::grant(&demand.profile),
    };
    if ledger.is_planted(planting).await? {
        return Ok(None);
    }
    let turn = core.turn(&demand.profile);
    let Some(_turn) = ledger.take_turn(&turn).await else {
        return Err(Core::timed_out("lease"));
    };
    let limit = core.options.timing.lease_wait;
    let waited = acquire(core, &ledger.key, limit, || async {
        Ok(ledger.is_planted(planting).await?.then_some(()))
    });
    match waited.await? {
        Waited::Met(()) => Ok(None),
        Waited::TimedOut => Err(Core::timed_out("lease")),
        Waited::Held(lease) => {
            let outcome = ledger.plant_in_rounds(planting).await;
            lease.release().await;
            outcome
        }
    }
}

impl Ledger<'_> {
    async fn is_planted(&self, planting: &Planting) -> Result<bool, TokenError> {
        match self.seed_step(self.load().await?.grant.as_ref(), planting) {
            SeedStep::Keep => Ok(true),
            SeedStep::Note | SeedStep::Plant => Ok(false),
            SeedStep::Refuse(kind) => Err(TokenError::new(kind, OPERATION)),
        }
    }

    fn seed_step(&self, record: Option<&GrantRecord>, planting: &Planting) -> SeedStep {
        let rotation = self.core.client.provider().rotation;
        before_seed(record, planting.refresh_token.hash(), rotation)
    }

    async fn plant_in_rounds(&self, planting: &Planting) -> Result<Option<LoginId>, TokenError> {
        for _ in 0..ROUNDS_MAX {
            let snapshot = self.load().await?;
            let step = self.seed_step(snapshot.grant.as_ref(), planting);
            let record = match (&step, snapshot.grant) {
                (SeedStep::Keep, _) => return Ok(None),
                (SeedStep::Refuse(kind), _) => return Err(TokenError::new(kind.clone(), OPERATION)),
                (SeedStep::Note, Some(stored)) => noted(stored, planting),
                (SeedStep::Note | SeedStep::Plant, stored) => {
                    self.check_persistence()?;
                    self.planted(stored.as_ref(), planting)
                }
            };
            if self.save_seeded(&record, snapshot.version).await? {
                return Ok(Some(record.login_id).filter(|_| step == SeedStep::Plant));
            }
        }
        Err(Core::timed_out(OPERATION))
    }

    /// `false` if the record moved: decide anew.
    async fn save_seeded(&self, record: &GrantRecord, read: Option<Version>) -> Result<bool, TokenError> {
        let keep_until = record
            .refresh_expires_at
            .map(|end| end.plus(super::commit::KEPT_AFTER_END));
        let contents = Contents::from(record.clone());
        let encoded = Record::encode(self.key.clone(), Version::after(read), keep_until, &contents);
        match self.save_once(&encoded, WriteIf::unchanged(read)).await {
            Ok(()) => {
                self.core.start_anew(&self.demand.profile);
                Ok(true)
            }
            Err(error) if error.kind() == StoreErrorKind::Conflict => Ok(false),
            Err(error) => Err(TokenError::store(error, OPERATION)),
        }
    }

    fn planted(&self, stored: Option<&GrantRecord>, planting: &Planting) -> GrantRecord {
        let now = self.core.options.clock.now();
        let mut record = GrantRecord::new(planting.recipe.clone(), self.core.client.binding());
        record.refresh_token = Some(planting.refresh_token.clone());
        record.seed = Some(planting.refresh_token.hash());
        if let Some(stored) = stored {
            record.replaces(stored);
        }
        if self.core.options.cache_access_tokens {
            record.access.clone_from(&planting.access);
        }
        record.note(now, Outcome::LoggedIn, Some("refresh token given".into()));
        record
    }
}

/// The stored login, known from now on to descend from the seed.
fn noted(stored: GrantRecord, planting: &Planting) -> GrantRecord {
    let earlier = stored.clone();
    let mut record = stored;
    record.seed = Some(planting.refresh_token.hash());
    record.replaces(&earlier);
    record
}
