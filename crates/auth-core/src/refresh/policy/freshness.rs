//! How fresh a token is.

use std::time::Duration;

use crate::clock::Timestamp;
use crate::record::AccessEntry;
use crate::refresh::RefreshPolicy;

/// How fresh a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// Use it.
    Fresh,
    /// Use it, and renew it behind its users.
    Advisory,
    /// Renew it first; it may still be valid.
    Due,
}

/// Judges a token. `jitter` in -1.0..=1.0 moves the advisory window by a tenth,
/// so that many processes do not renew at the same moment.
pub(crate) fn freshness(access: &AccessEntry, now: Timestamp, policy: &RefreshPolicy, jitter: f64) -> Freshness {
    if mandatory_at(access, policy).is_some_and(|at| now >= at) {
        Freshness::Due
    } else if advisory_at(access, policy, jitter).is_some_and(|at| now >= at) {
        Freshness::Advisory
    } else {
        Freshness::Fresh
    }
}

/// Whether a token may be used at all; one without a known end may.
pub(crate) fn is_valid(access: &AccessEntry, now: Timestamp) -> bool {
    access.expires_at.is_none_or(|end| now < end)
}

/// From when on users wait for the next token.
pub(crate) fn mandatory_at(access: &AccessEntry, policy: &RefreshPolicy) -> Option<Timestamp> {
    let end = access.expires_at?;
    Some(end.minus(policy.margin.min(lifetime(access, end) / 2)))
}

/// From when on the next token is got behind the users.
pub(crate) fn advisory_at(access: &AccessEntry, policy: &RefreshPolicy, jitter: f64) -> Option<Timestamp> {
    let end = access.expires_at?;
    let lifetime = lifetime(access, end);
    let window = lifetime.mul_f64(policy.advisory_fraction.clamp(0.0, 1.0)).min(policy.advisory_max);
    let moved = window.mul_f64(1.0 + 0.1 * jitter.clamp(-1.0, 1.0));
    let mandatory = policy.margin.min(lifetime / 2);
    Some(end.minus(moved.max(mandatory)))
}

fn lifetime(access: &AccessEntry, end: Timestamp) -> Duration {
    end.since(access.issued_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_unix_seconds(10_000);

    fn token(lifetime: u64) -> AccessEntry {
        AccessEntry::bearer("t".into(), START, Some(START.plus(Duration::from_secs(lifetime))))
    }

    fn at(lifetime: u64, age: f64) -> Freshness {
        freshness(&token(lifetime), START.plus(Duration::from_secs_f64(age)), &RefreshPolicy::default(), 0.0)
    }

    #[test]
    fn an_hour() {
        assert_eq!(at(3600, 0.0), Freshness::Fresh);
        assert_eq!(at(3600, 3299.0), Freshness::Fresh);
        assert_eq!(at(3600, 3300.0), Freshness::Advisory);
        assert_eq!(at(3600, 3569.0), Freshness::Advisory);
        assert_eq!(at(3600, 3570.0), Freshness::Due);
    }

    #[test]
    fn short_lives_never_loop() {
        assert_eq!(at(5, 0.0), Freshness::Fresh);
        assert_eq!(at(5, 2.4), Freshness::Fresh);
        assert_eq!(at(5, 2.5), Freshness::Due);
        assert_eq!(at(0, 0.0), Freshness::Due);
        assert_eq!(at(90 * 24 * 3600, 1.0), Freshness::Fresh);
    }

    #[test]
    fn no_known_end_is_fresh_until_a_401() {
        let access = AccessEntry::bearer("t".into(), START, None);
        assert_eq!(freshness(&access, Timestamp::from_unix_millis(i64::MAX), &RefreshPolicy::default(), 0.0), Freshness::Fresh);
        assert!(is_valid(&access, Timestamp::from_unix_millis(i64::MAX)));
    }

    #[test]
    fn jitter_moves_the_advisory_window_only() {
        let policy = RefreshPolicy::default();
        let early = advisory_at(&token(1000), &policy, 1.0).unwrap();
        let late = advisory_at(&token(1000), &policy, -1.0).unwrap();
        assert_eq!((early, late), (START.plus(Duration::from_secs(780)), START.plus(Duration::from_secs(820))));
    }
}
