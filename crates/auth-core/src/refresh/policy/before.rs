//! Before a refresh token is spent: use what is there, wait, give up, or spend.

use std::time::Duration;

use super::{Freshness, freshness, is_valid};
use crate::clock::Timestamp;
use crate::error::{ConfigError, ReauthReason, Refusal, TokenErrorKind};
use crate::grant::Renewal;
use crate::provider::Rotation;
use crate::record::{AccessEntry, BackOff, Binding, GrantRecord, Mark};
use crate::refresh::demand::Want;
use crate::refresh::{Demand, RefreshPolicy};
use crate::secret::Secret;

/// How often a refresh token is sent within a server's grace.
const REPLAYS_MAX: u32 = 3;

const BACK_OFF_MAX: Duration = Duration::from_secs(3600);

/// All that the decision depends on.
pub(crate) struct Situation<'a> {
    pub(crate) record: Option<&'a GrantRecord>,
    /// The token that is stored for the target asked for.
    pub(crate) access: Option<&'a AccessEntry>,
    /// When a token for this target was last got because of a 401.
    pub(crate) rejected_refresh_at: Option<Timestamp>,
    /// How the record's grant renews; `None` if this process lacks it.
    pub(crate) renewal: Option<Renewal>,
    /// Ours, to be compared with the record's.
    pub(crate) binding: &'a Binding,
    pub(crate) rotation: Rotation,
    /// How old somebody else's mark must be before we go on from it.
    pub(crate) takeover_age: Duration,
    /// The same for a mark whose holder has said that it is over.
    pub(crate) settle: Duration,
    /// Whether we hold the lease: then whoever made a mark is gone.
    pub(crate) leased: bool,
    /// For how long this flight has seen the mark that is there.
    pub(crate) mark_seen_for: Duration,
    /// Whether the mark was made on this host, so that its time is ours.
    pub(crate) mark_is_local: bool,
    pub(crate) now: Timestamp,
    pub(crate) policy: &'a RefreshPolicy,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// This token meets the demand.
    Adopt(AccessEntry),
    /// No better token can be had now; this one is still valid. And why, where
    /// something failed.
    Keep(AccessEntry, Option<Failure>),
    /// There is no token to be had.
    Fail(Failure),
    /// Wait this long, read again: a dead holder's request may still be under way.
    Settle(Duration),
    /// Spend this refresh token. `interrupted`: an earlier attempt may have done so.
    Spend { token: Secret, interrupted: bool },
}

/// Why there is no token to be had, and when to ask again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) kind: TokenErrorKind,
    pub(crate) retry_after: Option<Duration>,
}

impl From<TokenErrorKind> for Failure {
    fn from(kind: TokenErrorKind) -> Self {
        Self {
            kind,
            retry_after: None,
        }
    }
}

/// Decides what comes before sending.
pub(crate) fn before_spend(situation: &Situation<'_>, demand: &Demand) -> Step {
    let Some(record) = situation.record else {
        return Step::Fail(reauth(ReauthReason::NotLoggedIn));
    };
    if record.ended.is_some() {
        return Step::Fail(reauth(end_of(record)));
    }
    if let Some(what) = bound_elsewhere(&record.binding, situation.binding) {
        return Step::Fail(TokenErrorKind::Config(ConfigError::BoundElsewhere { what }).into());
    }
    if let Some(access) = situation.access {
        if meets(access, demand, situation) {
            return Step::Adopt(access.clone());
        }
        if was_just_renewed(access, demand, situation) {
            return Step::Keep(access.clone(), None);
        }
        if let Some(failure) = never_long_enough(access, demand) {
            return Step::Fail(failure);
        }
    }
    match spendable(record, situation, demand) {
        Ok(step) => step,
        Err(failure) => keep_or_fail(situation, demand, failure),
    }
}

/// How a login ended whose record is a tombstone.
pub(crate) fn end_of(record: &GrantRecord) -> ReauthReason {
    match &record.departure {
        Some(departure) => ReauthReason::Moved {
            to: departure.to.clone(),
        },
        None => ReauthReason::LoggedOut,
    }
}

