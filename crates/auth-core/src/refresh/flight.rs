//! Flights: one piece of work, many who wait for it.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::engine::{self, Drain, DrainGuard};
use crate::error::{TokenError, TokenErrorKind};
use crate::token::AccessToken;

/// What comes of a flight.
pub(crate) type Landing = Result<AccessToken, TokenError>;

#[derive(Clone, Debug)]
enum State {
    UnderWay,
    /// It goes on, but who waits is told this meanwhile.
    Stalled(TokenError),
    Landed(Landing),
}

/// A flight, as those see it who wait for it.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    state: watch::Receiver<State>,
    forced: bool,
}

/// A flight, as the work itself sees it.
pub(crate) struct Reporter {
    state: watch::Sender<State>,
    drain: Mutex<Option<DrainGuard>>,
    kept: AtomicBool,
    spilled: AtomicBool,
}

impl Flight {
    /// Starts work on the engine's thread. It goes on to its end, whoever waits.
    pub(crate) fn start<W, F>(work: W) -> Self
    where
        W: FnOnce(Reporter) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, receiver) = watch::channel(State::UnderWay);
        // Without a thread the sender is dropped, and who waits gets an error.
        let _ = engine::spawn(work(Reporter::new(sender)));
        Self {
            state: receiver,
            forced: false,
        }
    }

    /// The same, known to get a new token whatever there is.
    pub(crate) fn forced(mut self, forced: bool) -> Self {
        self.forced = forced;
        self
    }

    /// Whether it gets a new token whatever there is.
    pub(crate) fn is_forced(&self) -> bool {
        self.forced
    }

    /// Whether nothing more will come of it.
    pub(crate) fn has_landed(&self) -> bool {
        matches!(*self.state.borrow(), State::Landed(_)) || self.state.has_changed().is_err()
    }

    /// Waits for what comes of it.
    pub(crate) async fn wait(mut self) -> Landing {
        let state = self.state.wait_for(|state| !matches!(state, State::UnderWay)).await;
        match state.as_deref() {
            Ok(State::Landed(landing)) => landing.clone(),
            Ok(State::Stalled(error)) => Err(error.clone()),
            Ok(State::UnderWay) | Err(_) => Err(TokenError::new(TokenErrorKind::Shutdown, "token")),
        }
    }
}

impl Reporter {
    fn new(state: watch::Sender<State>) -> Self {
        Self {
            state,
            drain: Mutex::new(None),
            kept: AtomicBool::new(false),
            spilled: AtomicBool::new(false),
        }
    }

    /// For work that nobody waits for by a flight.
    pub(crate) fn unheard() -> Self {
        Self::new(watch::Sender::new(State::UnderWay))
    }

    /// The token that lands could not be renewed; it is still good.
    pub(crate) fn keep(&self) {
        self.kept.store(true, Ordering::Relaxed);
    }

    /// Whether the token that lands could not be renewed.
    pub(crate) fn has_kept(&self) -> bool {
        self.kept.load(Ordering::Relaxed)
    }

    /// The answer is beside the store, and is to be saved behind its users.
    pub(crate) fn spilled(&self) {
        self.spilled.store(true, Ordering::Relaxed);
    }

    /// Whether the answer is beside the store.
    pub(crate) fn has_spilled(&self) -> bool {
        self.spilled.load(Ordering::Relaxed)
    }

    /// From now on until it has landed the flight must not be cut off.
    ///
    /// # Errors
    /// `Shutdown` where nobody would wait for it any more: then nothing may be spent.
    pub(crate) fn keep_alive(&self, drain: &Drain, operation: &'static str) -> Result<(), TokenError> {
        let mut guard = self.drain.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            let begun = drain.begin();
            *guard = Some(begun.ok_or_else(|| TokenError::new(TokenErrorKind::Shutdown, operation))?);
        }
        Ok(())
    }

    /// Tells those who wait, while the work goes on.
    pub(crate) fn stall(&self, error: TokenError) {
        self.state.send_replace(State::Stalled(error));
    }

    /// Tells those who wait, for good.
    pub(crate) fn land(&self, landing: Landing) {
        self.state.send_replace(State::Landed(landing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_goes_on_without_anybody_waiting() {
        let (tell, told) = tokio::sync::oneshot::channel();
        drop(Flight::start(|reporter| async move {
            tokio::task::yield_now().await;
            reporter.land(Err(TokenError::new(TokenErrorKind::Network, "t")));
            let _ = tell.send(());
        }));
        told.await.unwrap();
    }

    #[tokio::test]
    async fn a_flight_that_breaks_off_is_an_error_not_a_hang() {
        let flight = Flight::start(|reporter| async move { drop(reporter) });
        assert_eq!(
            flight.clone().wait().await.unwrap_err().kind(),
            &TokenErrorKind::Shutdown
        );
        assert!(flight.has_landed());
    }

    #[tokio::test]
    async fn stalled_then_landed() {
        let gate = std::sync::Arc::new(tokio::sync::Notify::new());
        let open = gate.clone();
        let flight = Flight::start(|reporter| async move {
            reporter.stall(TokenError::new(TokenErrorKind::Timeout, "t"));
            open.notified().await;
            reporter.land(Err(TokenError::new(TokenErrorKind::Network, "t")));
        });
        assert_eq!(
            flight.clone().wait().await.unwrap_err().kind(),
            &TokenErrorKind::Timeout
        );
        gate.notify_one();
        while !flight.has_landed() {
            tokio::task::yield_now().await;
        }
        assert_eq!(flight.wait().await.unwrap_err().kind(), &TokenErrorKind::Network);
    }
}
