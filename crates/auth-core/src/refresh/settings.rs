//! When tokens are renewed, and how long things may take.

use std::time::Duration;

use crate::provider::Rotation;
use crate::store::LeaseEnd;

/// When tokens are renewed.
///
/// Near its end a token is first renewed behind its users' backs (*advisory*),
/// then they wait for the new one (*mandatory*).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct RefreshPolicy {
    /// The advisory window as a fraction of the lifetime. 0.2
    pub advisory_fraction: f64,
    /// The longest advisory window. 5 minutes
    pub advisory_max: Duration,
    /// The mandatory window; at most half the lifetime. 30 seconds
    pub margin: Duration,
    /// For how long a token that a resource server rejects right after it was
    /// renewed is not renewed again. 30 seconds
    pub rejection_interval: Duration,
    /// How often a valid token's record is looked at, to notice a logout or
    /// another login elsewhere. 60 seconds
    pub check_interval: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            advisory_fraction: 0.2,
            advisory_max: Duration::from_secs(300),
            margin: Duration::from_secs(30),
            rejection_interval: Duration::from_secs(30),
            check_interval: Duration::from_secs(60),
        }
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// For one token request; not the caller's time-out. 60 seconds
    pub budget: Duration,
    /// The time to live of a lease. 15 seconds
    pub lease: Duration,
    /// How often a held lease is extended. 5 seconds
    pub heartbeat: Duration,
    /// How long to wait for another holder of the lease. 70 seconds
    pub lease_wait: Duration,
    /// How long a renewable grant waits for another process before it asks for
    /// itself. 2 seconds
    pub renewable_wait: Duration,
    /// How long after an interrupted refresh its request is surely over. 2 seconds
    pub settle: Duration,
    /// How long a request may be delayed after the lease was last extended.
    /// 1 second
    pub send_within: Duration,
    /// After how long callers are told that an answer can't be saved; saving goes
    /// on behind them. 10 seconds
    pub stall: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(60),
            lease: Duration::from_secs(15),
            heartbeat: Duration::from_secs(5),
            lease_wait: Duration::from_secs(70),
            renewable_wait: Duration::from_secs(2),
            settle: Duration::from_secs(2),
            send_within: Duration::from_secs(1),
            stall: Duration::from_secs(10),
        }
    }
}

impl Timing {
    /// How old the mark of a holder that is gone must be before its refresh token
    /// may be sent again. An operating system's lock shows that the holder is
    /// dead; a lease that ran out does not, so the holder gets its whole budget
    /// where a second request would end the login.
    pub(crate) fn takeover_age(&self, end: LeaseEnd, rotation: Rotation) -> Duration {
        match (end, rotation) {
            (LeaseEnd::ByTime, Rotation::Strict) => self.budget + self.settle,
            _ => self.settle,
        }
    }
}
