//! What a refresh does to refresh tokens: rotation, grace, reuse detection.

use std::time::Duration;

use super::answer::Refusal;
use super::builder::Config;
use super::counters::{RefreshSend, SendOutcome};
use super::mint::hash_prefix;
use super::state::{FamilyId, Issued, Purpose, Spent, State};

/// What a refresh does to the refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// The refresh token stays; answers carry none.
    None,
    /// Each refresh token can be spent once. A second use ends the login with all its tokens.
    Strict,
    /// As `Strict`, but within this time a spent refresh token gives the same pair again.
    GraceSamePair(Duration),
    /// As `Strict`, but within this time a spent refresh token gives one more pair; all pairs work.
    GraceNewPair(Duration),
    /// As `GraceNewPair`, but the newest pair puts the earlier ones, and what came of them, out of
    /// use. Presenting one of those is refused; the login goes on.
    MostRecentWins(Duration),
}

impl Rotation {
    fn grace(self) -> Duration {
        match self {
            Self::None | Self::Strict => Duration::ZERO,
            Self::GraceSamePair(grace) | Self::GraceNewPair(grace) | Self::MostRecentWins(grace) => grace,
        }
    }
}

/// What would become of a refresh token if it were presented now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefreshTokenState {
    /// Never spent; it would be granted.
    Live,
    /// Spent, and within the grace: it would be granted again.
    WithinGrace,
    /// Spent: it would be taken for reuse and end the login.
    Spent,
    /// Put out of use by a later replay of its parent.
    Superseded,
    /// Past its life.
    Expired,
    /// Its login is over.
    Revoked,
}

impl State {
    /// Spends a refresh token; every attempt goes into the log of sends.
    pub(super) fn refresh(
        &mut self,
        config: &Config,
        client_id: &str,
        presented: &str,
        requested: Purpose,
    ) -> Result<Issued, Refusal> {
        let (outcome, result) = self.spend(config, client_id, presented, requested);
        match outcome {
            SendOutcome::Granted => self.counters.refreshes_granted += 1,
            SendOutcome::Replayed => {
                self.counters.refreshes_granted += 1;
                self.counters.refreshes_replayed += 1;
            }
            SendOutcome::Reused => self.counters.double_spends += 1,
            SendOutcome::Refused => {}
        }
        self.sends.push(RefreshSend {
            token: hash_prefix(presented),
            at: self.clock.now(),
            outcome,
        });
        result
    }

    /// What would become of this refresh token now; `None` when it was never issued.
    pub(super) fn refresh_token_state(&self, config: &Config, value: &str) -> Option<RefreshTokenState> {
        let token = self.refresh_tokens.get(value)?;
        let now = self.clock.now();
        let age = |spent: &Spent| now.saturating_sub(spent.at);
        let reused = token
            .spent
            .as_ref()
            .is_some_and(|spent| age(spent) >= config.rotation.grace());
        let state = if token.superseded {
            RefreshTokenState::Superseded
        } else if reused {
            RefreshTokenState::Spent
        } else if self.families[token.family].revoked {
            RefreshTokenState::Revoked
        } else if token.expires_at.is_some_and(|end| end <= now) {
            RefreshTokenState::Expired
        } else if token.spent.is_some() {
            RefreshTokenState::WithinGrace
        } else {
            RefreshTokenState::Live
        };
        Some(state)
    }

    fn spend(
        &mut self,
        config: &Config,
        client_id: &str,
        presented: &str,
        requested: Purpose,
    ) -> (SendOutcome, Result<Issued, Refusal>) {
        let refused = |refusal| (SendOutcome::Refused, Err(refusal));
        let Some(family) = self.refresh_tokens.get(presented).map(|token| token.family) else {
            return refused(Refusal::invalid_grant("unknown refresh token"));
        };
        if self.families[family].client_id != client_id {
            return refused(Refusal::invalid_grant("refresh token of another client"));
        }
        let purpose = match self.narrowed(family, requested) {
            Ok(purpose) => purpose,
            Err(refusal) => return refused(refusal),
        };
        match self.refresh_token_state(config, presented) {
            Some(RefreshTokenState::Live) => {
                let issued = self.grant_refresh(config, family, presented, purpose);
                (SendOutcome::Granted, Ok(issued))
            }
            Some(RefreshTokenState::WithinGrace) => {
                let issued = self.replay(config, family, presented, purpose);
                (SendOutcome::Replayed, Ok(issued))
            }
            Some(RefreshTokenState::Spent) => {
                self.lose_family(family);
                let refusal = Refusal::invalid_grant("refresh token was used before");
                (SendOutcome::Reused, Err(refusal))
            }
            _ => refused(Refusal::invalid_grant("refresh token is expired or revoked")),
        }
    }

    fn grant_refresh(&mut self, config: &Config, family: FamilyId, presented: &str, purpose: Purpose) -> Issued {
        if config.refresh_revokes_access_tokens {
            self.revoke_access_tokens_of(family);
        }
        let access_token = self.issue_family_access_token(config, family, purpose);
        if config.rotation == Rotation::None {
            return Issued {
                access_token,
                refresh_token: None,
            };
        }
        let issued = Issued {
            access_token,
            refresh_token: Some(self.issue_refresh_token(config, family)),
        };
        let now = self.clock.now();
        if let Some(token) = self.refresh_tokens.get_mut(presented) {
            let spent = token.spent.get_or_insert_with(|| Spent {
                at: now,
                children: Vec::new(),
            });
            spent.children.push(issued.clone());
        }
        issued
    }

    fn replay(&mut self, config: &Config, family: FamilyId, presented: &str, purpose: Purpose) -> Issued {
        let children = self.children_of(presented);
        match (config.rotation, children.last()) {
            (Rotation::GraceSamePair(_), Some(pair)) => return pair.clone(),
            (Rotation::MostRecentWins(_), _) => self.supersede(children),
            _ => {}
        }
        self.grant_refresh(config, family, presented, purpose)
    }

    /// Puts these pairs and all that came of them out of use.
    fn supersede(&mut self, mut pairs: Vec<Issued>) {
        while let Some(pair) = pairs.pop() {
            if let Some(token) = self.access_tokens.get_mut(&pair.access_token) {
                token.revoked = true;
            }
            let Some(refresh_token) = pair.refresh_token else {
                continue;
            };
            pairs.extend(self.children_of(&refresh_token));
            if let Some(token) = self.refresh_tokens.get_mut(&refresh_token) {
                token.superseded = true;
            }
        }
    }

    fn children_of(&self, refresh_token: &str) -> Vec<Issued> {
        self.refresh_tokens
            .get(refresh_token)
            .and_then(|token| token.spent.as_ref())
            .map(|spent| spent.children.clone())
            .unwrap_or_default()
    }

    /// What the new access token is for: as asked, but never a wider scope than the login has
    /// (RFC 6749 section 6).
    fn narrowed(&self, family: FamilyId, requested: Purpose) -> Result<Purpose, Refusal> {
        let granted = &self.families[family].purpose;
        let is_granted = |scope: &str| {
            let granted = granted.scope.as_deref().unwrap_or_default();
            granted.split(' ').any(|one| one == scope)
        };
        let scope = match requested.scope {
            Some(scope) if scope.split(' ').all(is_granted) => Some(scope),
            Some(_) => {
                return Err(Refusal::new("invalid_scope", "wider than what was granted"));
            }
            None => granted.scope.clone(),
        };
        Ok(Purpose {
            scope,
            audience: requested.audience.or_else(|| granted.audience.clone()),
            resources: if requested.resources.is_empty() {
                granted.resources.clone()
            } else {
                requested.resources
            },
        })
    }
}
