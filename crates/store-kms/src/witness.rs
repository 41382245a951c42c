//! What this process has seen of logins: enough to notice that a store shows an older
//! state of one, and, where it is safe, to put the newer back. [ADR 9].
//!
//! [ADR 9]: https://github.com/tokenkeep/tokenkeep/blob/main/docs/adr/0009-rollback.md

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use auth_core::clock::Timestamp;
use auth_core::key::{Key, Part};
use auth_core::record::{GrantRecord, LoginId, Record, Version};
use auth_core::secret::{Secret, SecretHash};

/// How many logins are remembered, unless said otherwise.
pub(crate) const REMEMBERED: usize = 10_000;

/// A token that is good for longer than this is no reason for anybody to have
/// refreshed; and by then every other witness that is awake has looked.
const SURELY_UNSPENT: Duration = Duration::from_mins(1);

/// By how much the clocks of hosts may differ.
const SKEW: Duration = Duration::from_mins(5);

/// What matters of a grant record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    login_id: LoginId,
    refresh_token: Option<SecretHash>,
    marked: bool,
    /// Logged out or refused: nothing of it is ever spent.
    over: bool,
    access_expires_at: Option<Timestamp>,
    first_event: Option<Timestamp>,
    last_event: Option<Timestamp>,
}

/// The latest state that was seen of a login.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) version: Version,
    pub(crate) facts: Facts,
    /// As it was stored, sealed.
    pub(crate) stored: Record,
}

/// What a state is to the one that was seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It goes on from there, or nothing can be lost by it.
    Sound,
    /// It is older: its refresh token may be spent already.
    RolledBack,
}

/// The memory of a process.
#[derive(Debug)]
pub(crate) struct Witness {
    limit: usize,
    seen: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    by_key: HashMap<Key, (Arc<Seen>, u64)>,
    tick: u64,
}

impl Facts {
    /// Of a grant record; `None` for other parts, of which nothing can be lost, and
    /// for what is no record of core's.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        if !is_watched(record.key()) {
            return None;
        }
        let grant = record.decode().ok()?.into_grant()?;
        Some(Self::of_grant(&grant))
    }

    fn of_grant(grant: &GrantRecord) -> Self {
        let events = || {
            let noted = grant.history.iter().map(|entry| entry.at);
            noted.chain(grant.refreshed_at).chain(grant.ended.map(|ended| ended.at))
        };
        Self {
            login_id: grant.login_id,
            refresh_token: grant.refresh_token.as_ref().map(Secret::hash),
            marked: grant.mark.is_some(),
            over: grant.ended.is_some() || grant.is_refused(),
            access_expires_at: grant.access.as_ref().and_then(|access| access.expires_at),
            first_event: events().min(),
            last_event: events().max(),
        }
    }

    /// Whether nothing can be lost by putting this state back: nobody spends of it, or
    /// nobody had a reason to have spent since.
    pub(crate) fn may_be_put_back(&self, now: Timestamp) -> bool {
        let unspent = self.access_expires_at.is_some_and(|end| end > now.plus(SURELY_UNSPENT));
        self.over || (unspent && !self.marked)
    }
}

/// Whether states of this key are compared.
pub(crate) fn is_watched(key: &Key) -> bool {
    key.part() == Part::Grant
}

/// What a state with no later generation is to the one that was seen.
pub(crate) fn judge(seen: &Facts, found: &Facts) -> Verdict {
    let nothing_to_spend = seen.refresh_token.is_none() && found.refresh_token.is_none();
    let sound = if seen.login_id == found.login_id {
        let same_token = seen.refresh_token == found.refresh_token && !seen.marked && !seen.over;
        // Somebody who did not see what we saw went on, and the server took it.
        let went_on = found.last_event > seen.last_event.map(|at| at.plus(SKEW));
        nothing_to_spend || same_token || went_on
    } else {
        // The record was removed or forgotten, and then there was a login.
        nothing_to_spend || found.last_event > seen.first_event
    };
    if sound { Verdict::Sound } else { Verdict::RolledBack }
}

