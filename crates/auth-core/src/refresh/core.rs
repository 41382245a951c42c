//! What all flights of a manager share, and the way from a demand to a token.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use super::engine::Drain;
use super::flight::{Flight, Landing, Reporter};
use super::settings::{RefreshPolicy, Timing};
use super::slot::{Slot, Standing};
use super::token_retry::TokenRetry;
use super::{Demand, cache, ledger};
use crate::client_registration::ClientRegistration;
use crate::clock::Clock;
use crate::error::{TokenError, TokenErrorKind};
use crate::grant::{Grant, Renewal};
use crate::observer::{Event, Observer};
use crate::profile::Profile;
use crate::sealer::Sealer;
use crate::store::TokenStore;
use crate::target::{Target, TargetId};
use crate::token::AccessToken;
use crate::transport::Transport;

// Above this many slots those are let go that nobody holds.
const SLOTS_SOFT_LIMIT: usize = 10_000;

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
    slots: Mutex<HashMap<(Profile, TargetId), Arc<Slot>>>,
    turns: Mutex<HashMap<Profile, Weak<tokio::sync::Mutex<()>>>>,
}

/// What a manager may be told.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) sealer: Option<Arc<dyn Sealer>>,
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
        let (slots, turns) = (Mutex::default(), Mutex::default());
        Self {
            client,
            store,
            transport,
            grants,
            options,
            drain: Drain::default(),
            fixed: None,
            slots,
            turns,
        }
    }

    /// The slot of this profile and target.
    pub(crate) fn slot(&self, profile: &Profile, target: &Target) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SLOTS_SOFT_LIMIT {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let slot = slots.entry((profile.clone(), target.id())).or_insert_with(|| {
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
        if !demand.is_special()
            && let Some(ready) = self.ready(slot)
        {
            return Ok(ready);
        }
        let landing = self.fly(slot, &demand).await;
        match landing {
            // An error never displaces a good token.
            Err(error) if !demand.is_special() && !error.is_reauth_required() => {
                slot.peek(&*self.options.clock).map(|held| (*held).clone()).ok_or(error)
            }
            landing => landing,
        }
    }

    /// The held token, if nobody has to wait for a better one; renewed behind the
    /// users where it is time.
    pub(crate) fn ready(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<AccessToken> {
        let clock = &*self.options.clock;
        let (token, standing) = slot.ready(clock, self.options.policy.check_interval)?;
        match standing {
            Standing::Ready => Some(token),
            Standing::ReadyAndAging => {
                self.renew_behind(slot);
                Some(token)
            }
            Standing::Due => slot
                .recent_failure(clock)
                .and_then(|_| slot.peek(clock))
                .map(|held| (*held).clone()),
        }
    }

    fn renew_behind(self: &Arc<Self>, slot: &Arc<Slot>) {
        slot.take_check(&*self.options.clock);
        let mut demand = Demand::new(slot.profile.clone(), slot.target.clone());
        demand.advisory = slot.is_advisory(&*self.options.clock);
        if slot.recent_failure(&*self.options.clock).is_none() {
            self.join_or_start(slot, &demand);
        }
    }

    async fn fly(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> Landing {
        if !demand.force
            && let Some(error) = slot.recent_failure(&*self.options.clock)
        {
            return Err(error);
        }
        loop {
            let (flight, own) = self.join_or_start(slot, demand);
            let landing = flight.wait().await;
            match landing {
                Ok(token) if !own && !demand.is_met_by(&token) => {}
                landing => return landing,
            }
        }
    }

    fn join_or_start(self: &Arc<Self>, slot: &Arc<Slot>, demand: &Demand) -> (Flight, bool) {
        let mut under_way = slot.flight();
        if let Some(flight) = under_way.as_ref().filter(|flight| !flight.has_landed()) {
            return (flight.clone(), false);
        }
        let (core, slot, demand) = (self.clone(), slot.clone(), demand.clone());
        let flight = Flight::start(|reporter| async move { core.carry_out(&slot, demand, reporter).await });
        *under_way = Some(flight.clone());
        (flight, true)
    }

    async fn carry_out(self: Arc<Self>, slot: &Slot, demand: Demand, reporter: Reporter) {
        let landing = self
            .renew(&demand, &reporter)
            .await
            .map_err(|error| error.of_profile(&demand.profile));
        let clock = &*self.options.clock;
        match &landing {
            Ok(token) => {
                slot.hold(token, clock, &self.options.policy);
                slot.note_success();
            }
            // Only looked: that there is nothing says nothing.
            Err(_) if demand.stored_only => {}
            Err(error) if error.is_reauth_required() => {
                slot.forget();
                self.tell(&demand.profile, &Event::ReauthRequired(error.clone()));
            }
            Err(error) => {
                slot.note_failure(error, clock);
                self.tell(&demand.profile, &Event::Failed(error.clone()));
            }
        }
        reporter.land(landing);
    }

    async fn renew(&self, demand: &Demand, reporter: &Reporter) -> Landing {
        match self.grants.first() {
            Some(grant) if grant.renewal() == Renewal::Repeat => cache::renew(self, &**grant, demand).await,
            _ => ledger::renew(self, demand, reporter).await,
        }
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
    pub(crate) fn forget(&self, profile: &Profile) {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        for slot in slots.values().filter(|slot| slot.profile == *profile) {
            slot.forget();
            slot.note_success();
        }
    }

    pub(crate) fn tell(&self, profile: &Profile, event: &Event) {
        self.options.observer.event(profile, event);
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

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}
