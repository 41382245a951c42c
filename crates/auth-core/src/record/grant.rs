//! The grant record: what must not be lost.

use serde::{Deserialize, Serialize};

use super::format::{option_secret, pairs};
use super::{AccessEntry, Hints, HistoryEntry, LoginId, Outcome, RecordState};
use crate::clock::Timestamp;
use crate::secret::{Secret, SecretHash};
use crate::target::Target;

/// How many past events a grant record keeps.
pub const HISTORY_LENGTH: usize = 20;

/// How many past seeds a grant record keeps.
pub const PAST_SEEDS_LENGTH: usize = 8;

/// The refresh token of one login, its own access token, and all that a process
/// needs to know before it spends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GrantRecord {
    /// Which login this is: every login has a new one; token records name it.
    pub login_id: LoginId,
    /// How to ask for tokens again.
    pub recipe: Recipe,
    /// To whom the tokens belong; nothing is sent elsewhere.
    pub binding: Binding,
    /// The refresh token.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
    /// When the refresh token ends, if the server said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_at: Option<Timestamp>,
    /// The access token that came with it, for the recipe's target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access: Option<AccessEntry>,
    /// The ID token of the login or the last refresh; kept, not verified.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub id_token: Option<Secret>,
    /// The private key that tokens are bound to (RFC 9449), as a JWK.
    #[serde(default, with = "option_secret", skip_serializing_if = "Option::is_none")]
    pub dpop_key: Option<Secret>,
    /// The note that the refresh token is about to be, or may have been, spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// The refresh token that the server refused for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
    /// The hash of the refresh token from arguments or environment that this
    /// login descends from.
    #[serde(
        default,
        with = "super::format::option_hash",
        skip_serializing_if = "Option::is_none"
    )]
    pub seed: Option<SecretHash>,
    /// The hashes of the seeds of earlier logins of the profile, oldest first; at
    /// most [`PAST_SEEDS_LENGTH`]. Their refresh tokens may be spent.
    #[serde(default, with = "super::format::hashes", skip_serializing_if = "Vec::is_empty")]
    pub past_seeds: Vec<SecretHash>,
    /// When tokens were last got.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refreshed_at: Option<Timestamp>,
    /// When a refresh was last made because of a 401.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected_refresh_at: Option<Timestamp>,
    /// Until when nothing is sent, after failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_off: Option<BackOff>,
    /// Set while the login is moved elsewhere, and on the tombstone that the move
    /// leaves: the refresh token is not spent here any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departure: Option<Departure>,
    /// Set on a tombstone: logged out, or moved elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// The last events, oldest first; at most [`HISTORY_LENGTH`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
}

impl GrantRecord {
    /// A new login, without tokens yet.
    pub fn new(recipe: Recipe, binding: Binding) -> Self {
        Self {
            login_id: LoginId::random(),
            recipe,
            binding,
            refresh_token: None,
            refresh_expires_at: None,
            access: None,
            id_token: None,
            dpop_key: None,
            mark: None,
            refused: None,
            seed: None,
            past_seeds: Vec::new(),
            refreshed_at: None,
            rejected_refresh_at: None,
            back_off: None,
            departure: None,
            ended: None,
            history: Vec::new(),
        }
    }

    /// What is left of a login after a logout. The seed's hash stays, so that the
    /// refresh token that is still in somebody's environment does not bring the
    /// login back.
    pub fn tombstone(&self, at: Timestamp) -> Self {
        let mut stone = self.stone(at);
        stone.note(at, Outcome::LoggedOut, None);
        stone
    }

    /// What is left of a login after its move elsewhere.
    pub(crate) fn moved(&self, at: Timestamp) -> Self {
        let mut stone = self.stone(at);
        stone.departure.clone_from(&self.departure);
        stone.note(
            at,
            Outcome::Moved,
            self.departure.as_ref().map(|departure| departure.to.clone()),
        );
        stone
    }

    fn stone(&self, at: Timestamp) -> Self {
        let mut stone = Self::new(self.recipe.clone(), self.binding.clone());
        stone.login_id = self.login_id;
        stone.seed = self.seed;
        stone.past_seeds.clone_from(&self.past_seeds);
        stone.ended = Some(Ended { at });
        stone.history.clone_from(&self.history);
        stone
    }

    /// Adds an event to the history, and forgets the oldest beyond
    /// [`HISTORY_LENGTH`].
    pub fn note(&mut self, at: Timestamp, outcome: Outcome, detail: Option<String>) {
        self.history.push(HistoryEntry {
            at,
            outcome,
            detail,
            host: crate::host::name(),
        });
        let extra = self.history.len().saturating_sub(HISTORY_LENGTH);
        self.history.drain(..extra);
    }

    /// Remembers the seeds of the login that this one replaces.
    pub(crate) fn replaces(&mut self, earlier: &Self) {
        let own = self.seed;
        let mut seeds = earlier.past_seeds.clone();
        seeds.extend(earlier.seed);
        seeds.retain(|seed| Some(*seed) != own);
        let extra = seeds.len().saturating_sub(PAST_SEEDS_LENGTH);
        seeds.drain(..extra);
        self.past_seeds = seeds;
    }

