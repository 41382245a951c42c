//! Committing an answer: saved before anybody gets it, tried until it is.

use std::time::Duration;

use super::spend::Attempt;
use super::{Ledger, OPERATION};
use crate::error::TokenError;
use crate::observer::Event;
use crate::record::{AccessEntry, GrantRecord, Outcome, Record};
use crate::refresh::flight::Landing;
use crate::refresh::policy::{OnConflict, on_conflict};
use crate::refresh::token_retry::back_off;
use crate::refresh::{Core, exchange};
use crate::store::{StoreError, StoreErrorKind, TokenStore as _, WriteIf};
use crate::token::{AccessToken, TokenResponse};

/// How long a grant record is kept after its refresh token's end, so that people
/// are told what happened.
pub(super) const KEPT_AFTER_END: Duration = Duration::from_secs(7 * 24 * 3600);

impl Ledger<'_> {
    pub(super) async fn commit(&self, attempt: Attempt, response: &TokenResponse, took: Duration) -> Landing {
        let asked = if self.is_own_target(&attempt.record) {
            &attempt.record.recipe.target
        } else {
            &self.demand.target
        };
        let first = exchange::access_entry(self.core, response, asked);
        let picked = match self.demand.target.resource_server_name() {
            Some(name) => response.by_resource_server(name).ok(),
            None => Some(response),
        };
        let access = picked.map_or_else(
            || first.clone(),
            |token| exchange::access_entry(self.core, token, asked),
        );
        let child = self.child(attempt.record.clone(), response, &first);
        let mut landing = self.save_child(&attempt, child, &access).await;
        // Another process may have been quicker: then what it saved is handed out.
        if landing.as_ref().is_ok_and(|token| token.hash() == access.token.hash()) {
            if picked.is_some() && !self.is_own_target(&attempt.record) {
                self.save_token(&attempt.record, &self.demand.target, access).await;
            }
            self.save_others(&attempt.record, response).await;
            if picked.is_none() {
                landing = Err(TokenError::config(response.unpicked(&self.demand.target), OPERATION));
            }
        }
        if landing.is_ok() {
            self.core.tell(&self.demand.profile, &Event::Refreshed(took));
            if attempt.interrupted {
                self.core.tell(&self.demand.profile, &Event::Recovered);
            }
        }
        landing
    }

    /// The record with the answer in it. A reply without a refresh token keeps the
    /// old one (RFC 6749 section 6).
    fn child(&self, mut record: GrantRecord, response: &TokenResponse, first: &AccessEntry) -> GrantRecord {
        let now = self.core.options.clock.now();
        if let Some(token) = &response.refresh_token {
            record.refresh_token = Some(token.clone());
            record.refresh_expires_at = response.refresh_expires_in.map(|lifetime| now.plus(lifetime));
        }
        if self.asks_as_own(&record) {
            record.access = Some(first.clone()).filter(|_| self.core.options.cache_access_tokens);
            record.rejected_refresh_at = self.demand.rejected.map(|_| now);
        } else if self.core.client.provider().refresh_revokes_access_tokens {
            record.access = None;
        }
        if response.id_token.is_some() {
            record.id_token.clone_from(&response.id_token);
        }
        record.mark = None;
        record.refused = None;
        record.back_off = None;
        record.refreshed_at = Some(now);
        record.note(now, Outcome::Refreshed, None);
        record
    }

    async fn save_child(&self, attempt: &Attempt, mut child: GrantRecord, access: &AccessEntry) -> Landing {
        let mut when = WriteIf::Matches(attempt.version);
        let mut record = self.encode(&child, attempt.version);
        loop {
            let outcome = match self.save_once(&record, when).await {
                Err(error) if is_passing(error.kind()) && self.spill(attempt, &child).await => {
                    self.core.tell(&self.demand.profile, &Event::SaveDelayed);
                    self.reporter.spilled();
                    return Ok(hand_out(&child, access));
                }
                Err(error) if is_passing(error.kind()) => self.save_until_decided(&record, when).await,
                outcome => outcome,
            };
            match outcome {
                Ok(()) => break,
                Err(error) if error.kind() != StoreErrorKind::Conflict => {
                    return Err(TokenError::store(error, OPERATION));
                }
                Err(_) => self.core.tell(&self.demand.profile, &Event::SaveConflict),
            }
            let now = self.load_until_read().await?;
            let (parent, token) = (attempt.mark.parent, child.refresh_token.as_ref());
            match (
                on_conflict(now.grant.as_ref(), child.login_id, parent, token),
                now.version,
                now.grant,
            ) {
                (OnConflict::Done, ..) => break,
                (OnConflict::Rebase, Some(version), Some(current)) => {
                    child = rebased(current, child);
                    when = WriteIf::Matches(version);
                    record = self.encode(&child, version);
                }
                // The record is gone, without a tombstone: nobody logged out, so the
                // login is kept, with a later version than the one that is gone.
                (OnConflict::Rebase, ..) => when = WriteIf::Absent,
                (decision @ (OnConflict::KeepStored | OnConflict::DropChild | OnConflict::RevokeChild), ..) => {
                    if decision == OnConflict::RevokeChild {
                        self.revoke_late(&child, &access.token).await;
                    }
                    self.core.tell(&self.demand.profile, &Event::ChildDropped);
                    let stored = self.load().await?;
                    return self
                        .without_lease(&stored)
                        .unwrap_or_else(|| Err(Core::timed_out(OPERATION)));
                }
            }
        }
        Ok(hand_out(&child, access))
    }

    /// Saves; what is not known to be saved is tried once more at once.
    pub(super) async fn save_once(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        match self.core.store.save(record, when).await {
            Err(error) if error.kind() == StoreErrorKind::Ambiguous => self.core.store.save(record, when).await,
            outcome => outcome,
        }
    }

    /// Saves, again and again while the store is away or does not say: an answer
    /// once received is not thrown away. Who waits is told after a while; the
    /// flight goes on.
    pub(super) async fn save_until_decided(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        let clock = &self.core.options.clock;
        let begun = clock.monotonic();
        let mut failures = 0;
        loop {
            let error = match self.core.store.save(record, when).await {
                Err(error) if is_passing(error.kind()) => error,
                decided => return decided,
            };
            if failures == 0 {
                self.core.tell(&self.demand.profile, &Event::SaveDelayed);
            }
            if clock.monotonic().saturating_sub(begun) >= self.core.options.timing.stall {
                self.reporter
                    .stall(TokenError::store(error, OPERATION).of_profile(&self.demand.profile));
            }
            clock.sleep(back_off(Duration::from_millis(50), failures.min(6))).await;
            failures += 1;
        }
    }

    async fn load_until_read(&self) -> Result<super::Snapshot, TokenError> {
        let mut failures = 0;
        loop {
            match self.load().await {
                Err(error) if failures < 10_000 => {
                    if failures == 10 {
                        self.reporter.stall(error);
                    }
                    self.core
                        .options
                        .clock
                        .sleep(back_off(Duration::from_millis(50), failures.min(6)))
                        .await;
                    failures += 1;
                }
                read => return read,
            }
        }
    }
}

fn hand_out(child: &GrantRecord, access: &AccessEntry) -> AccessToken {
    AccessToken::of_login(access.clone(), Some(child.login_id))
}

// What time may heal. A save that is denied or too large will be so again, but the
// tokens in hand exist nowhere else: a person may free the disk or mend the mode.
pub(super) fn is_passing(kind: StoreErrorKind) -> bool {
    !matches!(
        kind,
        StoreErrorKind::Conflict | StoreErrorKind::Unsupported | StoreErrorKind::Invalid
    )
}

/// The child's tokens over the record as it is now: what others noted in it stays.
fn rebased(current: GrantRecord, child: GrantRecord) -> GrantRecord {
    GrantRecord {
        history: current.history,
        seed: current.seed,
        past_seeds: current.past_seeds,
        ..child
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_decisions_end_the_saving() {
        for kind in [
            StoreErrorKind::Unavailable,
            StoreErrorKind::Ambiguous,
            StoreErrorKind::Denied,
            StoreErrorKind::TooLarge,
        ] {
            assert!(is_passing(kind), "{kind}");
        }
        assert!(!is_passing(StoreErrorKind::Conflict));
    }
}
