//! What the examples have in common, and is not what they show: a clock that is turned, so that nobody waits for the end
//! of a token, and the check of their own figures.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokenkeep::clock::{Clock, SystemClock, Timestamp};

/// The system's clock, turned on by so many seconds. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Turned(Arc<AtomicU64>);

impl Turned {
    /// One that is fast by so much from the beginning.
    pub fn by(ahead: Duration) -> Self {
        let clock = Self::default();
        clock.turn(ahead);
        clock
    }

    /// Turns it on.
    pub fn turn(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::Relaxed);
    }

    fn ahead(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.ahead())
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + self.ahead()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep(duration)
    }
}

/// Ends an example where its figures are not what it promises.
///
/// # Errors
/// What was expected, if it is not so.
pub fn expect(so: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if so {
        Ok(())
    } else {
        Err(format!("expected: {what}").into())
    }
}