    /// Whether the refresh token is the one that the server refused.
    pub fn is_refused(&self) -> bool {
        match (&self.refresh_token, &self.refused) {
            (Some(token), Some(refused)) => token.hash() == refused.hash,
            _ => false,
        }
    }

    pub(crate) fn hints(&self) -> Hints {
        let state = if self.ended.is_some() {
            RecordState::LoggedOut
        } else if self.is_refused() {
            RecordState::Refused
        } else if self.mark.is_some() {
            RecordState::Marked
        } else {
            RecordState::Active
        };
        Hints {
            access_expires_at: self.access.as_ref().and_then(|access| access.expires_at),
            grant: Some(self.recipe.grant.clone()),
            refreshable: self.refresh_token.is_some(),
            state: Some(state),
        }
    }
}

/// How to ask for tokens again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Recipe {
    /// The [`name`](crate::grant::Grant::name) of the grant.
    pub grant: String,
    /// What its own access token is for.
    #[serde(default)]
    pub target: Target,
    /// Extra parameters of its requests.
    #[serde(default, with = "pairs", skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<(String, Secret)>,
}

impl Recipe {
    /// A recipe for this grant and target.
    pub fn new(grant: impl Into<String>, target: Target) -> Self {
        Self {
            grant: grant.into(),
            target,
            parameters: Vec::new(),
        }
    }
}

/// To whom tokens belong. Compared before anything is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Binding {
    /// The issuer, exactly as configured, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The token endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// The client id.
    pub client_id: String,
}

impl Binding {
    /// A binding to this client at this token endpoint.
    pub fn new(issuer: Option<String>, token_endpoint: Option<String>, client_id: impl Into<String>) -> Self {
        Self {
            issuer,
            token_endpoint,
            client_id: client_id.into(),
        }
    }
}

/// The note, durable before anything is sent, that a refresh token is about to be
/// spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mark {
    /// Names the attempt: random.
    pub attempt: String,
    /// The hash of the refresh token that is spent.
    #[serde(with = "super::format::hash")]
    pub parent: SecretHash,
    /// The host that spends it.
    pub host: String,
    /// The process that spends it.
    pub process: u32,
    /// When this attempt was made.
    pub at: Timestamp,
    /// When the first attempt to spend this refresh token was made: a server's
    /// grace counts from there.
    pub first_at: Timestamp,
    /// How many attempts there were, this one included.
    pub attempts: u32,
    /// Whether the answer is known to be lost: its holder said so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ambiguous: bool,
}

impl Mark {
    /// A mark of this process for spending this refresh token.
    pub fn new(parent: &Secret, at: Timestamp) -> Self {
        Self {
            attempt: crate::text::hex(&crate::random::bytes::<8>()),
            parent: parent.hash(),
            host: crate::host::name(),
            process: std::process::id(),
            at,
            first_at: at,
            attempts: 1,
            ambiguous: false,
        }
    }

    /// A mark of this process for going on from an earlier attempt, if that was to
    /// spend the same refresh token.
    pub fn after(earlier: Option<&Self>, parent: &Secret, at: Timestamp) -> Self {
        let mut mark = Self::new(parent, at);
        if let Some(earlier) = earlier.filter(|earlier| earlier.parent == mark.parent) {
            mark.first_at = earlier.first_at;
            mark.attempts = earlier.attempts.saturating_add(1);
        }
        mark
    }
}

/// A refresh token that the server refused for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Refused {
    /// Its hash: it is never sent again.
    #[serde(with = "super::format::hash")]
    pub hash: SecretHash,
    /// The error code of the server (RFC 6749 section 5.2).
    pub code: String,
    /// When.
    pub at: Timestamp,
    /// Whether a refresh had been interrupted before, so that the token was
    /// probably spent by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
}

impl Refused {
    /// This refresh token was refused with this code.
    pub fn new(token: &Secret, code: impl Into<String>, at: Timestamp, interrupted: bool) -> Self {
        Self {
            hash: token.hash(),
            code: code.into(),
            at,
            interrupted,
        }
    }
}

/// Until when nothing is sent, after failures; shared by all processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BackOff {
    /// Nothing is sent before this time.
    pub until: Timestamp,
    /// How many failures in a row.
    pub failures: u32,
    /// The HTTP status of the last failure, if there was an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The error code of the last failure, if the answer had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl BackOff {
    /// Until this time, after this many failures in a row.
    pub fn new(until: Timestamp, failures: u32, status: Option<u16>) -> Self {
        Self {
            until,
            failures,
            status,
            code: None,
        }
    }
}

/// The move of a login to another name or another store, under way or done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Departure {
    /// Where to, for people and for who goes on with an interrupted move; no secret.
    pub to: String,
    /// When.
    pub at: Timestamp,
}

impl Departure {
    /// To there, at this time.
    pub fn new(to: impl Into<String>, at: Timestamp) -> Self {
        Self { to: to.into(), at }
    }
}

/// The end of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ended {
    /// When.
    pub at: Timestamp,
}

impl Ended {
    /// Ended at this time.
    pub fn at(at: Timestamp) -> Self {
        Self { at }
    }
}
