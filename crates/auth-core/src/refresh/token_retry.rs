//! Retries of the token endpoint, for grants that can ask again.

use std::time::Duration;

use crate::error::Refusal;

/// How often and when a token request of a renewable grant is made again.
///
/// Refresh tokens and codes are never sent again by this: for them the ledger
/// decides.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TokenRetry {
    /// How many further attempts. 2
    pub total: u32,
    /// The HTTP statuses after which to try again. 429, 500, 502, 503, 504
    pub statuses: Vec<u16>,
    /// The first pause; it doubles with each attempt, to one minute. 0.5 seconds
    pub back_off: Duration,
}

impl Default for TokenRetry {
    fn default() -> Self {
        Self {
            total: 2,
            statuses: vec![429, 500, 502, 503, 504],
            back_off: Duration::from_millis(500),
        }
    }
}

impl TokenRetry {
    /// So many further attempts, after these statuses, with this first pause.
    pub fn new(total: u32, statuses: impl IntoIterator<Item = u16>, back_off: Duration) -> Self {
        Self {
            total,
            statuses: statuses.into_iter().collect(),
            back_off,
        }
    }

    /// One attempt, no retries.
    pub fn none() -> Self {
        Self {
            total: 0,
            ..Self::default()
        }
    }

    /// The pause before attempt `attempt + 1` after a refusal; `None`: no more.
    pub(crate) fn after_refusal(&self, attempt: u32, refusal: &Refusal) -> Option<Duration> {
        if !self.statuses.contains(&refusal.status) {
            return None;
        }
        let pause = self.after_failure(attempt)?;
        Some(refusal.retry_after.unwrap_or(pause)).filter(|pause| *pause <= PAUSE_MAX)
    }

    /// The pause before attempt `attempt + 1` after no answer; `None`: no more.
    pub(crate) fn after_failure(&self, attempt: u32) -> Option<Duration> {
        (attempt < self.total).then(|| back_off(self.back_off, attempt))
    }
}

const PAUSE_MAX: Duration = Duration::from_secs(60);

/// `first`, doubled `failures` times, at most a minute, then a random part of it
/// between half and all: many clients must not come back at once.
pub(crate) fn back_off(first: Duration, failures: u32) -> Duration {
    let full = first
        .saturating_mul(2_u32.saturating_pow(failures.min(16)))
        .min(PAUSE_MAX);
    let [random] = crate::random::bytes::<1>();
    full.mul_f64(0.5 + f64::from(random) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let retry = TokenRetry {
            total: 3,
            ..TokenRetry::default()
        };
        for (attempt, least, most) in [(0, 250, 500), (1, 500, 1000), (2, 1000, 2000)] {
            let pause = retry.after_failure(attempt).unwrap().as_millis();
            assert!((least..=most).contains(&pause), "{attempt}: {pause}");
        }
        assert_eq!(retry.after_failure(3), None);
        assert!(back_off(Duration::from_secs(1), 99) <= PAUSE_MAX);
    }

    #[test]
    fn only_these_statuses_and_the_servers_own_pause() {
        let retry = TokenRetry::default();
        let mut refusal = Refusal::new(503);
        refusal.retry_after = Some(Duration::from_secs(7));
        assert_eq!(retry.after_refusal(0, &refusal), Some(Duration::from_secs(7)));
        refusal.retry_after = Some(Duration::from_secs(3000));
        assert_eq!(retry.after_refusal(0, &refusal), None);
        assert_eq!(retry.after_refusal(0, &Refusal::new(400)), None);
        assert_eq!(TokenRetry::none().after_refusal(0, &Refusal::new(503)), None);
    }
}
