//! Consumable grants: a refresh token is spent once, under a lease, after a
//! durable mark, and its child is saved before anybody gets it.

mod commit;
mod login;
mod logout;
mod records;
mod seed;
mod spend;
mod spill;

use std::time::Duration;

use super::core::Core;
use super::flight::{Landing, Reporter};
use super::lease::{HeldLease, Waited, acquire};
use super::policy::{Situation, Step, before_spend};
use super::{Demand, cache};
use crate::error::{TokenError, TokenErrorKind};
use crate::grant::{Grant, Renewal};
use crate::key::Key;
use crate::observer::Event;
use crate::record::{AccessEntry, Mark};
use crate::store::Retry;

pub(crate) use login::{login, replace_grant};
pub(crate) use logout::end_login;
use records::Snapshot;
pub(crate) use seed::{Planting, plant};
use spill::Recovered;
pub(crate) use spill::save_spilled;

pub(super) const OPERATION: &str = "refresh";

/// How often a conflict, a settle or somebody else's move is looked at anew.
const ROUNDS_MAX: u32 = 32;

/// Renews what is kept under a grant record: by its recipe where that can be
/// repeated, else by its refresh token.
pub(crate) async fn renew(core: &Core, demand: &Demand, reporter: &Reporter) -> Landing {
    let ledger = Ledger {
        core,
        demand,
        reporter,
        key: Key::grant(&demand.profile),
    };
    let snapshot = ledger.load().await?;
    if let Some(grant) = ledger.repeatable(&snapshot) {
        return ledger.repeat(grant, &snapshot).await;
    }
    if let Some(landing) = ledger.without_lease(&snapshot) {
        return landing;
    }
    // One flight of a profile at a time spends; the others find what it left.
    let turn = core.turn(&demand.profile);
    match ledger.take_turn(&turn).await {
        Some(_turn) => ledger.under_lease().await,
        None => ledger.after_time_out().await,
    }
}

struct Ledger<'a> {
    core: &'a Core,
    demand: &'a Demand,
    reporter: &'a Reporter,
    key: Key,
}

