//! Spending a refresh token: prepare, mark, confirm, send, and what follows.

use std::sync::Arc;
use std::time::Duration;

use super::records::Snapshot;
use super::{Ledger, OPERATION};
use crate::clock::Timestamp;
use crate::error::{ReauthReason, Refusal, TokenError, TokenErrorKind};
use crate::grant::{RequestKind, TokenRequest};
use crate::observer::Event;
use crate::record::{BackOff, Contents, GrantRecord, Mark, Outcome, Record, Refused, Version};
use crate::refresh::exchange::{self, Prepared, Sent};
use crate::refresh::flight::Landing;
use crate::refresh::lease::HeldLease;
use crate::refresh::policy::{Aftermath, after_answer};
use crate::refresh::token_retry::back_off;
use crate::sealer::DataKey;
use crate::secret::Secret;
use crate::store::{StoreErrorKind, TokenStore as _, WriteIf};
use crate::target::Target;

/// How long after a refused refresh the record is read again: another process may
/// be about to save the token that replaced ours.
const READ_AGAIN_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
];

/// For how long the note of a refusal is tried to be saved.
const NOTE_LIMIT: Duration = Duration::from_secs(10);

/// One attempt: the record as it was marked, and what is spent.
pub(super) struct Attempt {
    pub(super) record: GrantRecord,
    pub(super) version: Version,
    pub(super) mark: Mark,
    pub(super) token: Secret,
    pub(super) interrupted: bool,
    /// When the mark was made, by the monotonic clock.
    made_at: Duration,
    /// Held until the answer is kept: a key service that goes away meanwhile costs
    /// nothing.
    data_key: Option<Arc<dyn DataKey>>,
}

impl Attempt {
    pub(super) fn data_key(&self) -> Option<&dyn DataKey> {
        self.data_key.as_deref()
    }
}

/// Why a mark is taken away.
enum Failure<'a> {
    /// The attempt was given up before it was sent.
    NothingSent,
    /// It failed, by this refusal or without any answer.
    Sent(Option<&'a Refusal>),
}

