//! The end of a login: revoked at the server where that is wanted, then a tombstone,
//! so that a commit that comes late can't bring it back.

use super::{Core, Demand, Ledger};
use crate::error::{Refusal, TokenError, TokenErrorKind};
use crate::grant::{TokenTypeHint, revocation_request};
use crate::key::{Key, Part};
use crate::record::{Contents, GrantRecord, TokenRecord};
use crate::refresh::flight::Reporter;
use crate::secret::Secret;
use crate::store::{RemoveIf, StoreErrorKind, TokenStore as _, TokenStoreExt as _};
use crate::token::{Answer, read_answer};

/// Ends a login; `false` if there was none.
pub(crate) async fn end_login(core: &Core, demand: &Demand, revoke: bool) -> Result<bool, TokenError> {
    let reporter = &Reporter::unheard();
    let ledger = Ledger {
        core,
        demand,
        reporter,
        key: Key::grant(&demand.profile),
    };
    reporter.keep_alive(&core.drain, "logout")?;
    ledger.leased(async { ledger.end(revoke).await }).await
}

impl Ledger<'_> {
    async fn end(&self, revoke: bool) -> Result<bool, TokenError> {
        let grant = self.load().await?.grant.filter(|grant| grant.ended.is_none());
        let tokens = self.token_records().await?;
        if revoke {
            self.revoke_all(grant.as_ref(), &tokens).await?;
        }
        let buried = match grant {
            Some(_) => self.bury().await?,
            None => false,
        };
        let some = !tokens.is_empty();
        for (key, _) in tokens {
            self.core
                .store
                .remove(&key, RemoveIf::Any)
                .await
                .map_err(|error| TokenError::store(error, "logout"))?;
        }
        self.core.start_anew(&self.demand.profile);
        Ok(buried || some)
    }

    /// Puts the tombstone; `false` if the login ended otherwise meanwhile.
    async fn bury(&self) -> Result<bool, TokenError> {
        loop {
            let now = self.load().await?;
            let (Some(version), Some(grant)) = (now.version, now.grant.filter(|grant| grant.ended.is_none())) else {
                return Ok(false);
            };
            let stone = Contents::from(grant.tombstone(self.core.options.clock.now()));
            match self
                .core
                .store
                .save_contents(&self.key, &stone, Some(version), None)
                .await
            {
                Ok(_) => return Ok(true),
                Err(error) if error.kind() == StoreErrorKind::Conflict => {}
                Err(error) => return Err(TokenError::store(error, "logout")),
            }
        }
    }

    /// Access tokens for other targets, where the store can list them.
    async fn token_records(&self) -> Result<Vec<(Key, TokenRecord)>, TokenError> {
        let listed = match self.core.store.list_all().await {
            Ok(listed) => listed,
            Err(error) if error.kind() == StoreErrorKind::Unsupported => return self.own_token_record().await,
            Err(error) => return Err(TokenError::store(error, "logout")),
        };
        let mut found = Vec::new();
        for entry in listed {
            let ours = *entry.key.profile() == self.demand.profile && matches!(entry.key.part(), Part::Token(_));
            if ours && let Some(record) = self.token_record(&entry.key).await? {
                found.push((entry.key, record));
            }
        }
        Ok(found)
    }

    async fn own_token_record(&self) -> Result<Vec<(Key, TokenRecord)>, TokenError> {
        let key = Key::token(&self.demand.profile, self.demand.target.id());
        Ok(self
            .token_record(&key)
            .await?
            .map(|record| (key, record))
            .into_iter()
            .collect())
    }

    async fn token_record(&self, key: &Key) -> Result<Option<TokenRecord>, TokenError> {
        let stored = self
            .core
            .store
            .load_contents(key)
            .await
            .map_err(|error| TokenError::store(error, "logout"))?;
        Ok(stored.and_then(|(_, contents)| contents.into_token()))
    }

    /// The refresh token first: on most servers its end is the end of all
    /// (RFC 7009 section 2.1).
    async fn revoke_all(&self, grant: Option<&GrantRecord>, tokens: &[(Key, TokenRecord)]) -> Result<(), TokenError> {
        if let Some(token) = grant.and_then(|grant| grant.refresh_token.as_ref()) {
            revoke(self.core, token, TokenTypeHint::RefreshToken).await?;
        }
        let own = grant.and_then(|grant| grant.access.as_ref()).into_iter();
        for access in own.chain(tokens.iter().map(|(_, record)| &record.access)) {
            revoke(self.core, &access.token, TokenTypeHint::AccessToken).await?;
        }
        Ok(())
    }

    /// Tokens that came too late for a login that is over must not live on. Tried a
    /// few times; nobody waits for them.
    pub(super) async fn revoke_late(&self, child: &GrantRecord, access: &Secret) {
        let tokens = child
            .refresh_token
            .iter()
            .map(|token| (token, TokenTypeHint::RefreshToken));
        for (token, hint) in tokens.chain([(access, TokenTypeHint::AccessToken)]) {
            if let Err(error) = revoke_with_patience(self.core, token, hint).await {
                tracing::warn!(target: "tokenkeep", key = %self.key, %error, "a token that came after the logout lives on at the server");
            }
        }
    }
}

async fn revoke_with_patience(core: &Core, token: &Secret, hint: TokenTypeHint) -> Result<(), TokenError> {
    let mut attempt = 0;
    loop {
        match revoke(core, token, hint).await {
            Err(error) => match core.options.token_retry.after_failure(attempt) {
                Some(pause) => core.options.clock.sleep(pause).await,
                None => return Err(error),
            },
            Ok(()) => return Ok(()),
        }
        attempt += 1;
    }
}

/// Revokes one token. A token that the server does not know is revoked
/// (RFC 7009 section 2.2).
async fn revoke(core: &Core, token: &Secret, hint: TokenTypeHint) -> Result<(), TokenError> {
    const OPERATION: &str = "revocation";
    let request =
        revocation_request(&core.client, token, hint).map_err(|error| TokenError::config(error, OPERATION))?;
    let limit = core.options.clock.sleep(core.options.timing.budget);
    let answer = tokio::select! {
        answer = core.transport.send(request) => answer.map_err(|error| TokenError::transport(error, OPERATION))?,
        () = limit => return Err(Core::timed_out(OPERATION)),
    };
    if answer.status().is_success() {
        return Ok(());
    }
    match read_answer(&answer, &[token], core.options.clock.now()) {
        // It can't revoke access tokens: they end by themselves.
        Answer::Refused(refusal) if is_not_supported(&refusal, hint) => Ok(()),
        Answer::Refused(refusal) => Err(TokenError::new(TokenErrorKind::Refused(refusal), OPERATION)),
        Answer::Granted(_) | Answer::Unreadable(_) => Ok(()),
    }
}

fn is_not_supported(refusal: &Refusal, hint: TokenTypeHint) -> bool {
    hint == TokenTypeHint::AccessToken && refusal.code.as_deref() == Some("unsupported_token_type")
}