impl Ledger<'_> {
    /// `None` if another flight of the profile takes longer than anybody waits.
    async fn take_turn<'t>(&self, turn: &'t tokio::sync::Mutex<()>) -> Option<tokio::sync::MutexGuard<'t, ()>> {
        let limit = self.core.options.clock.sleep(self.core.options.timing.lease_wait);
        tokio::select! {
            turn = turn.lock() => Some(turn),
            () = limit => None,
        }
    }

    fn repeatable(&self, snapshot: &Snapshot) -> Option<&dyn Grant> {
        let record = snapshot.grant.as_ref().filter(|record| record.ended.is_none())?;
        let grant = self.core.grant(&record.recipe.grant)?;
        (grant.renewal() == Renewal::Repeat).then_some(grant)
    }

    async fn repeat(&self, grant: &dyn Grant, snapshot: &Snapshot) -> Landing {
        if let Step::Fail(failure) = self.decide(snapshot, None)
            && matches!(failure.kind, TokenErrorKind::Config(_))
        {
            return Err(self.failed(failure.kind, None));
        }
        let Some(record) = &snapshot.grant else {
            return Err(self.failed(TokenErrorKind::Shutdown, None));
        };
        let target = match self.demand.target.resource_server_name() {
            Some(name) if self.demand.target.only_picks() => record.recipe.target.clone().resource_server(name),
            _ if self.demand.target.is_default() => record.recipe.target.clone(),
            _ => self.demand.target.clone(),
        };
        let recipe = cache::Recipe {
            login_id: Some(record.login_id),
            parameters: &record.recipe.parameters,
            target: &target,
        };
        cache::renew_by(self.core, grant, self.demand, &recipe).await
    }

    /// What can be answered by reading alone.
    fn without_lease(&self, snapshot: &Snapshot) -> Option<Landing> {
        self.settled(snapshot, self.decide(snapshot, None))
    }

    /// What a step comes to that needs nothing more.
    fn settled(&self, snapshot: &Snapshot, step: Step) -> Option<Landing> {
        match step {
            Step::Adopt(access) => Some(Ok(snapshot.token(access))),
            Step::Keep(access, failure) => {
                self.reporter.keep();
                if let Some(failure) = failure {
                    let error = self.failed(failure.kind, failure.retry_after);
                    tracing::debug!(target: "tokenkeep", %error, "the token that is still good is used");
                }
                Some(Ok(snapshot.token(access)))
            }
            Step::Fail(failure) => Some(Err(self.failed(failure.kind, failure.retry_after))),
            Step::Settle(_) | Step::Spend { .. } => None,
        }
    }

    async fn under_lease(&self) -> Landing {
        let begun = self.core.options.clock.monotonic();
        match self.lease().await? {
            Waited::Met(landing) => {
                self.core.tell(&self.demand.profile, &Event::Adopted);
                landing
            }
            Waited::TimedOut => self.after_time_out().await,
            Waited::Held(lease) => {
                let waited = self.core.options.clock.monotonic().saturating_sub(begun);
                if waited > Duration::from_millis(10) {
                    self.core.tell(&self.demand.profile, &Event::LeaseWaited(waited));
                }
                let landing = self.spend_in_rounds(&lease).await;
                lease.release().await;
                landing
            }
        }
    }

    async fn lease(&self) -> Result<Waited<Landing>, TokenError> {
        let limit = self.core.options.timing.lease_wait;
        acquire(self.core, &self.key, limit, || async {
            Ok(self.without_lease(&self.load().await?))
        })
        .await
    }

    // Never sent without the lease: who holds it may be sending now.
    async fn after_time_out(&self) -> Landing {
        let snapshot = self.load().await?;
        self.without_lease(&snapshot)
            .unwrap_or_else(|| Err(Core::timed_out("lease")))
    }

    async fn spend_in_rounds(&self, lease: &HeldLease) -> Landing {
        let mut seen = MarkSeen::default();
        for _ in 0..ROUNDS_MAX {
            let snapshot = self.load().await?;
            match self.recover(&snapshot).await? {
                Recovered::Nothing => {}
                Recovered::Saved => continue,
                Recovered::Stuck(landing) => return landing,
            }
            let mark = snapshot.grant.as_ref().and_then(|grant| grant.mark.as_ref());
            seen.look(mark, self.core.options.clock.monotonic());
            match self.decide(&snapshot, Some(&seen)) {
                Step::Settle(pause) => {
                    lease.confirm().await?;
                    self.core.options.clock.sleep(pause).await;
                }
                Step::Spend { token, interrupted } => {
                    if let Some(landing) = self.spend(lease, snapshot, token, interrupted).await {
                        return landing;
                    }
                }
                step => {
                    if let Some(landing) = self.settled(&snapshot, step) {
                        return landing;
                    }
                }
            }
        }
        Err(Core::timed_out(OPERATION))
    }

    /// `leased`: what was seen of a mark under the lease, `None` without it.
    fn decide(&self, snapshot: &Snapshot, leased: Option<&MarkSeen>) -> Step {
        let record = snapshot.grant.as_ref();
        let mark = record.and_then(|record| record.mark.as_ref());
        let monotonic = self.core.options.clock.monotonic();
        let situation = Situation {
            record,
            access: snapshot.access.as_ref(),
            rejected_refresh_at: snapshot.rejected_refresh_at,
            renewal: record
                .and_then(|record| self.core.grant(&record.recipe.grant))
                .map(Grant::renewal),
            binding: &self.core.client.binding(),
            rotation: self.core.client.provider().rotation,
            takeover_age: self.core.takeover_age(),
            settle: self.core.options.timing.settle,
            leased: leased.is_some(),
            mark_seen_for: leased.map_or(Duration::ZERO, |seen| seen.age(monotonic)),
            mark_is_local: mark.is_some_and(|mark| mark.host == crate::host::name()),
            now: self.core.options.clock.now(),
            policy: &self.core.options.policy,
        };
        before_spend(&situation, self.demand)
    }

    fn failed(&self, kind: TokenErrorKind, retry_after: Option<Duration>) -> TokenError {
        let error = TokenError::new(kind, OPERATION).of_profile(&self.demand.profile);
        match retry_after {
            Some(after) => error.with_retry(Retry::After(after)),
            None => error,
        }
    }

    /// What may still be handed out although the refresh failed.
    fn still_valid<'s>(&self, snapshot: &'s Snapshot) -> Option<&'s AccessEntry> {
        let now = self.core.options.clock.now();
        let plain = !self.demand.is_forced() && self.demand.min_validity.is_none();
        snapshot.access.as_ref().filter(|access| {
            plain && super::policy::is_valid(access, now) && self.demand.rejected != Some(access.token.hash())
        })
    }
}

/// For how long a flight has seen a mark: other hosts' clocks tell less.
#[derive(Default)]
struct MarkSeen {
    attempt: Option<String>,
    since: Duration,
}

impl MarkSeen {
    fn look(&mut self, mark: Option<&Mark>, monotonic: Duration) {
        let attempt = mark.map(|mark| mark.attempt.clone());
        if attempt != self.attempt {
            self.attempt = attempt;
            self.since = monotonic;
        }
    }

    fn age(&self, monotonic: Duration) -> Duration {
        monotonic.saturating_sub(self.since)
    }
}
