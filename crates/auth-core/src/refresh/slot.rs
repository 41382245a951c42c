//! What one process holds for one profile and target: the token, read without a
//! lock, and the flight under way, if any.

mod window;

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};

use super::flight::Flight;
use super::policy::{advisory_at, mandatory_at};
use super::settings::RefreshPolicy;
use super::token_retry::back_off;
use crate::clock::{Clock, Timestamp};
use crate::error::{ConfigError, TokenError, TokenErrorKind};
use crate::profile::Profile;
use crate::store::Retry;
use crate::target::Target;
use crate::token::AccessToken;

use window::Window;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(3600);
const QUIET_MAX: Duration = Duration::from_secs(5);

/// What one process holds for one profile and target.
pub(crate) struct Slot {
    pub(crate) profile: Profile,
    pub(crate) target: Target,
    held: ArcSwapOption<Held>,
    flight: Mutex<Option<Flight>>,
    failure: Mutex<Failure>,
    /// When the record was last looked at, in milliseconds of the monotonic clock.
    checked_at: AtomicU64,
    /// Grows when the profile logs in or out: what was begun before then is of the
    /// old login.
    epoch: AtomicU64,
}

/// A token and its ends, in this process's monotonic time and in wall time: what
/// comes first counts, so that neither a jump of the wall clock nor a sleep of the
/// machine makes an old token look fresh.
pub(crate) struct Held {
    pub(crate) token: AccessToken,
    advisory: Duration,
    mandatory: End,
    end: End,
    /// While it is open, the token is valid.
    valid: Window,
    /// While it is open, the token is ready and nothing is to be done.
    ready: Window,
}

struct End {
    monotonic: Duration,
    wall: Timestamp,
}

/// How a held token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Ready,
    ReadyAndAging,
    Due,
}

#[derive(Default)]
struct Failure {
    count: u32,
    until: Duration,
    error: Option<TokenError>,
    looked_at: Duration,
    /// Until when a token that could not be renewed is handed out without trying.
    quiet_until: Duration,
    /// When a token was last got because of a 401.
    rejected_renewed_at: Option<Duration>,
}

/// A held token, borrowed.
pub(crate) struct Peeked(Guard<Option<Arc<Held>>>);

impl Slot {
    pub(crate) fn new(profile: Profile, target: Target) -> Self {
        Self {
            profile,
            target,
            held: ArcSwapOption::empty(),
            flight: Mutex::new(None),
            failure: Mutex::default(),
            checked_at: AtomicU64::new(0),
            epoch: AtomicU64::new(0),
        }
    }

    /// The held token, if it is still valid.
    pub(crate) fn peek(&self, clock: &dyn Clock) -> Option<Peeked> {
        let held = Peeked(self.held.load());
        let now = clock.now();
        let valid = held.0.as_ref().is_some_and(|held| held.is_valid(now, clock));
        valid.then_some(held)
    }

    /// The held token and how it stands.
    pub(crate) fn ready(&self, clock: &dyn Clock, check_interval: Duration) -> Option<(AccessToken, Standing)> {
        let guard = self.held.load();
        let held = guard.as_ref()?;
        let now = clock.now();
        let standing = if held.ready.is_open(now) {
            Standing::Ready
        } else {
            self.standing(held, now, clock.monotonic(), check_interval)
        };
        Some((held.token.clone(), standing))
    }

    fn standing(&self, held: &Held, now: Timestamp, monotonic: Duration, check_interval: Duration) -> Standing {
        let next_check = self.checked_at().saturating_add(check_interval);
        let until_due = held.mandatory.left(now, monotonic);
        let until_work = held.advisory.min(next_check).saturating_sub(monotonic);
        if until_due.is_zero() {
            Standing::Due
        } else if until_work.is_zero() {
            Standing::ReadyAndAging
        } else {
            held.ready.open(now, until_due.min(until_work));
            Standing::Ready
        }
    }

    /// Whether the held token has reached its advisory window; if not, only its
    /// record is to be looked at.
    pub(crate) fn is_advisory(&self, clock: &dyn Clock) -> bool {
        self.held
            .load()
            .as_ref()
            .is_some_and(|held| clock.monotonic() >= held.advisory)
    }

    pub(crate) fn hold(&self, token: &AccessToken, clock: &dyn Clock, policy: &RefreshPolicy) {
        let entry = token.entry();
        let (now, monotonic) = (clock.now(), clock.monotonic());
        let end_of = |wall: Option<Timestamp>| match wall {
            Some(wall) => End {
                monotonic: monotonic.saturating_add(wall.since(now)),
                wall,
            },
            None => End {
                monotonic: Duration::MAX,
                wall: Timestamp::from_unix_millis(i64::MAX),
            },
        };
        let held = Held {
            token: token.clone(),
            advisory: end_of(advisory_at(entry, policy, process_jitter())).monotonic,
            mandatory: end_of(mandatory_at(entry, policy)),
            end: end_of(entry.expires_at),
            valid: Window::default(),
            ready: Window::default(),
        };
        self.held.store(Some(Arc::new(held)));
        self.mark_checked(monotonic);
    }

