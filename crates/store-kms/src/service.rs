//! Asking the key service: how long, how often, and when not at all.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth_core::clock::Clock;

use crate::cipher;
use crate::provider::{Context, DataKeyBytes, GeneratedKey, KeyError, KeyErrorKind, KeyId, KeyProvider};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// How often one operation asks a service that is not there.
const TRIES: u32 = 3;

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// One call.
    pub(crate) call: Duration,
    /// All calls of an operation, with their pauses.
    pub(crate) operation: Duration,
    /// How often a service that is away is asked whether it is back.
    pub(crate) probe: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            call: Duration::from_secs(3),
            operation: Duration::from_secs(10),
            probe: Duration::from_secs(1),
        }
    }
}

/// A key provider with patience: throttling passes, and while the service is known to
/// be away nobody waits for it but one who asks whether it is back.
#[derive(Debug)]
pub(crate) struct Service {
    provider: Arc<dyn KeyProvider>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    away: Mutex<Option<Away>>,
}

#[derive(Debug)]
struct Away {
    error: KeyError,
    /// By the monotonic clock.
    ask_again_at: Duration,
}

/// Whether the service is asked for the first time, or whether it is back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Asking,
    Probing,
}

impl Service {
    pub(crate) fn new(provider: Arc<dyn KeyProvider>, clock: Arc<dyn Clock>, limits: Limits) -> Self {
        Self {
            provider,
            clock,
            limits,
            away: Mutex::new(None),
        }
    }

    pub(crate) fn provider(&self) -> &dyn KeyProvider {
        &*self.provider
    }

    pub(crate) async fn generate(&self, context: &Context) -> Result<GeneratedKey, KeyError> {
        self.ask(|| self.provider.generate(context)).await
    }

    pub(crate) async fn unwrap_key(
        &self,
        key: &KeyId,
        wrapped: &[u8],
        context: &Context,
    ) -> Result<DataKeyBytes, KeyError> {
        self.ask(|| self.provider.unwrap_key(key, wrapped, context)).await
    }

    async fn ask<T, F>(&self, call: impl Fn() -> F) -> Result<T, KeyError>
    where
        F: Future<Output = Result<T, KeyError>>,
    {
        let begun = self.clock.monotonic();
        let mut failures = 0;
        loop {
            let turn = self.turn()?;
            let error = match self.within_limit(call()).await {
                Err(error) if error.is_passing() => error,
                // It answers, whatever it says.
                answer => {
                    self.is_there();
                    return answer;
                }
            };
            failures += 1;
            let unavailable = error.kind() == KeyErrorKind::Unavailable;
            if unavailable && (turn == Turn::Probing || failures >= TRIES) {
                self.is_away(&error);
                return Err(error);
            }
            let pause = pause(failures, error.retry_after());
            let spent = self.clock.monotonic().saturating_sub(begun);
            if spent + pause > self.limits.operation {
                return Err(error);
            }
            self.clock.sleep(pause).await;
        }
    }

    /// An error at once while the service is away, but for who may ask again.
    fn turn(&self) -> Result<Turn, KeyError> {
        let now = self.clock.monotonic();
        let mut away = self.away.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *away {
            None => Ok(Turn::Asking),
            Some(away) if now < away.ask_again_at => Err(away.error.clone()),
            Some(away) => {
                away.ask_again_at = now + self.limits.probe;
                Ok(Turn::Probing)
            }
        }
    }

    async fn within_limit<T>(&self, call: impl Future<Output = Result<T, KeyError>>) -> Result<T, KeyError> {
        tokio::select! {
            answer = call => answer,
            () = self.clock.sleep(self.limits.call) => Err(KeyError::new(
                KeyErrorKind::Unavailable,
                format!("no answer within {:?}", self.limits.call),
            )),
        }
    }

    fn is_away(&self, error: &KeyError) {
        let ask_again_at = self.clock.monotonic() + self.limits.probe;
        let away = Away {
            error: error.clone(),
            ask_again_at,
        };
        let before = self.away.lock().unwrap_or_else(PoisonError::into_inner).replace(away);
        if before.is_none() {
            tracing::warn!(target: "tokenkeep", provider = self.provider.name(), %error, "the key service is away: nothing consumable is sent until it is back");
        }
    }

    fn is_there(&self) {
        let before = self.away.lock().unwrap_or_else(PoisonError::into_inner).take();
        if before.is_some() {
            tracing::info!(target: "tokenkeep", provider = self.provider.name(), "the key service is back");
        }
    }
}

/// Doubles, and a random part of it is waited: many who were refused together must not
/// come back together.
fn pause(failures: u32, wanted: Option<Duration>) -> Duration {
    let full = FIRST_PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE);
    let random = cipher::random::<2>().map_or(u16::MAX, u16::from_be_bytes);
    let part = full.mul_f64(0.25 + 0.75 * f64::from(random) / f64::from(u16::MAX));
    wanted.map_or(part, |wanted| wanted + part / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_differ() {
        for failures in 1..40 {
            let pause = pause(failures, None);
            assert!(pause >= FIRST_PAUSE / 4 && pause <= LONGEST_PAUSE, "{pause:?}");
        }
        assert!(pause(1, Some(Duration::from_secs(3))) >= Duration::from_secs(3));
        assert_ne!(pause(5, None), pause(5, None));
    }
}