impl Witness {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            seen: Mutex::default(),
        }
    }

    /// What was seen of this key.
    pub(crate) fn seen(&self, key: &Key) -> Option<Arc<Seen>> {
        if !is_watched(key) {
            return None;
        }
        let mut memory = self.memory();
        memory.tick += 1;
        let tick = memory.tick;
        let (seen, last) = memory.by_key.get_mut(key)?;
        *last = tick;
        Some(seen.clone())
    }

    /// Remembers a state that goes on from what was seen, whatever its generation.
    pub(crate) fn note(&self, seen: Seen) {
        if self.limit == 0 {
            return;
        }
        let mut memory = self.memory();
        memory.tick += 1;
        let tick = memory.tick;
        let key = seen.stored.key().clone();
        if !memory.by_key.contains_key(&key) && memory.by_key.len() >= self.limit {
            memory.forget_older_half();
        }
        memory.by_key.insert(key, (Arc::new(seen), tick));
    }

    /// Remembers a state, unless another task has seen a later one meanwhile.
    pub(crate) fn note_unless_later(&self, seen: Seen) {
        let stays = self.memory().by_key.get(seen.stored.key()).is_some_and(|(before, _)| {
            before.facts.login_id == seen.facts.login_id && before.version.generation() > seen.version.generation()
        });
        if !stays {
            self.note(seen);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn forget_older_half(&mut self) {
        let mut ticks: Vec<u64> = self.by_key.values().map(|(_, tick)| *tick).collect();
        ticks.sort_unstable();
        if let Some(middle) = ticks.get(ticks.len() / 2).copied() {
            self.by_key.retain(|_, (_, tick)| *tick > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use auth_core::profile::Profile;
    use auth_core::record::Hints;
    use auth_core::secret::SecretBytes;

    use super::*;

    static LOGIN: LazyLock<LoginId> = LazyLock::new(LoginId::random);
    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_800_000_000 + seconds)
    }

    fn facts(token: &str, last: i64) -> Facts {
        Facts {
            login_id: *LOGIN,
            refresh_token: Some(Secret::new(token).hash()),
            marked: false,
            over: false,
            access_expires_at: Some(at(3600)),
            first_event: Some(at(-86_400)),
            last_event: Some(at(last)),
        }
    }

    #[test]
    fn an_older_state_of_the_same_login_is_a_rollback() {
        let seen = facts("new", 0);
        assert_eq!(judge(&seen, &facts("old", -3600)), Verdict::RolledBack);
        assert_eq!(judge(&seen, &facts("new", -3600)), Verdict::Sound, "the same token");
        let marked = Facts {
            marked: true,
            ..seen.clone()
        };
        assert_eq!(
            judge(&marked, &facts("new", -3600)),
            Verdict::RolledBack,
            "it was about to be spent"
        );
        let over = Facts {
            over: true,
            refresh_token: None,
            ..seen.clone()
        };
        assert_eq!(judge(&over, &facts("new", -3600)), Verdict::RolledBack, "logged out");
        assert_eq!(judge(&seen, &facts("other", 301)), Verdict::Sound, "somebody went on");
        assert_eq!(judge(&seen, &facts("other", 299)), Verdict::RolledBack, "clocks differ");
    }

    #[test]
    fn another_login_is_a_rollback_if_it_is_older() {
        let seen = facts("new", 0);
        let other = |last| Facts {
            login_id: LoginId::random(),
            ..facts("other", last)
        };
        assert_eq!(judge(&seen, &other(10)), Verdict::Sound);
        assert_eq!(judge(&seen, &other(-10)), Verdict::Sound, "another host's clock");
        assert_eq!(judge(&seen, &other(-86_401)), Verdict::RolledBack);
        let silent = Facts {
            last_event: None,
            ..other(0)
        };
        assert_eq!(judge(&seen, &silent), Verdict::RolledBack);
    }

    #[test]
    fn without_refresh_tokens_nothing_is_lost() {
        let none = |facts: Facts| Facts {
            refresh_token: None,
            ..facts
        };
        assert_eq!(judge(&none(facts("a", 0)), &none(facts("b", -9999))), Verdict::Sound);
        assert_eq!(judge(&facts("a", 0), &none(facts("b", -9999))), Verdict::RolledBack);
    }

    #[test]
    fn only_what_nobody_can_have_spent_is_put_back() {
        let seen = facts("new", 0);
        assert!(seen.may_be_put_back(NOW));
        assert!(!seen.may_be_put_back(at(3540)), "somebody may have refreshed");
        let marked = Facts {
            marked: true,
            ..seen.clone()
        };
        assert!(!marked.may_be_put_back(NOW));
        let unending = Facts {
            access_expires_at: None,
            ..seen.clone()
        };
        assert!(!unending.may_be_put_back(NOW));
        assert!(Facts { over: true, ..marked }.may_be_put_back(at(99_999)));
    }

    fn seen(name: &str, generation: u64) -> Seen {
        let key = Key::grant(&Profile::from_parts([name]));
        let version = Version::from_raw(generation, [0; 8]);
        let body = SecretBytes::new(vec![1]);
        Seen {
            version,
            facts: facts("a", 0),
            stored: Record::from_parts(key, version, None, Hints::default(), body),
        }
    }

    #[test]
    fn memory_is_bounded_and_keeps_what_was_used_last() {
        let witness = Witness::new(100);
        for number in 0..1_000 {
            witness.note(seen(&format!("user{number}"), 1));
            assert!(witness.seen(seen("user0", 1).stored.key()).is_some());
        }
        assert!(witness.memory().by_key.len() <= 100);
        assert!(witness.seen(seen("user1", 1).stored.key()).is_none());
    }

    #[test]
    fn a_late_note_of_an_own_write_takes_nothing_back() {
        let witness = Witness::new(100);
        witness.note_unless_later(seen("ana", 7));
        witness.note_unless_later(seen("ana", 6));
        let found = witness.seen(seen("ana", 0).stored.key());
        assert_eq!(found.map(|seen| seen.version.generation()), Some(7));
    }
}
