use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::ServiceError;

const PAUSE: Duration = Duration::from_millis(5);
/// A busy machine takes its time; who does not want to wait kills.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// What to start: program, arguments, and where its output goes.
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    name: &'static str,
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log: PathBuf,
}

/// A running server process. Dropping it ends it; so does the end of our own process, however it comes.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    watchdog: Child,
}

impl ServerBuilder {
    /// This program, its output appended to `log`.
    pub fn new(name: &'static str, program: impl Into<PathBuf>, log: impl Into<PathBuf>) -> Self {
        Self {
            name,
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            log: log.into(),
        }
    }

    /// Adds arguments.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub fn variable(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Starts it and asks `is_ready` with its process id until it says yes; fails when the server ends before or the
    /// limit is over.
    pub fn start(self, limit: Duration, is_ready: impl FnMut(u32) -> bool) -> Result<Server, ServiceError> {
        let mut server = Server {
            builder: self,
            running: None,
        };
        server.start(limit, is_ready)?;
        Ok(server)
    }
}

impl Server {
    /// Starts it again after [`stop`](Self::stop) or [`kill`](Self::kill), with the same arguments.
    pub fn start(&mut self, limit: Duration, mut is_ready: impl FnMut(u32) -> bool) -> Result<(), ServiceError> {
        let running = self.running.insert(self.builder.spawn()?);
        let id = running.child.id();
        let deadline = Instant::now() + limit;
        loop {
            let is_ready = is_ready(id);
            // Whoever seems ready when ours has ended is somebody else.
            if let Some(status) = self.ended() {
                return Err(self.failure(&format!("ended with {status} before it was ready")));
            }
            if is_ready {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.failure(&format!("was not ready within {} s", limit.as_secs())));
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Asks it to end (SIGTERM) and waits; kills it if it does not.
    pub fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::TERM);
            running.end();
        }
    }

    /// Kills it (SIGKILL) and waits.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.signal(Signal::KILL);
            running.end();
        }
    }

    /// It stops running but stays (SIGSTOP): connections are taken by the system, nothing answers. All of it stands
    /// still when this returns.
    pub fn freeze(&self) {
        if let Some(running) = &self.running {
            running.signal(Signal::STOP);
            while running.has_threads_that_run() {
                std::thread::sleep(PAUSE);
            }
        }
    }

    /// It runs on (SIGCONT).
    pub fn thaw(&self) {
        if let Some(running) = &self.running {
            running.signal(Signal::CONT);
        }
    }

    /// Waits until it ends, which nobody asked for.
    pub fn wait(&mut self) -> ServiceError {
        while self.running.is_some() {
            if let Some(status) = self.ended() {
                return self.failure(&format!("ended with {status}"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.failure("is not running")
    }

    /// Whether it runs, or stands still.
    pub fn is_running(&mut self) -> bool {
        self.running.is_some() && self.ended().is_none()
    }

    /// Its process id while it runs.
    pub fn id(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.id())
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.running.as_mut()?.child.try_wait().ok().flatten()
    }

    fn failure(&self, what: &str) -> ServiceError {
        let log = &self.builder.log;
        ServiceError::new(format!(
            "{} {what}; the end of its log:\n{}",
            self.builder.name,
            tail(log)
        ))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl ServerBuilder {
    fn spawn(&self) -> Result<Running, ServiceError> {
        let failed = |error: std::io::Error| ServiceError::io(&format!("{} cannot be started", self.name), &error);
        let log = File::options()
            .append(true)
            .create(true)
            .open(&self.log)
            .map_err(failed)?;
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            .spawn()
            .map_err(failed)?;
        match watchdog(child.id()) {
            Ok(watchdog) => Ok(Running { child, watchdog }),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(failed(error))
            }
        }
    }
}

impl Running {
    fn signal(&self, signal: Signal) {
        // A process that has ended has nothing to be told.
        let id = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = rustix::process::kill_process(id, signal);
        }
    }

    /// No, where the system does not tell.
    fn has_threads_that_run(&self) -> bool {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else {
            return false;
        };
        threads
            .flatten()
            .filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok())
            .any(|stat| !stands_still(&stat))
    }

    fn end(mut self) {
        // A frozen process takes SIGTERM only when it runs on.
        self.signal(Signal::CONT);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(PAUSE);
        }
        // The watchdog goes while the process id is still ours.
        let _ = self.watchdog.kill();
        let _ = self.watchdog.wait();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether a thread is stopped, or has ended, by its `stat`: the state follows the name in parentheses.
fn stands_still(stat: &str) -> bool {
    let state = stat.rsplit(')').next().unwrap_or_default().trim_start();
    state.starts_with(['T', 't', 'Z', 'X'])
}

/// A shell that waits for the end of its input, which the system closes when we die, and then kills the
/// server. A signal at the parent's death would come at the death of the starting thread already.
fn watchdog(id: u32) -> std::io::Result<Child> {
    Command::new("sh")
        .args([
            "-c",
            "trap '' INT TERM HUP; cat > /dev/null; kill -9 \"$0\"",
            &id.to_string(),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}

fn tail(file: &Path) -> String {
    let text = std::fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{ServerBuilder, stands_still};

    const LIMIT: Duration = Duration::from_secs(120);

    fn shell(script: &str, folder: &std::path::Path) -> ServerBuilder {
        ServerBuilder::new("shell", "/bin/sh", folder.join("log")).arguments(["-c", script])
    }

    #[test]
    fn it_runs_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let script = format!("touch {}; exec sleep 600", ready.display());
        let server = shell(&script, folder.path()).start(LIMIT, |_| ready.exists()).unwrap();
        let id = server.id().unwrap();
        let started = Instant::now();
        drop(server);
        assert!(started.elapsed() < super::STOP_LIMIT, "it was killed, not asked");
        assert!(!std::path::Path::new(&format!("/proc/{id}/cmdline")).exists());
    }

    #[test]
    fn a_frozen_one_ends_too_and_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut server = shell("exec sleep 600", folder.path()).start(LIMIT, |_| true).unwrap();
        server.freeze();
        let stat = format!("/proc/{}/stat", server.id().unwrap());
        assert!(std::fs::read_to_string(stat).map_or(true, |stat| stands_still(&stat)));
        server.kill();
        assert_eq!(server.id(), None);
        server.start(LIMIT, |_| true).unwrap();
        assert!(server.id().is_some());
    }

    #[test]
    fn one_that_ends_before_it_is_ready_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let failure = shell("echo no such option; exit 3", folder.path())
            .start(LIMIT, |_| false)
            .unwrap_err()
            .to_string();
        assert!(failure.contains("no such option"), "{failure}");
    }
}
