//! The store under test, and what the cases need to know about it.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use auth_core::clock::{Clock, ManualClock, SystemClock, Timestamp};
use auth_core::store::{Capabilities, TokenStore};

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Reopen<S> = Arc<dyn Fn() -> Boxed<Arc<S>> + Send + Sync>;

/// A fresh store with nothing in it that no other test shares.
pub struct Subject<S> {
    store: Arc<S>,
    time: Time,
    reopen: Option<Reopen<S>>,
    expected: Option<Capabilities>,
    lag: Duration,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

enum Time {
    Turned(ManualClock),
    Real,
}

impl<S: TokenStore> Subject<S> {
    /// A store that reads this clock, so that no case has to wait.
    pub fn new(store: S, clock: ManualClock) -> Self {
        Self::with_time(store, Time::Turned(clock))
    }

    /// A store with time of its own, as a server has it: cases about time wait a
    /// few seconds.
    pub fn in_real_time(store: S) -> Self {
        Self::with_time(store, Time::Real)
    }

    /// With a way to open a second handle to the same data, as another process
    /// would have it. A store without is taken for one of this process alone.
    pub fn reopening<F, O>(mut self, open: F) -> Self
    where
        F: Fn() -> O + Send + Sync + 'static,
        O: Future<Output = S> + Send + 'static,
    {
        self.reopen = Some(Arc::new(move || {
            let opening = open();
            Box::pin(async move { Arc::new(opening.await) })
        }));
        self
    }

    /// With the capabilities that the store's documentation promises.
    pub fn expecting(mut self, capabilities: Capabilities) -> Self {
        self.expected = Some(capabilities);
        self
    }

    /// With a server that looks at its clock now and then only, as Memcached does each second: on a busy machine
    /// leases end up to this much later than they should.
    pub fn with_leases_that_lag(mut self, lag: Duration) -> Self {
        self.lag = lag;
        self
    }

    /// Keeps something until the test ends: a folder, a server.
    pub fn keeping(mut self, kept: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(kept));
        self
    }

    /// The same store behind `Arc<dyn TokenStore>`.
    pub fn into_dynamic(self) -> Subject<Arc<dyn TokenStore>> {
        let reopen = self.reopen.map(|open| -> Reopen<Arc<dyn TokenStore>> {
            Arc::new(move || {
                let opening = open();
                Box::pin(async move { Arc::new(opening.await as Arc<dyn TokenStore>) })
            })
        });
        Subject {
            store: Arc::new(self.store as Arc<dyn TokenStore>),
            time: self.time,
            reopen,
            expected: self.expected,
            lag: self.lag,
            kept: self.kept,
        }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store, for another task.
    pub fn handle(&self) -> Arc<S> {
        self.store.clone()
    }

    /// A second handle to the same data, if there is a way to open one.
    pub async fn reopen(&self) -> Option<Arc<S>> {
        match &self.reopen {
            Some(open) => Some(open().await),
            None => None,
        }
    }

    /// What the store's documentation promises, if the test knows.
    pub fn expected(&self) -> Option<Capabilities> {
        self.expected
    }

    /// The store's wall time.
    pub fn now(&self) -> Timestamp {
        match &self.time {
            Time::Turned(clock) => clock.now(),
            Time::Real => SystemClock.now(),
        }
    }

    /// Lets this much of the store's time pass.
    pub async fn pass(&self, duration: Duration) {
        match &self.time {
            Time::Turned(clock) => clock.advance(duration),
            Time::Real => tokio::time::sleep(duration).await,
        }
    }

    /// Lets this much of the time by which the store ends leases pass.
    pub async fn pass_of_leases(&self, duration: Duration) {
        self.pass(duration + self.lag).await;
    }

    /// Lets a year of the store's time pass, or a few seconds where it can't be
    /// turned.
    pub async fn pass_long(&self) {
        match &self.time {
            Time::Turned(clock) => clock.advance(Duration::from_secs(365 * 86_400)),
            Time::Real => tokio::time::sleep(Duration::from_secs(2)).await,
        }
    }

    fn with_time(store: S, time: Time) -> Self {
        Self {
            store: Arc::new(store),
            time,
            reopen: None,
            expected: None,
            lag: Duration::ZERO,
            kept: Vec::new(),
        }
    }
}
