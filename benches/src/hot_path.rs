//! A valid token from memory: what it costs over a guard and a coarse clock.

use std::hint::black_box;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use auth_core::clock::{Clock, SystemClock};
use auth_core::{AccessToken, Profile, TokenManager, TokenSource};

use crate::measure::row;

struct Floor {
    held: ArcSwapOption<AccessToken>,
}

impl Floor {
    fn new(token: &AccessToken) -> Self {
        Self {
            held: ArcSwapOption::from(Some(Arc::new(token.clone()))),
        }
    }
}

fn source() -> (AccessToken, TokenSource) {
    let token = AccessToken::bearer("a".repeat(1_000), SystemClock.now());
    let manager = TokenManager::fixed(token.clone());
    (token, manager.source(&Profile::default()))
}

/// `peek()`, borrowed.
pub(crate) fn peek(threads: usize) {
    let (token, source) = source();
    let floor = Floor::new(&token);
    row(
        "peek(), borrowed",
        threads,
        || {
            black_box(source.peek().is_some());
        },
        || {
            black_box((floor.held.load().is_some(), SystemClock.monotonic()));
        },
    );
}

/// The `Authorization` header, ready to be sent.
pub(crate) fn header(threads: usize) {
    let (token, source) = source();
    let floor = Floor::new(&token);
    row(
        "Authorization header, cloned",
        threads,
        || {
            black_box(source.peek().and_then(|token| token.authorization().cloned()));
        },
        || {
            let held = floor.held.load();
            black_box((
                held.as_ref().and_then(|token| token.authorization().cloned()),
                SystemClock.monotonic(),
            ));
        },
    );
}
