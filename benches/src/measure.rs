//! Times of ours and of what it is compared with, in turn, and the ratio of each pair.

use std::time::{Duration, Instant};

/// Pairs of times: ours, and the other's.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// Measures both this often, in turn; who comes first alternates. The first pair
    /// warms up and does not count.
    pub(crate) fn measure(
        rounds: usize,
        mut ours: impl FnMut() -> Duration,
        mut other: impl FnMut() -> Duration,
    ) -> Self {
        let mut pairs = Vec::with_capacity(rounds);
        for round in 0..=rounds {
            let pair = if round % 2 == 0 {
                let first = ours();
                (first, other())
            } else {
                let first = other();
                (ours(), first)
            };
            if round > 0 {
                pairs.push((pair.0.as_secs_f64(), pair.1.as_secs_f64()));
            }
        }
        Self(pairs)
    }

    /// A row of a table: both medians in this unit per operation, the median of the
    /// ratios, and the interval that holds the true median with 95 %.
    pub(crate) fn row(&self, what: &str, operations: f64, unit: Unit) {
        let per_operation = |seconds: f64| seconds * unit.per_second() / operations;
        let ours = median(self.0.iter().map(|pair| per_operation(pair.0)));
        let other = median(self.0.iter().map(|pair| per_operation(pair.1)));
        let mut ratios: Vec<f64> = self.0.iter().map(|(ours, other)| ours / other).collect();
        ratios.sort_by(f64::total_cmp);
        let (low, high) = interval(ratios.len());
        println!(
            "| {what} | {ours:.1} | {other:.1} | {:.3} | {:.3} – {:.3} |",
            ratios[ratios.len() / 2],
            ratios[low],
            ratios[high]
        );
    }
}

/// In what times are told.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Nanoseconds,
    Microseconds,
    Milliseconds,
}

impl Unit {
    fn per_second(self) -> f64 {
        match self {
            Self::Nanoseconds => 1e9,
            Self::Microseconds => 1e6,
            Self::Milliseconds => 1e3,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nanoseconds => "ns",
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
        }
    }
}

/// The head of a table of such rows.
pub(crate) fn head(other: &str, unit: Unit) {
    let unit = unit.name();
    println!("| what | ours, {unit} | {other}, {unit} | ratio | 95 % |\n|---|---|---|---|---|");
}

/// How long it took.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The ranks between which the median of the whole lies with at least 95 %
/// (binomial distribution, by its normal approximation).
fn interval(count: usize) -> (usize, usize) {
    let count_f = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    let half = 0.98 * count_f.sqrt();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rank: small and not negative"
    )]
    let low = (count_f / 2.0 - half).floor().max(0.0) as usize;
    (low, count - 1 - low)
}
