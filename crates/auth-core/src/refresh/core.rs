//! What all flights of a manager share, and the way from a demand to a token.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::demand::Want;
use super::engine::{self, Drain};
use super::flight::{Flight, Landing, Reporter};
use super::settings::{RefreshPolicy, Timing};
use super::slot::{Slot, Standing};
use super::token_retry::{TokenRetry, back_off};
use super::{Demand, cache, check, ledger};
use crate::client_registration::ClientRegistration;
use crate::clock::Clock;
use crate::error::{TokenError, TokenErrorKind};
use crate::grant::{Grant, Renewal};
use crate::observer::{Event, Observer};
use crate::profile::Profile;
use crate::sealer::Sealer;
use crate::spill::SpillFolder;
use crate::store::TokenStore;
use crate::target::{Target, TargetId};
use crate::token::AccessToken;
use crate::transport::Transport;

// Above this many slots those are let go that nobody holds.
const SLOTS_SOFT_LIMIT: usize = 10_000;

const SPILL_PAUSE: Duration = Duration::from_millis(100);

/// What all flights of a manager share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) client: ClientRegistration,
    pub(crate) store: Arc<dyn TokenStore>,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) grants: Vec<Arc<dyn Grant>>,
    pub(crate) options: Options,
    pub(crate) drain: Drain,
    pub(crate) fixed: Option<AccessToken>,
    slots: Mutex<Slots>,
    turns: Mutex<HashMap<Profile, Weak<tokio::sync::Mutex<()>>>>,
}

#[derive(Debug)]
struct Slots {
    by_name: HashMap<(Profile, TargetId), Arc<Slot>>,
    /// At how many those are looked for that can go.
    sweep_at: usize,
}

/// What a manager may be told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) sealer: Option<Arc<dyn Sealer>>,
    pub(crate) spill: Option<SpillFolder>,
    pub(crate) policy: RefreshPolicy,
    pub(crate) timing: Timing,
    pub(crate) token_retry: TokenRetry,
    pub(crate) cache_access_tokens: bool,
    pub(crate) allow_volatile_refresh_tokens: bool,
}

impl Core {
    pub(crate) fn new(
        client: ClientRegistration,
        store: Arc<dyn TokenStore>,
        transport: Arc<dyn Transport>,
        grants: Vec<Arc<dyn Grant>>,
        options: Options,
    ) -> Self {
        let slots = Slots {
            by_name: HashMap::new(),
            sweep_at: SLOTS_SOFT_LIMIT,
        };
        Self {
            client,
            store,
            transport,
            grants,
            options,
            drain: Drain::default(),
            fixed: None,
            slots: Mutex::new(slots),
            turns: Mutex::default(),
        }
    }

