//! Other processes under a test's control: start, stop, kill, wait, and read what they wrote.
//!
//! ```
//! use std::time::Duration;
//! use store_testkit::process::ProcessBuilder;
//!
//! let output = ProcessBuilder::new("/bin/sh")
//!     .args(["-c", "echo $GREETING"])
//!     .env("GREETING", "hello")
//!     .spawn()?
//!     .wait(Duration::from_secs(10))?;
//! assert_eq!(output.stdout(), "hello\n");
//! # Ok::<(), std::io::Error>(())
//! ```

mod builder;
mod capture;
mod signals;
mod workspace;

use std::io;
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

pub use builder::{ProcessBuilder, UNPRIVILEGED_USER};
pub use workspace::workspace_binary;

use capture::Capture;

/// How often a running process is looked at while somebody waits for its end.
const POLL: Duration = Duration::from_millis(2);

/// A started process. Dropping it kills and reaps it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pid: Pid,
    stdout: Capture,
    stderr: Capture,
    _copy: Option<builder::ReachableCopy>,
}

impl Process {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: it ends between two instructions and cleans nothing up.
    ///
    /// # Errors
    /// When the signal can't be sent. A process that has ended already is none.
    pub fn kill(&mut self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// SIGTERM: asks it to end.
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub fn terminate(&mut self) -> io::Result<()> {
        self.signal(Signal::TERM)
    }

    /// SIGINT: what Ctrl-C sends.
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub fn interrupt(&mut self) -> io::Result<()> {
        self.signal(Signal::INT)
    }

    /// SIGSTOP: it stands still, its locks and connections open.
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub fn stop(&mut self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT: it goes on after [`stop`](Self::stop).
    ///
    /// # Errors
    /// As [`kill`](Self::kill).
    pub fn resume(&mut self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it has not ended yet; a stopped process is running.
    ///
    /// # Errors
    /// When the system can't tell.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// What it wrote to its standard output so far.
    pub fn stdout_so_far(&self) -> String {
        self.stdout.text()
    }

    /// What it wrote to its standard error so far.
    pub fn stderr_so_far(&self) -> String {
        self.stderr.text()
    }

    /// Waits until its standard output contains `text`. False when it ended, or `limit` passed,
    /// without.
    #[must_use]
    pub fn wait_for_stdout(&self, text: &str, limit: Duration) -> bool {
        self.stdout.wait_for(text, limit)
    }

    /// Waits for its end and returns what it wrote. Past `limit` it is killed.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] past `limit`; else when the system can't wait.
    pub fn wait(mut self, limit: Duration) -> io::Result<Output> {
        let end = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= end {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("process {} did not end within {limit:?}", self.id()),
                ));
            }
            std::thread::sleep(POLL);
        };
        Ok(Output {
            status,
            stdout: self.stdout.to_end(),
            stderr: self.stderr.to_end(),
        })
    }

    /// Looks first whether it has ended: once reaped, its id may belong to another process.
    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        Ok(kill_process(self.pid, signal)?)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already; nobody is left to tell otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a process ended and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Output {
    /// Exit code, or `None` when a signal ended it.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&self.status)
    }

    /// Whether it ended with exit code 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Standard output; bytes that are no UTF-8 are replaced.
    pub fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error; bytes that are no UTF-8 are replaced.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Standard output as it was written.
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }
}

/// Starts `count` processes at once, the one with number `n` made by `build(n)`, and collects
/// their outputs in order. `limit` holds for all of them together.
///
/// # Errors
/// When one can't be started or does not end in time; the others are killed.
pub fn run_many(count: usize, limit: Duration, build: impl Fn(usize) -> ProcessBuilder) -> io::Result<Vec<Output>> {
    let end = Instant::now() + limit;
    let processes = (0..count)
        .map(|number| build(number).spawn())
        .collect::<io::Result<Vec<_>>>()?;
    processes
        .into_iter()
        .map(|process| process.wait(end.saturating_duration_since(Instant::now())))
        .collect()
}