impl Ledger<'_> {
    /// One attempt; `None`: something moved, decide anew.
    pub(super) async fn spend(
        &self,
        lease: &HeldLease,
        snapshot: Snapshot,
        token: Secret,
        interrupted: bool,
    ) -> Option<Landing> {
        let still_valid = self.still_valid(&snapshot).map(|access| snapshot.token(access.clone()));
        let landing = match self.prepare(snapshot, token, interrupted).await {
            Ok(Some((attempt, prepared))) => self.send(lease, attempt, prepared).await,
            Ok(None) => return None,
            Err(error) => Some(Err(error)),
        };
        match (landing, still_valid) {
            (Some(Err(error)), Some(token)) => {
                self.reporter.keep();
                let reauth = error.is_reauth_required();
                let event = if reauth {
                    Event::ReauthRequired(error)
                } else {
                    Event::Failed(error)
                };
                self.core.tell(&self.demand.profile, &event);
                Some(Ok(token))
            }
            (landing, _) => landing,
        }
    }

    /// Everything that can fail before the network: the request is built, a data
    /// key is pinned, the mark is durable. An error here means: nothing was sent.
    async fn prepare(
        &self,
        snapshot: Snapshot,
        token: Secret,
        interrupted: bool,
    ) -> Result<Option<(Attempt, Prepared)>, TokenError> {
        self.check_persistence()?;
        self.reporter.keep_alive(&self.core.drain, OPERATION)?;
        let (Some(version), Some(mut record)) = (snapshot.version, snapshot.grant) else {
            return Ok(None);
        };
        let prepared = exchange::prepare(&self.core.client, &self.request(&record, &token))?;
        let data_key = self.data_key().await?;
        let made_at = self.core.options.clock.monotonic();
        let mark = Mark::after(record.mark.as_ref(), &token, self.core.options.clock.now());
        record.mark = Some(mark.clone());
        let Some(version) = self.save_mark(version, &record).await? else {
            return Ok(None);
        };
        let attempt = Attempt {
            record,
            version,
            mark,
            token,
            interrupted,
            made_at,
            data_key,
        };
        Ok(Some((attempt, prepared)))
    }

    pub(super) async fn data_key(&self) -> Result<Option<Arc<dyn DataKey>>, TokenError> {
        match &self.core.options.sealer {
            None => Ok(None),
            Some(sealer) => {
                let key = sealer.data_key(&self.key).await;
                key.map(Some).map_err(|error| TokenError::seal(error, OPERATION))
            }
        }
    }

    fn request(&self, record: &GrantRecord, token: &Secret) -> TokenRequest {
        // A refresh for the grant's own target asks for nothing: it gets what was
        // granted (RFC 6749 section 6).
        let target = if self.asks_as_own(record) {
            Target::new()
        } else {
            self.demand.target.clone()
        };
        let mut request = TokenRequest::new(RequestKind::RefreshToken(token.clone()), target);
        request.parameters.clone_from(&record.recipe.parameters);
        request
    }

    /// Saves the mark; `None`: another version is stored.
    async fn save_mark(&self, read: Version, record: &GrantRecord) -> Result<Option<Version>, TokenError> {
        let marked = self.encode(record, read);
        let mut saved = self.core.store.save(&marked, WriteIf::Matches(read)).await;
        if saved
            .as_ref()
            .is_err_and(|error| error.kind() == StoreErrorKind::Ambiguous)
        {
            saved = self.core.store.save(&marked, WriteIf::Matches(read)).await;
        }
        match saved {
            Ok(()) => Ok(Some(marked.version())),
            Err(error) if error.kind() == StoreErrorKind::Conflict => {
                self.core.tell(&self.demand.profile, &Event::SaveConflict);
                Ok(None)
            }
            Err(error) => {
                if error.kind() == StoreErrorKind::Ambiguous {
                    // It may be stored: nobody needs to wait for what was never sent.
                    self.save_note(
                        &GrantRecord {
                            mark: None,
                            ..record.clone()
                        },
                        marked.version(),
                    )
                    .await;
                }
                Err(TokenError::store(error, OPERATION))
            }
        }
    }

    pub(super) fn encode(&self, record: &GrantRecord, read: Version) -> Record {
        let keep_until = record
            .refresh_expires_at
            .map(|end| end.plus(super::commit::KEPT_AFTER_END));
        Record::encode(
            self.key.clone(),
            Version::after(Some(read)),
            keep_until,
            &Contents::from(record.clone()),
        )
    }

    async fn send(&self, lease: &HeldLease, attempt: Attempt, prepared: Prepared) -> Option<Landing> {
        let clock = &self.core.options.clock;
        let asked_at = clock.monotonic();
        if let Err(error) = lease.confirm().await {
            self.clear(attempt, Failure::NothingSent).await;
            return Some(Err(error));
        }
        // Slow stores and lost leases come together: what was confirmed too long ago,
        // or marked so long ago that others may go on from it, is not sent.
        let now = clock.monotonic();
        let timing = &self.core.options.timing;
        if now.saturating_sub(asked_at) > timing.send_within || now.saturating_sub(attempt.made_at) > timing.settle {
            self.clear(attempt, Failure::NothingSent).await;
            return None;
        }
        let Sent { answer, took } = exchange::send(self.core, prepared).await;
        match after_answer(answer, self.core.client.provider().rotation, OPERATION) {
            // Boxed: what every flight carries should stay small.
            Aftermath::Commit(response) => Some(Box::pin(self.commit(attempt, &response, took)).await),
            Aftermath::NotSpent { error, refusal } => {
                self.clear(attempt, Failure::Sent(refusal.as_deref())).await;
                Some(Err(error))
            }
            Aftermath::GrantRefused { refusal } => self.refused(attempt, *refusal).await,
            Aftermath::Ambiguous { error } => {
                self.leave_mark(attempt).await;
                Some(Err(error))
            }
        }
    }

    /// Takes the mark away, and after a failure sets the back-off in the same
    /// write. If it can't be written the mark stays, and the next flight waits.
    async fn clear(&self, attempt: Attempt, failure: Failure<'_>) {
        let now = self.core.options.clock.now();
        let mut record = attempt.record;
        record.mark = None;
        if let Failure::Sent(refusal) = failure {
            let code = refusal.and_then(|refusal| refusal.code.clone());
            // What one target may not have says nothing about the others.
            if self.asks_as_own(&record) || !code.as_deref().is_some_and(concerns_the_target) {
                record.back_off = Some(next_back_off(record.back_off.as_ref(), refusal, now));
            }
            record.note(now, Outcome::Failed, code);
        }
        self.save_note(&record, attempt.version).await;
    }

    /// The answer is lost: the mark stays and says so.
    async fn leave_mark(&self, attempt: Attempt) {
        let now = self.core.options.clock.now();
        let mut record = attempt.record;
        // The request is over as far as we can tell: it settles from now on.
        record.mark = Some(Mark {
            at: now,
            ambiguous: true,
            ..attempt.mark
        });
        record.back_off = Some(next_back_off(record.back_off.as_ref(), None, now));
        record.note(now, Outcome::Ambiguous, None);
        self.save_note(&record, attempt.version).await;
    }

    async fn save_note(&self, record: &GrantRecord, read: Version) {
        let noted = self.encode(record, read);
        if let Err(error) = self.core.store.save(&noted, WriteIf::Matches(read)).await {
            tracing::warn!(target: "tokenkeep", key = %self.key, %error, "the outcome of a refresh can't be noted");
        }
    }

    /// `invalid_grant`: somebody else may have refreshed. Only while the mark is
    /// still ours the refresh token is remembered as refused; nothing is deleted.
    async fn refused(&self, attempt: Attempt, refusal: Refusal) -> Option<Landing> {
        if !self.asks_as_own(&attempt.record) {
            // Some servers say so of a target that was not consented to.
            self.clear(attempt, Failure::Sent(Some(&refusal))).await;
            return Some(Err(self.failed(TokenErrorKind::Refused(Box::new(refusal)), None)));
        }
        for pause in READ_AGAIN_AFTER {
            if !pause.is_zero() {
                self.core.options.clock.sleep(pause).await;
            }
            match self.load().await {
                Ok(now) if !is_still(&attempt.mark, &now) => return None,
                Ok(_) | Err(_) => {}
            }
        }
        if !self.note_refused(&attempt, &refusal).await {
            return None;
        }
        let reason = if attempt.interrupted {
            ReauthReason::InterruptedRefresh
        } else {
            ReauthReason::RefreshTokenRefused {
                code: refusal.code.clone().unwrap_or_default(),
            }
        };
        let error = self.failed(TokenErrorKind::ReauthRequired(reason), None);
        let cause = TokenError::new(TokenErrorKind::Refused(Box::new(refusal)), OPERATION);
        Some(Err(error.with_source(cause)))
    }

    /// Remembers the refusal for everybody, over whatever the record says by now;
    /// `false` if another refresh token is there. Tried for a while: a refused token
    /// that nobody remembers is sent again.
    async fn note_refused(&self, attempt: &Attempt, refusal: &Refusal) -> bool {
        let clock = &self.core.options.clock;
        let begun = clock.monotonic();
        let code = refusal.code.clone().unwrap_or_default();
        let mut failures = 0;
        while clock.monotonic().saturating_sub(begun) < NOTE_LIMIT {
            if let Ok(now) = self.load().await {
                if !is_still(&attempt.mark, &now) {
                    return false;
                }
                if let (Some(version), Some(mut record)) = (now.version, now.grant) {
                    let at = clock.now();
                    record.mark = None;
                    record.refused = Some(Refused::new(&attempt.token, code.clone(), at, attempt.interrupted));
                    record.note(at, Outcome::Refused, Some(code.clone()));
                    let noted = self.encode(&record, version);
                    if self.core.store.save(&noted, WriteIf::Matches(version)).await.is_ok() {
                        return true;
                    }
                }
            }
            clock.sleep(back_off(Duration::from_millis(50), failures)).await;
            failures += 1;
        }
        tracing::warn!(target: "tokenkeep", key = %self.key, "a refused refresh token can't be noted as such");
        true
    }
}

/// Whether this mark is the one that is stored.
fn is_still(mark: &Mark, now: &Snapshot) -> bool {
    now.grant
        .as_ref()
        .and_then(|grant| grant.mark.as_ref())
        .is_some_and(|stored| stored.attempt == mark.attempt)
}

/// Codes of RFC 6749 section 5.2 and RFC 8707 that are about what was asked for.
fn concerns_the_target(code: &str) -> bool {
    matches!(
        code,
        "invalid_scope" | "invalid_target" | "invalid_request" | "unauthorized_client" | "invalid_grant"
    )
}

/// The next pause: ours doubles; the server's own counts where it is longer.
fn next_back_off(before: Option<&BackOff>, refusal: Option<&Refusal>, now: Timestamp) -> BackOff {
    let failures = before.map_or(0, |before| before.failures);
    let own = back_off(Duration::from_millis(500), failures);
    let pause = refusal
        .and_then(|refusal| refusal.retry_after)
        .map_or(own, |wanted| wanted.max(own));
    let mut next = BackOff::new(now.plus(pause), failures + 1, refusal.map(|refusal| refusal.status));
    next.code = refusal.and_then(|refusal| refusal.code.clone());
    next
}