/// Which part of the binding differs. A record that does not say which issuer is
/// bound by the rest.
fn bound_elsewhere(stored: &Binding, ours: &Binding) -> Option<&'static str> {
    if stored.client_id != ours.client_id {
        Some("client id")
    } else if stored.issuer.is_some() && ours.issuer.is_some() && stored.issuer != ours.issuer {
        Some("issuer")
    } else if stored.token_endpoint.is_some()
        && ours.token_endpoint.is_some()
        && stored.token_endpoint != ours.token_endpoint
    {
        Some("token endpoint")
    } else {
        None
    }
}

fn meets(access: &AccessEntry, demand: &Demand, situation: &Situation<'_>) -> bool {
    if demand.want == Want::Stored {
        return is_valid(access, situation.now);
    }
    if demand.is_forced() || demand.rejected == Some(access.token.hash()) {
        return false;
    }
    match demand.min_validity {
        Some(wanted) => access
            .expires_at
            .is_none_or(|end| end.since(situation.now) >= wanted.max(Duration::from_millis(1))),
        // Started behind a token's users: what started it must not end it, whatever
        // the jitter of the process that got it.
        None if demand.want == Want::Better => {
            freshness(access, situation.now, situation.policy, 1.0) == Freshness::Fresh
        }
        None => freshness(access, situation.now, situation.policy, 0.0) != Freshness::Due,
    }
}

fn was_just_renewed(access: &AccessEntry, demand: &Demand, situation: &Situation<'_>) -> bool {
    let interval = situation.policy.rejection_interval;
    demand.rejected == Some(access.token.hash()) && within_last(interval, situation.rejected_refresh_at, situation.now)
}

/// Whether something happened that recently; a time in the future, from a clock
/// that was set back, does not count.
pub(crate) fn within_last(interval: Duration, at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_some_and(|at| at <= now && now < at.plus(interval))
}

/// A validity that this server's tokens never have can't be got by asking again.
pub(crate) fn never_long_enough(access: &AccessEntry, demand: &Demand) -> Option<Failure> {
    let wanted = demand.min_validity.filter(|_| !demand.is_forced())?;
    let lifetime = access.expires_at?.since(access.issued_at);
    (lifetime < wanted).then(|| {
        let why = format!(
            "tokens of this server live {} s, {} s are wanted",
            lifetime.as_secs(),
            wanted.as_secs()
        );
        TokenErrorKind::Config(ConfigError::Unusable {
            what: "the minimum validity",
            why,
        })
        .into()
    })
}

fn spendable(record: &GrantRecord, situation: &Situation<'_>, demand: &Demand) -> Result<Step, Failure> {
    if situation.renewal.is_none() {
        let grant = record.recipe.grant.clone();
        return Err(TokenErrorKind::Config(ConfigError::UnknownGrant { grant }).into());
    }
    if demand.want == Want::Stored {
        return Err(reauth(ReauthReason::NoValidToken));
    }
    // It may be stored, and spent, elsewhere already.
    if let Some(departure) = &record.departure {
        let to = departure.to.clone();
        return Err(TokenErrorKind::Config(ConfigError::Departing { to }).into());
    }
    let token = record.refresh_token.as_ref().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| reauth(ReauthReason::NoRefreshToken))?;
    if record.refresh_expires_at.is_some_and(|end| end <= situation.now) {
        return Err(reauth(ReauthReason::RefreshTokenExpired));
    }
    if !demand.is_forced() {
        check_refused(record)?;
        check_back_off(record.back_off.as_ref(), situation.now)?;
    }
    match record.mark.as_ref().filter(|mark| mark.parent == token.hash()) {
        Some(mark) if situation.leased => Ok(go_on_from(mark, token, situation, demand)),
        _ => Ok(Step::Spend {
            token: token.clone(),
            interrupted: false,
        }),
    }
}

