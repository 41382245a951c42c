//! The operating system's clocks, read in their coarse form where there is one:
//! about 4 ms exact, a fifth of the price.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use rustix::time::{ClockId, Timespec, clock_gettime};

use super::{Clock, Timestamp};

#[cfg(any(target_os = "linux", target_os = "android"))]
const CLOCKS: (ClockId, ClockId) = (ClockId::RealtimeCoarse, ClockId::MonotonicCoarse);
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const CLOCKS: (ClockId, ClockId) = (ClockId::Realtime, ClockId::Monotonic);

/// The operating system's clock; sleeps by tokio's timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let time = clock_gettime(CLOCKS.0);
        Timestamp::from_unix_millis(
            time.tv_sec
                .saturating_mul(1000)
                .saturating_add(time.tv_nsec / 1_000_000),
        )
    }

    fn monotonic(&self) -> Duration {
        let Timespec { tv_sec, tv_nsec } = clock_gettime(CLOCKS.1);
        Duration::new(u64::try_from(tv_sec).unwrap_or(0), u32::try_from(tv_nsec).unwrap_or(0))
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(tokio::time::sleep(duration))
    }
}
