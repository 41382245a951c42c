//! New logins: a code is consumed once, and what it gives replaces what was kept.

use std::time::Duration;

use super::commit::is_passing;
use super::{Core, Demand, Ledger};
use crate::error::{TokenError, TokenErrorKind};
use crate::grant::{AuthorizationCode, CodeExchange, Grant as _};
use crate::key::Key;
use crate::observer::Event;
use crate::record::{Contents, GrantRecord, Outcome, Recipe};
use crate::refresh::exchange::{self, Sent};
use crate::refresh::flight::{Landing, Reporter};
use crate::refresh::lease::Waited;
use crate::refresh::policy::{Aftermath, after_answer};
use crate::refresh::token_retry::back_off;
use crate::store::{StoreErrorKind, TokenStoreExt as _};
use crate::target::Target;
use crate::token::{AccessToken, TokenResponse};

const OPERATION: &str = "login";

/// Exchanges a code for tokens and keeps them as a new login of the profile. The
/// store is read, the data key pinned and the lease taken before the code is sent.
pub(crate) async fn login(core: &Core, demand: &Demand, exchange: CodeExchange, reporter: &Reporter) -> Landing {
    let ledger = Ledger {
        core,
        demand,
        reporter,
        key: Key::grant(&demand.profile),
    };
    ledger.check_persistence()?;
    if exchange.record.binding != core.client.binding() {
        return Err(TokenError::config(
            crate::error::ConfigError::BoundElsewhere {
                what: "client or issuer",
            },
            OPERATION,
        ));
    }
    let prepared = exchange::prepare(&core.client, &exchange.request)?;
    // Held to the end: the answer must find its key.
    let _data_key = ledger.data_key().await?;
    reporter.keep_alive(&core.drain, OPERATION)?;
    ledger
        .leased(async {
            core.store
                .load_version(&ledger.key)
                .await
                .map_err(|error| TokenError::store(error, OPERATION))?;
            let Sent { answer, took } = exchange::send(core, prepared).await;
            match after_answer(answer, core.client.provider().rotation, OPERATION) {
                Aftermath::Commit(response) => {
                    let record = ledger.record_of(&response, exchange.record.target);
                    let landing = ledger.replace(record.clone()).await;
                    if landing.is_ok() {
                        ledger.save_others(&record, &response).await;
                    }
                    core.tell(&demand.profile, &Event::Refreshed(took));
                    landing
                }
                Aftermath::NotSpent { error, .. } | Aftermath::Ambiguous { error } => Err(error),
                Aftermath::GrantRefused { refusal } => {
                    Err(TokenError::new(TokenErrorKind::Refused(refusal), OPERATION))
                }
            }
        })
        .await
}

/// Keeps a login that came from elsewhere in place of what was kept.
pub(crate) async fn replace_grant(core: &Core, demand: &Demand, record: GrantRecord) -> Result<(), TokenError> {
    let reporter = &Reporter::unheard();
    let ledger = Ledger {
        core,
        demand,
        reporter,
        key: Key::grant(&demand.profile),
    };
    if record.refresh_token.is_some() {
        ledger.check_persistence()?;
    }
    ledger.leased(async { ledger.put_login(&record).await }).await
}

impl Ledger<'_> {
    pub(super) async fn leased<T>(&self, work: impl Future<Output = Result<T, TokenError>>) -> Result<T, TokenError> {
        let turn = self.core.turn(&self.demand.profile);
        let Some(_turn) = self.take_turn(&turn).await else {
            return Err(Core::timed_out("lease"));
        };
        let limit = self.core.options.timing.lease_wait;
        let waited = super::acquire(self.core, &self.key, limit, || async { Ok(None::<()>) }).await?;
        let Waited::Held(lease) = waited else {
            return Err(Core::timed_out("lease"));
        };
        let outcome = work.await;
        lease.release().await;
        outcome
    }

    fn record_of(&self, response: &TokenResponse, target: Target) -> GrantRecord {
        let now = self.core.options.clock.now();
        let access = exchange::access_entry(self.core, response, &target);
        let mut record = GrantRecord::new(
            Recipe::new(AuthorizationCode.name(), target),
            self.core.client.binding(),
        );
        record.refresh_token.clone_from(&response.refresh_token);
        record.refresh_expires_at = response.refresh_expires_in.map(|lifetime| now.plus(lifetime));
        record.id_token.clone_from(&response.id_token);
        record.access = Some(access);
        record.refreshed_at = Some(now);
        record.note(now, Outcome::LoggedIn, None);
        record
    }

    async fn replace(&self, mut record: GrantRecord) -> Landing {
        let Some(access) = record.access.clone() else {
            return Err(TokenError::new(TokenErrorKind::Shutdown, OPERATION));
        };
        record.access = record.access.filter(|_| self.core.options.cache_access_tokens);
        self.save_login(&record).await?;
        Ok(AccessToken::of_login(access, Some(record.login_id)))
    }

    /// A login replaces whatever is stored: the whole record, by compare-and-swap.
    /// What the server has given is saved until it is, however long that takes.
    async fn save_login(&self, record: &GrantRecord) -> Result<(), TokenError> {
        let clock = &self.core.options.clock;
        let begun = clock.monotonic();
        let mut failures = 0;
        while let Err(error) = self.put_login(record).await {
            if let TokenErrorKind::Store(kind) = error.kind()
                && !is_passing(*kind)
                && *kind != StoreErrorKind::Conflict
            {
                return Err(error);
            }
            if failures == 0 {
                self.core.tell(&self.demand.profile, &Event::SaveDelayed);
            }
            if clock.monotonic().saturating_sub(begun) >= self.core.options.timing.stall {
                self.reporter.stall(error);
            }
            clock.sleep(back_off(Duration::from_millis(50), failures.min(6))).await;
            failures += 1;
        }
        Ok(())
    }

    // A record that can't be read may be replaced by a login all the same.
    async fn with_past_seeds(&self, mut record: GrantRecord) -> GrantRecord {
        let stored = self.core.store.load_contents(&self.key).await;
        let earlier = stored.ok().flatten().and_then(|(_, contents)| contents.into_grant());
        if let Some(earlier) = earlier {
            record.replaces(&earlier);
        }
        record
    }

    async fn put_login(&self, record: &GrantRecord) -> Result<(), TokenError> {
        let keep_until = record
            .refresh_expires_at
            .map(|end| end.plus(super::commit::KEPT_AFTER_END));
        let contents = Contents::from(self.with_past_seeds(record.clone()).await);
        let saved = self.core.store.replace_contents(&self.key, &contents, keep_until).await;
        saved.map_err(|error| TokenError::store(error, OPERATION).of_profile(&self.demand.profile))?;
        self.core.start_anew(&self.demand.profile);
        Ok(())
    }
}
