//! A valid token from memory: what it costs over a guard and a coarse clock.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use auth_core::clock::{Clock, SystemClock};
use auth_core::{AccessToken, Profile, TokenManager, TokenSource};

use crate::measure::{Pairs, Unit, head};

const OPERATIONS: u32 = 2_000_000;
const ROUNDS: usize = 15;

/// Who asks.
#[derive(Clone, Copy)]
enum Askers {
    Threads(u32),
    /// On a runtime of two threads.
    Tasks(u32),
}

pub(crate) fn run() {
    let token = token();
    let manager = TokenManager::fixed(token.clone());
    let source = &*Box::leak(Box::new(manager.source(&Profile::default())));
    let floor = &*Box::leak(Box::new(ArcSwapOption::from(Some(Arc::new(token)))));
    head("floor", Unit::Nanoseconds);
    for askers in [Askers::Threads(1), Askers::Threads(2), Askers::Tasks(64)] {
        row("`peek()`, borrowed", askers, || peek(source), || floor_peek(floor));
        row(
            "`Authorization`, cloned",
            askers,
            || header(source),
            || floor_header(floor),
        );
    }
    println!("\nThe floor is an `ArcSwap` guard and the coarse clock, and the same header cloned.");
    allocations(source);
}

fn token() -> AccessToken {
    let now = SystemClock.now();
    AccessToken::bearer("a".repeat(1_000), now).until(now.plus(Duration::from_secs(3600)))
}

fn peek(source: &TokenSource) {
    black_box(source.peek().is_some());
}

fn floor_peek(floor: &ArcSwapOption<AccessToken>) {
    black_box((floor.load().is_some(), SystemClock.monotonic()));
}

fn header(source: &TokenSource) {
    black_box(source.peek().and_then(|token| token.authorization().cloned()));
}

fn floor_header(floor: &ArcSwapOption<AccessToken>) {
    let held = floor.load();
    let header = held.as_ref().and_then(|token| token.authorization().cloned());
    black_box((header, SystemClock.monotonic()));
}

fn row<A, B>(what: &str, askers: Askers, ours: A, floor: B)
where
    A: Fn() + Copy + Send + Sync + 'static,
    B: Fn() + Copy + Send + Sync + 'static,
{
    let (name, operations) = match askers {
        Askers::Threads(1) => (format!("{what}, 1 thread"), OPERATIONS),
        Askers::Threads(threads) => (format!("{what}, {threads} threads"), OPERATIONS * threads),
        Askers::Tasks(tasks) => (format!("{what}, {tasks} tasks"), OPERATIONS / 16 * tasks),
    };
    let pairs = Pairs::measure(ROUNDS, || round(askers, ours), || round(askers, floor));
    pairs.row(&name, f64::from(operations), Unit::Nanoseconds);
}

fn round<F: Fn() + Copy + Send + Sync + 'static>(askers: Askers, operation: F) -> Duration {
    match askers {
        Askers::Threads(threads) => on_threads(threads, operation),
        Askers::Tasks(tasks) => in_tasks(tasks, operation),
    }
}

fn on_threads<F: Fn() + Sync>(threads: u32, operation: F) -> Duration {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..OPERATIONS).for_each(|_| black_box(&operation)()));
        }
    });
    begun.elapsed()
}

fn in_tasks<F: Fn() + Copy + Send + 'static>(tasks: u32, operation: F) -> Duration {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let begun = Instant::now();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..tasks).map(|_| tokio::spawn(asking(operation))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    begun.elapsed()
}

// Gives way now and then, as a task that does something else between would.
async fn asking<F: Fn()>(operation: F) {
    for turn in 0..OPERATIONS / 16 {
        black_box(&operation)();
        if turn % 128 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

fn allocations(source: &TokenSource) {
    let count = |work: &dyn Fn()| {
        let info = allocation_counter::measure(|| (0..1000).for_each(|_| work()));
        info.count_total
    };
    println!("\n| allocations in 1,000 calls | |\n|---|---|");
    println!("| `peek()`, borrowed | {} |", count(&|| peek(source)));
    println!("| `Authorization`, cloned | {} |", count(&|| header(source)));
}
