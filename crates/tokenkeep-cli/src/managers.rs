//! The managers of this process, to be drained before its end.

use std::sync::{Arc, Mutex, PoisonError};

use tokenkeep::TokenManager;

/// Every manager there is.
#[derive(Clone, Default)]
pub(crate) struct Managers(Arc<Mutex<Vec<TokenManager>>>);

impl Managers {
    /// Waits until no refresh token is being spent.
    pub(crate) async fn drain(&self) {
        // Copies: the last manager to be dropped waits too, and nothing could stop that.
        let managers = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for manager in managers {
            if !manager.shutdown().await {
                tracing::warn!(target: "tokenkeep", "a refresh is still under way; its tokens may be lost");
            }
        }
    }

    pub(crate) fn add(&self, manager: TokenManager) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(manager);
    }
}