fn check_refused(record: &GrantRecord) -> Result<(), Failure> {
    match record.refused.as_ref().filter(|_| record.is_refused()) {
        None => Ok(()),
        Some(refused) if refused.interrupted => Err(reauth(ReauthReason::InterruptedRefresh)),
        Some(refused) => Err(reauth(ReauthReason::RefreshTokenRefused {
            code: refused.code.clone(),
        })),
    }
}

fn check_back_off(back_off: Option<&BackOff>, now: Timestamp) -> Result<(), Failure> {
    // Nobody sets one for longer: then a clock was set back.
    let sane = |back_off: &&BackOff| back_off.until > now && back_off.until <= now.plus(BACK_OFF_MAX);
    match back_off.filter(sane) {
        None => Ok(()),
        Some(back_off) => {
            let kind = match back_off.status {
                Some(status) => TokenErrorKind::Refused(Box::new(Refusal {
                    code: back_off.code.clone(),
                    ..Refusal::new(status)
                })),
                None => TokenErrorKind::Network,
            };
            Err(Failure {
                kind,
                retry_after: Some(back_off.until.since(now)),
            })
        }
    }
}

// Whoever made the mark is gone, and nobody knows whether the server has seen the
// request. What a second one does depends on the server.
fn go_on_from(mark: &Mark, token: &Secret, situation: &Situation<'_>, demand: &Demand) -> Step {
    // Another host's clock may differ from ours: of its marks only counts for how
    // long we have seen them.
    let by_clock = if situation.mark_is_local {
        situation.now.since(mark.at)
    } else {
        Duration::ZERO
    };
    let age = by_clock.max(situation.mark_seen_for);
    // A replay could end the login and the token that is still good; once that is
    // over it costs nothing, and works if the first request never arrived.
    if !is_replayable(mark, situation)
        && let Some(access) = valid_access(situation, demand)
        && !demand.is_forced()
        && demand.min_validity.is_none()
    {
        return Step::Keep(access.clone(), None);
    }
    // Its own holder says that its request is over: only the server may lag.
    let over_after = if mark.ambiguous {
        situation.settle
    } else {
        situation.takeover_age
    };
    match over_after.checked_sub(age).filter(|left| !left.is_zero()) {
        Some(left) => Step::Settle(left),
        None => Step::Spend {
            token: token.clone(),
            interrupted: true,
        },
    }
}

/// Whether the server takes a spent refresh token again without harm.
fn is_replayable(mark: &Mark, situation: &Situation<'_>) -> bool {
    match situation.rotation {
        Rotation::NonRotating => true,
        Rotation::Strict => false,
        Rotation::Grace(grace) => {
            let age = situation.now.since(mark.first_at).max(situation.mark_seen_for);
            let from_the_future = mark.first_at > situation.now.plus(grace_reserve(grace));
            mark.attempts < REPLAYS_MAX && !from_the_future && age < grace.saturating_sub(grace_reserve(grace))
        }
    }
}

// The request takes time too: the end of the grace is not used up.
fn grace_reserve(grace: Duration) -> Duration {
    (grace / 5).min(Duration::from_secs(5))
}

fn keep_or_fail(situation: &Situation<'_>, demand: &Demand, failure: Failure) -> Step {
    match valid_access(situation, demand).filter(|_| demand.min_validity.is_none() && !demand.is_forced()) {
        Some(access) => Step::Keep(access.clone(), Some(failure)),
        None => Step::Fail(failure),
    }
}

fn valid_access<'a>(situation: &Situation<'a>, demand: &Demand) -> Option<&'a AccessEntry> {
    situation
        .access
        .filter(|access| is_valid(access, situation.now) && demand.rejected != Some(access.token.hash()))
}

fn reauth(reason: ReauthReason) -> Failure {
    TokenErrorKind::ReauthRequired(reason).into()
}

#[cfg(test)]
#[path = "before_tests.rs"]
mod tests;
