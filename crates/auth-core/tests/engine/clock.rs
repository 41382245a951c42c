//! The clocks of these tests.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth_core::clock::{Clock, SystemClock, Timestamp};
use tokio::sync::watch;

/// The longest sleep that is slept where the clock stands.
const SLEPT: Duration = Duration::from_secs(5);

/// The system's clock, moved on by hand; sleeps are real.
///
/// One that [stands](Self::standing) has no time but what it is given: it moves when it is turned, and by what is
/// slept. However long the machine stalls, no token comes nearer to its end, and no pause is over. A sleep of more
/// than five seconds is a limit: there it ends when the clock is turned so far, and not before.
#[derive(Clone, Debug, Default)]
pub(crate) struct ShiftedClock {
    shift: Arc<watch::Sender<Duration>>,
    stands_at: Option<(Timestamp, Duration)>,
    limits: Arc<watch::Sender<Vec<Duration>>>,
}

impl ShiftedClock {
    /// Standing at what the system's clock shows now.
    pub(crate) fn standing() -> Self {
        Self {
            stands_at: Some((SystemClock.now(), SystemClock.monotonic())),
            ..Self::default()
        }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.shift.send_modify(|shift| *shift += by);
    }

    /// Returns when somebody waits for the end of a limit of this length. Only where the clock stands.
    pub(crate) async fn limit_is_set(&self, length: Duration) {
        let mut limits = self.limits.subscribe();
        limits.wait_for(|limits| limits.contains(&length)).await.unwrap();
    }

    fn shift(&self) -> Duration {
        *self.shift.borrow()
    }

    fn turn_to(&self, shift: Duration) {
        self.shift.send_modify(|now| *now = shift.max(*now));
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> Timestamp {
        let now = self.stands_at.map_or_else(|| SystemClock.now(), |(wall, _)| wall);
        now.plus(self.shift())
    }

    fn monotonic(&self) -> Duration {
        let now = self
            .stands_at
            .map_or_else(|| SystemClock.monotonic(), |(_, monotonic)| monotonic);
        now + self.shift()
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        if self.stands_at.is_none() {
            return SystemClock.sleep(duration);
        }
        let (clock, until) = (self.clone(), self.shift() + duration);
        if duration <= SLEPT {
            let sleep = SystemClock.sleep(duration);
            return Box::pin(async move {
                sleep.await;
                clock.turn_to(until);
            });
        }
        let limit = Limit::set(self.limits.clone(), duration);
        Box::pin(async move {
            let _limit = limit;
            let mut shifts = clock.shift.subscribe();
            shifts.wait_for(|shift| *shift >= until).await.unwrap();
        })
    }
}

/// In the list as long as somebody waits for it.
struct Limit {
    limits: Arc<watch::Sender<Vec<Duration>>>,
    length: Duration,
}

impl Limit {
    fn set(limits: Arc<watch::Sender<Vec<Duration>>>, length: Duration) -> Self {
        limits.send_modify(|limits| limits.push(length));
        Self { limits, length }
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        self.limits.send_modify(|limits| {
            if let Some(place) = limits.iter().position(|length| *length == self.length) {
                limits.swap_remove(place);
            }
        });
    }
}

#[tokio::test]
async fn a_standing_clock_moves_by_what_is_slept_and_limits_wait_to_be_turned() {
    let clock = ShiftedClock::standing();
    let begun = (clock.now(), clock.monotonic());
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!((clock.now(), clock.monotonic()), begun);
    let pause = Duration::from_millis(30);
    tokio::join!(clock.sleep(pause), clock.sleep(pause));
    assert_eq!(clock.monotonic(), begun.1 + pause);
    let (nearly, long) = (Duration::from_millis(59_970), Duration::from_secs(60));
    let sleeping = tokio::spawn(clock.sleep(long));
    clock.limit_is_set(long).await;
    clock.advance(nearly);
    tokio::task::yield_now().await;
    assert!(!sleeping.is_finished());
    clock.advance(pause);
    sleeping.await.unwrap();
    assert_eq!(clock.now(), begun.0.plus(long + pause));
}
