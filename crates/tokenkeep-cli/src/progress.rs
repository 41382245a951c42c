//! A sign of life on a person's terminal while something takes long.

use std::io::{self, IsTerminal as _, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;

/// What takes no longer needs no sign.
const AFTER: Duration = Duration::from_millis(300);
const EVERY: Duration = Duration::from_millis(100);

/// Whether a sign is on the terminal now.
static SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether signs of life are given.
#[derive(Clone, Copy)]
pub(crate) struct Progress(bool);

impl Progress {
    /// To a person at a terminal that can take a line back, who has asked neither for
    /// silence nor for the log, which says more.
    pub(crate) fn of(global: &Global) -> Self {
        let able = std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb");
        Self(able && !global.quiet && global.verbose == 0 && io::stderr().is_terminal())
    }

    /// Does this, and shows why it takes long if it does. Without colours: none have to
    /// be left out.
    pub(crate) async fn during<T>(self, why: &'static str, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        if !self.0 {
            return work.await;
        }
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = tokio::time::sleep(AFTER) => {}
        }
        let spinner = Spinner::show(why);
        let mut ticks = tokio::time::interval(EVERY);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                _ = ticks.tick() => spinner.0.tick(),
            }
        }
    }
}

/// Stderr for the log: a line of it does not go into that of the sign.
pub(crate) struct LogLines;

impl Write for LogLines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut stderr = io::stderr().lock();
        if SHOWN.load(Ordering::Relaxed) {
            stderr.write_all(b"\r\x1b[2K")?;
        }
        stderr.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Takes itself back, also where the waiting was interrupted.
struct Spinner(ProgressBar);

impl Spinner {
    fn show(why: &'static str) -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg} ({elapsed})");
        let spinner = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        spinner.set_message(why);
        SHOWN.store(true, Ordering::Relaxed);
        Self(spinner)
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        SHOWN.store(false, Ordering::Relaxed);
    }
}
