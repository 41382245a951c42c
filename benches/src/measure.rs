//! Nanoseconds per operation: the median of rounds, ours and the floor in turn.

use std::hint::black_box;
use std::time::Instant;

const OPERATIONS: u32 = 2_000_000;
const ROUNDS: usize = 15;

/// Measures both in turn and prints a row of the table.
pub(crate) fn row<A, B>(what: &str, threads: usize, ours: A, floor: B)
where
    A: Fn() + Sync,
    B: Fn() + Sync,
{
    let rounds: Vec<(f64, f64)> = (0..ROUNDS)
        .map(|_| (round(threads, &ours), round(threads, &floor)))
        .collect();
    let ours = median(rounds.iter().map(|(ours, _)| *ours));
    let floor = median(rounds.iter().map(|(_, floor)| *floor));
    let ratio = median(rounds.iter().map(|(ours, floor)| ours / floor));
    println!("| {what} | {threads} | {ours:.1} | {floor:.1} | {ratio:.2} |");
}

/// Wall time per operation, over all threads.
fn round<F: Fn() + Sync>(threads: usize, operation: &F) -> f64 {
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..OPERATIONS {
                    black_box(operation)();
                }
            });
        }
    });
    let operations = f64::from(OPERATIONS) * f64::from(u32::try_from(threads).unwrap_or(u32::MAX));
    begun.elapsed().as_secs_f64() * 1e9 / operations
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