    pub(crate) fn forget(&self) {
        self.held.store(None);
    }

    /// Which login's time it is.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Holds a token that was got in this epoch; `false` if a login or logout has come
    /// since: then it is of the old login.
    pub(crate) fn hold_of(&self, epoch: u64, token: &AccessToken, clock: &dyn Clock, policy: &RefreshPolicy) -> bool {
        // Locked: no epoch begins between the look and the hold.
        let _failure = self.failure();
        let is_now = self.epoch() == epoch;
        if is_now {
            self.hold(token, clock, policy);
        }
        is_now
    }

    /// The profile has logged in or out: nothing of before counts, and nobody joins
    /// what was begun before.
    pub(crate) fn start_anew(&self) {
        self.begin_epoch(&mut self.failure());
        self.held.store(None);
        *self.flight() = None;
    }

    /// Somebody else has logged in or out, and this is a token of the new login, if
    /// there is one: there is no moment without it. Nothing if we have done so
    /// ourselves since this epoch.
    pub(crate) fn follow(&self, epoch: u64, token: Option<&AccessToken>, clock: &dyn Clock, policy: &RefreshPolicy) {
        let mut failure = self.failure();
        if self.epoch() != epoch {
            return;
        }
        self.begin_epoch(&mut failure);
        match token {
            Some(token) => self.hold(token, clock, policy),
            None => self.forget(),
        }
        drop(failure);
        *self.flight() = None;
    }

    fn begin_epoch(&self, failure: &mut Failure) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        *failure = Failure::default();
    }

    /// Takes the turn to look at the record, if nobody else took it.
    pub(crate) fn take_check(&self, clock: &dyn Clock) {
        self.mark_checked(clock.monotonic());
    }

    /// The flight under way; `None` if there is none.
    pub(crate) fn flight(&self) -> MutexGuard<'_, Option<Flight>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a failure was so recent that nothing is tried yet; and which.
    pub(crate) fn recent_failure(&self, clock: &dyn Clock) -> Option<TokenError> {
        let failure = self.failure();
        failure.error.clone().filter(|_| clock.monotonic() < failure.until)
    }

    /// Whether a valid token is handed out without trying to renew it.
    pub(crate) fn is_quiet(&self, clock: &dyn Clock) -> bool {
        let failure = self.failure();
        let now = clock.monotonic();
        now < failure.quiet_until || (failure.error.is_some() && now < failure.until)
    }

    /// Takes the turn to look into the store in spite of a recent failure: somebody
    /// else may have succeeded. Once a second.
    pub(crate) fn take_look(&self, clock: &dyn Clock) -> bool {
        let mut failure = self.failure();
        let now = clock.monotonic();
        let due = now.saturating_sub(failure.looked_at) >= Duration::from_secs(1);
        if due {
            failure.looked_at = now;
        }
        due
    }

    pub(crate) fn note_success(&self) {
        let mut failure = self.failure();
        *failure = Failure {
            rejected_renewed_at: failure.rejected_renewed_at,
            ..Failure::default()
        };
    }

    /// A 401 made us get a token, just now.
    pub(crate) fn note_rejection_renewed(&self, clock: &dyn Clock) {
        self.failure().rejected_renewed_at = Some(clock.monotonic());
    }

    /// Whether a 401 made us get a token within this time.
    pub(crate) fn was_renewed_for_rejection(&self, within: Duration, clock: &dyn Clock) -> bool {
        let renewed_at = self.failure().rejected_renewed_at;
        renewed_at.is_some_and(|at| clock.monotonic().saturating_sub(at) < within)
    }

    /// A token could not be renewed, and is still good.
    pub(crate) fn note_kept(&self, clock: &dyn Clock) {
        let mut failure = self.failure();
        let pause = back_off(FIRST_PAUSE, failure.count).min(QUIET_MAX);
        failure.count += 1;
        failure.quiet_until = clock.monotonic().saturating_add(pause);
    }

    /// Remembers a failure that time or a change of settings may heal, for a pause
    /// that doubles; a server's own pause counts where it is longer.
    pub(crate) fn note_failure(&self, error: &TokenError, clock: &dyn Clock) {
        let mut failure = self.failure();
        let own = back_off(FIRST_PAUSE, failure.count);
        let pause = match error.retry() {
            Retry::After(wanted) => own.max(wanted.min(PAUSE_MAX)),
            Retry::Never if is_of_an_answer(error.kind()) => own,
            Retry::Never | Retry::Now => return,
        };
        failure.count += 1;
        failure.until = clock.monotonic().saturating_add(pause);
        failure.error = Some(error.clone());
    }

    fn failure(&self) -> MutexGuard<'_, Failure> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn checked_at(&self) -> Duration {
        Duration::from_millis(self.checked_at.load(Ordering::Relaxed))
    }

    fn mark_checked(&self, monotonic: Duration) {
        let millis = u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX);
        self.checked_at.store(millis, Ordering::Relaxed);
    }
}

