//! A short stretch of wall time in which an answer is known to hold, so that most
//! calls read one clock and not two.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// The longest window, in milliseconds, and so the longest time for which a jump of
/// the wall clock can go unnoticed.
const LENGTH: i64 = 250;

/// Open for up to [`LENGTH`] before the time that it holds; closed before that too, so
/// that a wall clock that was set back falls out of it.
#[derive(Debug)]
pub(super) struct Window(AtomicI64);

impl Window {
    /// Whether the answer that opened it holds at this time.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        let left = self.0.load(Ordering::Relaxed).wrapping_sub(now.unix_millis());
        (1..=LENGTH).contains(&left)
    }

    /// Opens it from now, for this long at most.
    pub(super) fn open(&self, now: Timestamp, at_most: Duration) {
        let millis = i64::try_from(at_most.as_millis()).unwrap_or(LENGTH);
        let until = now.unix_millis().saturating_add(millis.min(LENGTH));
        self.0.store(until, Ordering::Relaxed);
    }
}

impl Default for Window {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn opened(millis: u64) -> Window {
        let window = Window::default();
        assert!(!window.is_open(NOW));
        window.open(NOW, Duration::from_millis(millis));
        window
    }

    fn later(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    #[test]
    fn it_closes_when_what_it_is_for_ends() {
        let window = opened(100);
        assert!(window.is_open(NOW) && window.is_open(later(99)));
        assert!(!window.is_open(later(100)));
        assert!(!opened(0).is_open(NOW));
    }

    #[test]
    fn it_is_short_and_a_clock_that_is_set_back_falls_out_of_it() {
        let window = opened(u64::MAX);
        assert!(window.is_open(later(249)) && !window.is_open(later(250)));
        assert!(!window.is_open(NOW.minus(Duration::from_millis(1))));
    }
}
