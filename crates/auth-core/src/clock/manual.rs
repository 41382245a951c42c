//! A clock that a test turns by hand.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Clock, Timestamp};

/// A clock that stands still until it is turned. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<watch::Sender<Reading>>);

#[derive(Clone, Copy, Debug)]
struct Reading {
    wall: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// Standing at this wall time.
    pub fn at(wall: Timestamp) -> Self {
        Self(Arc::new(watch::Sender::new(Reading {
            wall,
            monotonic: Duration::ZERO,
        })))
    }

    /// Turns both clocks on, and wakes the sleepers whose time has come.
    pub fn advance(&self, duration: Duration) {
        self.0.send_modify(|reading| {
            reading.wall = reading.wall.plus(duration);
            reading.monotonic = reading.monotonic.saturating_add(duration);
        });
    }

    /// Sets the wall clock alone, as an administrator or a time server does.
    pub fn set_wall(&self, wall: Timestamp) {
        self.0.send_modify(|reading| reading.wall = wall);
    }

    /// How many sleepers there are now.
    pub fn sleepers(&self) -> usize {
        self.0.receiver_count()
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::at(Timestamp::from_unix_seconds(1_800_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.0.borrow().wall
    }

    fn monotonic(&self) -> Duration {
        self.0.borrow().monotonic
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut readings = self.0.subscribe();
        let until = self.monotonic().saturating_add(duration);
        Box::pin(async move {
            // The sender lives in the clock; if it is gone, nobody can turn it any more.
            let _ = readings.wait_for(|reading| reading.monotonic >= until).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sleepers_wake_when_turned() {
        let clock = ManualClock::default();
        let sleep = tokio::spawn(clock.sleep(Duration::from_secs(5)));
        clock.advance(Duration::from_secs(4));
        tokio::task::yield_now().await;
        assert!(!sleep.is_finished());
        clock.advance(Duration::from_secs(1));
        sleep.await.unwrap();
    }

    #[test]
    fn wall_can_jump_alone() {
        let clock = ManualClock::default();
        clock.set_wall(Timestamp::from_unix_seconds(1));
        assert_eq!((clock.now().unix_seconds(), clock.monotonic()), (1, Duration::ZERO));
    }
}
