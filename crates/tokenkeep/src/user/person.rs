//! The person who logs in: where they read, what they enter, whether they are there.

use std::fmt;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::sync::Arc;

use auth_core::secret::Secret;
use tokio::sync::mpsc;

/// An endless line must end.
const LINE_MAX: u64 = 64 * 1024;

/// What a person is told.
type Tell = Arc<dyn Fn(&str) + Send + Sync>;

/// The person who logs in.
pub(super) struct Person {
    pub(super) tell: Tell,
    pub(super) entered: Option<mpsc::Receiver<Secret>>,
    pub(super) there: Option<bool>,
}

impl Person {
    /// At the terminal of this process.
    pub(super) fn at_the_terminal() -> Self {
        Self {
            tell: Arc::new(tell_by_stderr),
            entered: None,
            there: None,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.there
            .unwrap_or_else(|| self.entered.is_some() || (io::stdin().is_terminal() && io::stderr().is_terminal()))
    }

    /// What they enter, line by line.
    pub(super) fn lines(&mut self) -> mpsc::Receiver<Secret> {
        self.entered.take().unwrap_or_else(lines_of_stdin)
    }
}

impl fmt::Debug for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Person")
            .field("there", &self.there)
            .finish_non_exhaustive()
    }
}

fn tell_by_stderr(text: &str) {
    // Nothing can be done for somebody whose terminal is gone.
    let _ = writeln!(io::stderr(), "{text}");
}

/// A read of stdin can't be cut off: it has a thread of its own, which ends with the
/// input, or when nobody wants the next line.
fn lines_of_stdin() -> mpsc::Receiver<Secret> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        loop {
            let mut line = String::new();
            let read = io::stdin().lock().take(LINE_MAX).read_line(&mut line);
            line.truncate(line.trim_end_matches(['\r', '\n']).len());
            if !matches!(read, Ok(1..)) || sender.blocking_send(Secret::new(line)).is_err() {
                return;
            }
        }
    });
    receiver
}
