//! Spending a refresh token: prepare, mark, confirm, send, and what follows.

use std::time::Duration;

use super::records::Snapshot;
use super::{Ledger, OPERATION};
use crate::error::{ReauthReason, Refusal, TokenError, TokenErrorKind};
use crate::grant::{RequestKind, TokenRequest};
use crate::observer::Event;
use crate::record::{BackOff, Contents, GrantRecord, Mark, Outcome, Record, Refused, Version};
use crate::refresh::exchange::{self, Prepared, Sent};
use crate::refresh::flight::Landing;
use crate::refresh::lease::HeldLease;
use crate::refresh::policy::{Aftermath, after_answer};
use crate::refresh::token_retry::back_off;
use crate::secret::Secret;
use crate::store::{StoreErrorKind, TokenStore as _, WriteIf};
use crate::target::Target;
use crate::token::AccessToken;

/// How long after a refused refresh the record is read again: another process may
/// be about to save the token that replaced ours.
const READ_AGAIN_AFTER: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
];

/// One attempt: the record as it was marked, and what is spent.
pub(super) struct Attempt {
    pub(super) record: GrantRecord,
    pub(super) version: Version,
    pub(super) mark: Mark,
    pub(super) token: Secret,
    pub(super) interrupted: bool,
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
        let still_valid = self.still_valid(&snapshot).cloned();
        let landing = match self.prepare(snapshot, token, interrupted).await {
            Ok(Some((attempt, prepared))) => self.send(lease, attempt, prepared).await,
            Ok(None) => return None,
            Err(error) => Some(Err(error)),
        };
        match (landing, still_valid) {
            (Some(Err(error)), Some(access)) => {
                self.core.tell(&self.demand.profile, &Event::Failed(error));
                Some(Ok(AccessToken::from_entry(access)))
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
        self.reporter.keep_alive(&self.core.drain);
        let (Some(version), Some(mut record)) = (snapshot.version, snapshot.grant) else {
            return Ok(None);
        };
        let prepared = exchange::prepare(&self.core.client, &self.request(&record, &token))?;
        if let Some(sealer) = &self.core.options.sealer {
            sealer
                .data_key(&self.key)
                .await
                .map_err(|error| TokenError::seal(error, OPERATION))?;
        }
        let mark = Mark::new(&token, self.core.options.clock.now());
        record.mark = Some(mark.clone());
        let Some(version) = self.save_mark(version, &record).await? else {
            return Ok(None);
        };
        Ok(Some((
            Attempt {
                record,
                version,
                mark,
                token,
                interrupted,
            },
            prepared,
        )))
    }

    fn request(&self, record: &GrantRecord, token: &Secret) -> TokenRequest {
        // A refresh for the grant's own target asks for nothing: it gets what was
        // granted (RFC 6749 section 6).
        let target = if self.is_own_target(record) {
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
            Err(error) => Err(TokenError::store(error, OPERATION)),
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
        let confirmed = lease.confirm().await;
        let confirmed_at = clock.monotonic();
        if let Err(error) = confirmed {
            self.clear(attempt, Failure::NothingSent).await;
            return Some(Err(error));
        }
        if clock.monotonic().saturating_sub(confirmed_at) > self.core.options.timing.send_within {
            self.clear(attempt, Failure::NothingSent).await;
            return None;
        }
        let Sent { answer, took } = exchange::send(self.core, prepared).await;
        match after_answer(answer, OPERATION) {
            Aftermath::Commit(response) => Some(self.commit(attempt, &response, took).await),
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
            let failures = record.back_off.map_or(0, |back_off| back_off.failures);
            let pause = refusal.and_then(|refusal| refusal.retry_after);
            let pause = pause.unwrap_or_else(|| back_off(Duration::from_millis(500), failures));
            let status = refusal.map(|refusal| refusal.status);
            record.back_off = Some(BackOff::new(now.plus(pause), failures + 1, status));
            record.note(now, Outcome::Failed, refusal.and_then(|refusal| refusal.code.clone()));
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
        record.note(now, Outcome::Ambiguous, None);
        self.save_note(&record, attempt.version).await;
    }

    async fn save_note(&self, record: &GrantRecord, read: Version) {
        let noted = self.encode(record, read);
        if let Err(error) = self.core.store.save(&noted, WriteIf::Matches(read)).await {
            tracing::warn!(target: "tokenkeep", key = %self.key, %error, "the outcome of a refresh can't be noted");
        }
    }

    /// `invalid_grant`: somebody else may have refreshed. Only while the record is
    /// still as we marked it the refresh token is remembered as refused; nothing
    /// is deleted.
    async fn refused(&self, attempt: Attempt, refusal: Refusal) -> Option<Landing> {
        for pause in READ_AGAIN_AFTER {
            if !pause.is_zero() {
                self.core.options.clock.sleep(pause).await;
            }
            match self.load().await {
                Ok(now) if now.version == Some(attempt.version) => {}
                Ok(_) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
        let now = self.core.options.clock.now();
        let code = refusal.code.clone().unwrap_or_default();
        let mut record = attempt.record;
        record.mark = None;
        record.refused = Some(Refused::new(&attempt.token, code.clone(), now, attempt.interrupted));
        record.note(now, Outcome::Refused, Some(code.clone()));
        self.save_note(&record, attempt.version).await;
        let reason = if attempt.interrupted {
            ReauthReason::InterruptedRefresh
        } else {
            ReauthReason::RefreshTokenRefused { code }
        };
        let error = self.failed(TokenErrorKind::ReauthRequired(reason), None);
        let cause = TokenError::new(TokenErrorKind::Refused(Box::new(refusal)), OPERATION);
        Some(Err(error.with_source(cause)))
    }
}
