//! How long the database's lock is waited for.

use std::time::{Duration, Instant};

use auth_core::clock::Timestamp;

/// The most milliseconds that SQLite waits for: 24 days.
const MOST: u64 = i32::MAX as u64;

/// When a piece of work was asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// By the store's clock: what it judges records by.
    pub(crate) now: Timestamp,
    since: Instant,
}

impl Asked {
    /// Now.
    pub(crate) fn at(now: Timestamp) -> Self {
        Self {
            now,
            since: Instant::now(),
        }
    }
}

/// The patience of one queue. All who are in it wait for the same lock at the same time, so their time counts from when
/// they came, not from when it is their turn; but not while those before them are getting through.
#[derive(Debug)]
pub(crate) struct Patience {
    whole: Duration,
    had: Option<Instant>,
    until: Instant,
}

impl Patience {
    pub(crate) fn new(whole: Duration) -> Self {
        Self {
            whole,
            had: None,
            until: Instant::now(),
        }
    }

    pub(crate) fn whole(&self) -> Duration {
        self.whole
    }

    /// It is this work's turn.
    pub(crate) fn begin(&mut self, asked: Asked) {
        let since = self.had.map_or(asked.since, |had| had.max(asked.since));
        self.until = since + self.whole;
    }

    /// What is left for the work whose turn it is. At the end of it the lock can be tried once more.
    pub(crate) fn left(&self) -> Duration {
        whole_milliseconds(self.until.saturating_duration_since(Instant::now()))
    }

    /// The lock was had.
    pub(crate) fn renew(&mut self) {
        self.had = Some(Instant::now());
    }
}

/// Rounded up: SQLite counts so, and drops what is less. It would not wait at all for the last of them. Nor does it
/// count further than to [`MOST`].
fn whole_milliseconds(time: Duration) -> Duration {
    let up = u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(MOST);
    Duration::from_millis(up.min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Duration = Duration::from_secs(1_000);

    fn asked(before: Duration) -> Asked {
        Asked {
            now: Timestamp::from_unix_seconds(0),
            since: Instant::now().checked_sub(before).unwrap(),
        }
    }

    #[test]
    fn time_in_the_queue_counts_unless_others_got_through_meanwhile() {
        let mut patience = Patience::new(WHOLE);
        patience.begin(asked(Duration::ZERO));
        assert!(patience.left() > Duration::from_secs(800));
        patience.begin(asked(Duration::from_secs(600)));
        assert!(patience.left() <= Duration::from_secs(400));
        patience.begin(asked(WHOLE));
        assert_eq!(patience.left(), Duration::ZERO);
        patience.renew();
        patience.begin(asked(WHOLE));
        assert!(patience.left() > Duration::from_secs(800));
        assert_eq!(patience.whole(), WHOLE);
    }

    #[test]
    fn no_part_of_a_millisecond_is_dropped() {
        for (micros, millis) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (2_500, 3)] {
            assert_eq!(
                whole_milliseconds(Duration::from_micros(micros)),
                Duration::from_millis(millis),
                "{micros}"
            );
        }
        assert_eq!(whole_milliseconds(Duration::from_nanos(1)), Duration::from_millis(1));
        assert_eq!(whole_milliseconds(Duration::MAX), Duration::from_millis(MOST));
    }
}
