//! What is known of one profile.

use std::cmp::Reverse;
use std::time::Duration;

use serde_json::{Value, json};
use tokenkeep::Profile;
use tokenkeep::clock::Timestamp;
use tokenkeep::record::{GrantRecord, Outcome};
use tokenkeep::store::StoreError;

use crate::commands::login::is_repeated;
use crate::text::rfc3339;

/// In what state a profile is, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::commands) enum State {
    /// Its record can't be read.
    Unreadable,
    /// A person must log in.
    LoginRequired,
    /// It is being moved elsewhere, and that move was interrupted.
    Departing,
    /// A person logged out.
    LoggedOut,
    /// The token is good, but nothing renews it.
    Ending,
    /// A refresh is under way, or was interrupted.
    Refreshing,
    /// No good token is stored; the next use gets one.
    Renewable,
    /// The token is good, and is renewed by itself.
    Valid,
}

/// What is known of one profile.
pub(in crate::commands) struct Entry {
    pub(in crate::commands) profile: Profile,
    pub(in crate::commands) state: State,
    pub(super) access_expires_at: Option<Timestamp>,
    pub(super) refreshable: bool,
    pub(super) last_refresh: Option<Timestamp>,
    pub(super) next_action: Option<String>,
    grant: Option<String>,
    refresh_expires_at: Option<Timestamp>,
    last_error: Option<String>,
}

impl State {
    /// The word for people.
    pub(in crate::commands) fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::LoginRequired => "login required",
            Self::Departing => "departing",
            Self::LoggedOut => "logged out",
            Self::Ending => "ending",
            Self::Refreshing => "refreshing",
            Self::Renewable => "renewable",
            Self::Valid => "valid",
        }
    }

    /// The word for programs.
    pub(in crate::commands) fn name(self) -> String {
        self.word().replace(' ', "_")
    }
}

impl Entry {
    /// What a grant record says, and when the tokens of this login end.
    pub(super) fn of_grant(
        profile: &Profile,
        grant: &GrantRecord,
        ends: &[Option<Timestamp>],
        now: Timestamp,
        login: String,
    ) -> Self {
        let repeats = is_repeated(grant);
        let (valid, access_expires_at) = access(ends, now);
        let refresh_ended = grant.refresh_expires_at.is_some_and(|end| end <= now);
        let refreshable = grant.ended.is_none()
            && (repeats || (grant.refresh_token.is_some() && !grant.is_refused() && !refresh_ended));
        let state = match (valid, refreshable) {
            _ if grant.ended.is_some() => State::LoggedOut,
            _ if grant.departure.is_some() => State::Departing,
            (_, true) if grant.mark.is_some() => State::Refreshing,
            (true, true) => State::Valid,
            (true, false) => State::Ending,
            (false, true) => State::Renewable,
            (false, false) => State::LoginRequired,
        };
        Self {
            profile: profile.clone(),
            state,
            access_expires_at,
            refreshable,
            last_refresh: grant.refreshed_at.or_else(|| last_success(grant)),
            next_action: (!refreshable).then_some(login),
            grant: Some(grant.recipe.grant.clone()),
            refresh_expires_at: grant.refresh_expires_at,
            last_error: last_error(grant),
        }
    }

    /// A profile that is set up, without a login.
    pub(super) fn without_grant(profile: &Profile, login: String) -> Self {
        Self {
            next_action: Some(login),
            ..Self::bare(profile, State::LoginRequired)
        }
    }

    pub(super) fn unreadable(profile: &Profile, error: &StoreError) -> Self {
        Self {
            last_error: Some(error.to_string()),
            ..Self::bare(profile, State::Unreadable)
        }
    }

    /// Sorts the most urgent first: by state, then by the time left.
    pub(super) fn urgency(&self) -> (State, bool, Option<Timestamp>, Profile) {
        (
            self.state,
            self.access_expires_at.is_none(),
            self.access_expires_at,
            self.profile.clone(),
        )
    }

    /// How long the access token is still good.
    pub(super) fn time_left(&self, now: Timestamp) -> Option<Duration> {
        Some(self.access_expires_at?.since(now))
    }

    pub(super) fn to_json(&self, now: Timestamp) -> Value {
        json!({
            "profile": self.profile.as_str(),
            "state": self.state.name(),
            "grant": self.grant,
            "access_expires_at": self.access_expires_at.and_then(rfc3339),
            "access_expires_at_epoch": self.access_expires_at.map(Timestamp::unix_seconds),
            "expires_in_s": self.time_left(now).map(|left| left.as_secs()),
            "refreshable": self.refreshable,
            "refresh_expires_at": self.refresh_expires_at.and_then(rfc3339),
            "last_refresh": self.last_refresh.and_then(rfc3339),
            "last_error": self.last_error,
            "next_action": self.next_action,
        })
    }

    fn bare(profile: &Profile, state: State) -> Self {
        Self {
            profile: profile.clone(),
            state,
            access_expires_at: None,
            refreshable: false,
            last_refresh: None,
            next_action: None,
            grant: None,
            refresh_expires_at: None,
            last_error: None,
        }
    }
}

// No end known: good until a server says otherwise.
fn access(ends: &[Option<Timestamp>], now: Timestamp) -> (bool, Option<Timestamp>) {
    match ends.iter().max_by_key(|end| (end.is_none(), **end)) {
        None => (false, None),
        Some(end) => (end.is_none_or(|end| end > now), *end),
    }
}

fn last_success(grant: &GrantRecord) -> Option<Timestamp> {
    let successes = grant
        .history
        .iter()
        .filter(|event| matches!(event.outcome, Outcome::Refreshed | Outcome::LoggedIn));
    successes.map(|event| event.at).max()
}

/// The last failure, unless something has succeeded since.
fn last_error(grant: &GrantRecord) -> Option<String> {
    let last = grant.history.iter().min_by_key(|event| Reverse(event.at))?;
    let word = match last.outcome {
        Outcome::Failed => "failed",
        Outcome::Ambiguous => "answer lost",
        Outcome::Refused => "refused",
        _ => return None,
    };
    Some(match &last.detail {
        Some(detail) => format!("{word}: {detail}"),
        None => word.to_owned(),
    })
}
