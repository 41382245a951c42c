//! The server's own time: the real clock plus an offset that tests turn.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

#[derive(Debug)]
pub(super) struct ServerClock {
    started: Instant,
    started_since_epoch: Duration,
    offset: Duration,
}

impl ServerClock {
    pub(super) fn start() -> Self {
        Self {
            started: Instant::now(),
            started_since_epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
            offset: Duration::ZERO,
        }
    }

    /// Time since the Unix epoch. Only grows, whatever the system clock does.
    pub(super) fn now(&self) -> Duration {
        self.started_since_epoch
            .saturating_add(self.started.elapsed())
            .saturating_add(self.offset)
    }

    pub(super) fn advance(&mut self, by: Duration) {
        self.offset = self.offset.saturating_add(by);
    }
}