    /// The slot of this profile and target.
    pub(crate) fn slot(&self, profile: &Profile, target: &Target) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let Slots { by_name, sweep_at } = &mut *slots;
        if by_name.len() >= *sweep_at {
            by_name.retain(|_, slot| Arc::strong_count(slot) > 1);
            *sweep_at = SLOTS_SOFT_LIMIT.max(2 * by_name.len());
        }
        let slot = by_name.entry((profile.clone(), target.id())).or_insert_with(|| {
            let slot = Slot::new(profile.clone(), target.clone());
            if let Some(fixed) = &self.fixed {
                slot.hold(fixed, &*self.options.clock, &self.options.policy);
            }
            Arc::new(slot)
        });
        slot.clone()
    }

    /// A token that meets the demand, from memory, the store or the server.
    pub(crate) async fn obtain(self: &Arc<Self>, slot: &Arc<Slot>, demand: Demand) -> Landing {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        if let Some(ready) = self.from_memory(slot, &demand) {
            return Ok(ready);
        }
        match self.fly(slot, &demand).await {
            // An error never displaces a good token.
            Err(error) if demand.is_plain() && !error.ends_the_login() => {
                slot.peek(&*self.options.clock).map(|held| (*held).clone()).ok_or(error)
            }
            landing => landing,
        }
    }

    /// What is held, where that meets the demand.
    fn from_memory(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> Option<AccessToken> {
        if demand.is_plain() {
            return self.ready(slot);
        }
        let clock = &*self.options.clock;
        let held = slot.peek(clock)?;
        let useless = demand.rejected == Some(held.hash())
            && slot.was_renewed_for_rejection(self.options.policy.rejection_interval, clock);
        (useless || demand.is_met_by(&held, clock.now())).then(|| (*held).clone())
    }

    /// The held token, if nobody has to wait for a better one; renewed behind the
    /// users where it is time.
    pub(crate) fn ready(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<AccessToken> {
        let clock = &*self.options.clock;
        let (token, standing) = slot.ready(clock, self.options.policy.check_interval)?;
        match standing {
            Standing::Ready => Some(token),
            Standing::ReadyAndAging => {
                self.work_behind(slot);
                Some(token)
            }
            Standing::Due if slot.is_quiet(clock) => slot.peek(clock).map(|held| (*held).clone()),
            Standing::Due => None,
        }
    }

    /// Renews the held token, or looks at its record, while it goes on being used.
    fn work_behind(self: &Arc<Self>, slot: &Arc<Slot>) {
        let clock = &*self.options.clock;
        slot.take_check(clock);
        if self.fixed.is_some() || slot.is_quiet(clock) {
            return;
        }
        if slot.is_advisory(clock) {
            let mut demand = Demand::new(slot.profile.clone(), slot.target.clone());
            demand.want = Want::Better;
            self.join_or_start(slot, &demand);
        } else {
            let (core, slot) = (self.clone(), slot.clone());
            // Without a thread the next one looks.
            let _ = engine::spawn(async move { check::look(&core, &slot).await });
        }
    }

    async fn fly(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> Landing {
        if demand.want == Want::Stored {
            return self.look_up(slot, demand).await;
        }
        if !demand.is_forced()
            && let Some(error) = slot.recent_failure(&*self.options.clock)
        {
            return self.in_spite_of(error, slot, demand).await;
        }
        let mut began_after_us = false;
        loop {
            let (flight, own) = self.join_or_start(slot, demand);
            let landing = flight.clone().wait().await;
            if own {
                return landing;
            }
            match landing {
                landing if demand.is_forced() => {
                    if began_after_us && flight.is_forced() {
                        return landing;
                    }
                }
                Ok(token) => {
                    if demand.is_met_by(&token, self.options.clock.now()) {
                        return Ok(token);
                    }
                }
                Err(error) => return Err(error),
            }
            began_after_us = true;
        }
    }

    /// Nothing is asked of the server so soon after a failure; but somebody else may
    /// have got what is wanted.
    async fn in_spite_of(self: &Arc<Self>, error: TokenError, slot: &Arc<Slot>, demand: &Demand) -> Landing {
        if !slot.take_look(&*self.options.clock) {
            return Err(error);
        }
        let stored = Demand {
            want: Want::Stored,
            ..demand.clone()
        };
        match self.look_up(slot, &stored).await {
            Ok(token) if demand.is_met_by(&token, self.options.clock.now()) => Ok(token),
            _ => Err(error),
        }
    }

    /// What is stored and valid.
    async fn look_up(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> Landing {
        let (core, wanted, epoch) = (self.clone(), demand.clone(), slot.epoch());
        // Boxed: callers should not carry the engine's state in their own.
        let work = Box::pin(async move { core.renew(&wanted, &Reporter::unheard()).await });
        let landing = engine::to_its_end(work).await?;
        if let Ok(token) = &landing
            && slot.hold_of(epoch, token, &*self.options.clock, &self.options.policy)
        {
            slot.note_success();
        }
        landing.map_err(|error| error.of_profile(&demand.profile))
    }

    fn join_or_start(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> (Flight, bool) {
        let mut under_way = slot.flight();
        if let Some(flight) = under_way.as_ref().filter(|flight| !flight.has_landed()) {
            return (flight.clone(), false);
        }
        let (core, slot, forced, demand) = (self.clone(), slot.clone(), demand.is_forced(), demand.clone());
        let flight = Flight::start(|reporter| async move { core.carry_out(&slot, demand, reporter).await });
        let flight = flight.forced(forced);
        *under_way = Some(flight.clone());
        (flight, true)
    }

    async fn carry_out(self: Arc<Self>, slot: &Slot, demand: Demand, reporter: Reporter) {
        let epoch = slot.epoch();
        let landing = self
            .renew(&demand, &reporter)
            .await
            .map_err(|error| error.of_profile(&demand.profile));
        // Of an old login nothing is kept but the answer to those who asked for it.
        if slot.epoch() == epoch {
            self.note(slot, epoch, &demand, &landing, reporter.has_kept());
        }
        match &landing {
            Err(error) if error.is_reauth_required() => {
                self.tell(&demand.profile, &Event::ReauthRequired(error.clone()));
            }
            Err(error) => self.tell(&demand.profile, &Event::Failed(error.clone())),
            Ok(_) => {}
        }
        let spilled = reporter.has_spilled();
        reporter.land(landing);
        drop(reporter);
        if spilled {
            save_behind(
                Arc::downgrade(&self),
                demand.profile.clone(),
                self.options.clock.clone(),
            );
        }
    }

    fn note(&self, slot: &Slot, epoch: u64, demand: &Demand, landing: &Landing, kept: bool) {
        let clock = &*self.options.clock;
        match landing {
            Ok(token) => {
                if !slot.hold_of(epoch, token, clock, &self.options.policy) {
                    return;
                }
                if kept {
                    slot.note_kept(clock);
                } else {
                    slot.note_success();
                }
                if demand.rejected.is_some_and(|rejected| rejected != token.hash()) {
                    slot.note_rejection_renewed(clock);
                }
            }
            Err(error) if error.ends_the_login() => slot.forget(),
            Err(error) if error.is_reauth_required() => {
                slot.note_kept(clock);
                slot.note_failure(error, clock);
            }
            Err(error) => slot.note_failure(error, clock),
        }
    }

    async fn renew(&self, demand: &Demand, reporter: &Reporter) -> Landing {
        match self.direct_grant() {
            Some(grant) => cache::renew(self, grant, demand).await,
            None => ledger::renew(self, demand, reporter).await,
        }
    }

    /// The grant that all profiles use without a login, if the manager has one.
    pub(crate) fn direct_grant(&self) -> Option<&dyn Grant> {
        self.grants
            .first()
            .map(|grant| &**grant)
            .filter(|grant| grant.renewal() == Renewal::Repeat)
    }

    /// The grant by which a record's tokens came, if this process has it.
    pub(crate) fn grant(&self, name: &str) -> Option<&dyn Grant> {
        self.grants
            .iter()
            .find(|grant| grant.name() == name)
            .map(|grant| &**grant)
    }

    /// The turn of this profile: its consumable flights come one after another.
    pub(crate) fn turn(&self, profile: &Profile) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(profile).and_then(Weak::upgrade) {
            return turn;
        }
        if turns.len() >= SLOTS_SOFT_LIMIT {
            turns.retain(|_, turn| turn.strong_count() > 0);
        }
        let turn = Arc::default();
        turns.insert(profile.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Forgets what is held of this profile: it has logged in or out.
    pub(crate) fn start_anew(&self, profile: &Profile) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.by_name.values().filter(|slot| slot.profile == *profile) {
            slot.start_anew();
        }
    }

    /// Tells the observer. One that panics costs its event, not a token.
    pub(crate) fn tell(&self, profile: &Profile, event: &Event) {
        let telling = AssertUnwindSafe(|| self.options.observer.event(profile, event));
        if std::panic::catch_unwind(telling).is_err() {
            tracing::error!(target: "tokenkeep", "the observer panicked");
        }
    }

    /// An error for work that took too long.
    pub(crate) fn timed_out(operation: &'static str) -> TokenError {
        TokenError::new(TokenErrorKind::Timeout, operation)
    }

    pub(crate) fn takeover_age(&self) -> Duration {
        let end = self.store.capabilities().lease_end;
        self.options.timing.takeover_age(end, self.client.provider().rotation)
    }
}

/// Goes on saving what was spilled, until it is in the store or the last manager is
/// gone: then the next process that finds the mark does so.
fn save_behind(core: Weak<Core>, profile: Profile, clock: Arc<dyn Clock>) {
    let _ = engine::spawn(async move {
        let mut failures = 0;
        loop {
            clock.sleep(back_off(SPILL_PAUSE, failures)).await;
            failures += 1;
            let Some(core) = core.upgrade() else { return };
            if ledger::save_spilled(&core, &profile).await {
                return;
            }
        }
    });
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