impl Held {
    fn is_valid(&self, now: Timestamp, clock: &dyn Clock) -> bool {
        if self.valid.is_open(now) {
            return true;
        }
        let left = self.end.left(now, clock.monotonic());
        self.valid.open(now, left);
        !left.is_zero()
    }
}

impl End {
    /// How long until the end that comes first; zero when it has come.
    fn left(&self, now: Timestamp, monotonic: Duration) -> Duration {
        self.wall.since(now).min(self.monotonic.saturating_sub(monotonic))
    }
}

impl Deref for Peeked {
    type Target = AccessToken;

    fn deref(&self) -> &AccessToken {
        match &*self.0 {
            Some(held) => &held.token,
            None => unreachable!("only made of a guard that holds a token"),
        }
    }
}

fn is_of_an_answer(kind: &TokenErrorKind) -> bool {
    match kind {
        TokenErrorKind::Refused(_) | TokenErrorKind::Config(ConfigError::ResourceServer { .. }) => true,
        TokenErrorKind::ReauthRequired(reason) => reason.is_of_an_answer(),
        _ => false,
    }
}

/// Between -1.0 and 1.0, one for each process.
fn process_jitter() -> f64 {
    static JITTER: std::sync::OnceLock<f64> = std::sync::OnceLock::new();
    *JITTER.get_or_init(|| f64::from(i8::from_ne_bytes(crate::random::bytes())) / 128.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::record::AccessEntry;

    fn slot_with(lifetime: u64, clock: &ManualClock) -> Slot {
        let slot = Slot::new(Profile::default(), Target::new());
        let entry = AccessEntry::bearer(
            "t".into(),
            clock.now(),
            Some(clock.now().plus(Duration::from_secs(lifetime))),
        );
        slot.hold(&AccessToken::from_entry(entry), clock, &RefreshPolicy::default());
        slot
    }

    fn standing(slot: &Slot, clock: &ManualClock) -> Standing {
        slot.ready(clock, Duration::from_secs(60)).unwrap().1
    }

    #[test]
    fn a_token_ages() {
        let clock = ManualClock::default();
        let slot = slot_with(3600, &clock);
        assert_eq!(standing(&slot, &clock), Standing::Ready);
        clock.advance(Duration::from_secs(60));
        assert_eq!(standing(&slot, &clock), Standing::ReadyAndAging);
        assert!(!slot.is_advisory(&clock));
        slot.take_check(&clock);
        assert_eq!(standing(&slot, &clock), Standing::Ready);
        clock.advance(Duration::from_secs(3300));
        assert!(slot.is_advisory(&clock));
        clock.advance(Duration::from_secs(211));
        assert_eq!(standing(&slot, &clock), Standing::Due);
        assert!(slot.peek(&clock).is_some());
        clock.advance(Duration::from_secs(30));
        assert!(slot.peek(&clock).is_none());
    }

    #[test]
    fn jumps_of_the_wall_clock_make_nothing_look_fresh() {
        let clock = ManualClock::default();
        let slot = slot_with(3600, &clock);
        clock.set_wall(clock.now().plus(Duration::from_secs(7200)));
        assert_eq!(standing(&slot, &clock), Standing::Due);
        clock.set_wall(clock.now().minus(Duration::from_secs(100_000)));
        clock.advance(Duration::from_secs(3600));
        assert_eq!(standing(&slot, &clock), Standing::Due);
        assert!(slot.peek(&clock).is_none());
    }

    #[test]
    fn failures_are_remembered_for_a_growing_while() {
        let clock = ManualClock::default();
        let slot = Slot::new(Profile::default(), Target::new());
        let error = TokenError::new(TokenErrorKind::Network, "refresh");
        slot.note_failure(&error, &clock);
        assert!(slot.recent_failure(&clock).is_some());
        clock.advance(Duration::from_secs(1));
        assert!(slot.recent_failure(&clock).is_none());
        for _ in 0..4 {
            slot.note_failure(&error, &clock);
        }
        clock.advance(Duration::from_secs(1));
        assert!(slot.recent_failure(&clock).is_some());
        slot.note_success();
        assert!(slot.recent_failure(&clock).is_none());
    }
}
