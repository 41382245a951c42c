//! What to start, and as whom.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Pid;

use super::Process;
use super::capture::Capture;

/// For how long a program that was just written may be busy.
const BUSY: Duration = Duration::from_secs(120);

/// `nobody` on Linux; on macOS a user without a name. Neither owns a file.
pub const UNPRIVILEGED_USER: u32 = 65_534;

/// Settings of a process to start. Its environment is empty but for what is set here, its
/// standard input empty, its output captured; it heeds SIGINT and SIGTERM even where this process
/// ignores them.
#[derive(Clone)]
#[must_use = "nothing runs before spawn()"]
pub struct ProcessBuilder {
    program: OsString,
    arguments: Vec<OsString>,
    environment: BTreeMap<OsString, OsString>,
    directory: Option<PathBuf>,
    input: Vec<u8>,
    umask: Option<u32>,
    user: Option<u32>,
}

impl ProcessBuilder {
    /// The program, best with its full path: there is no `PATH` unless one is set.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: BTreeMap::new(),
            directory: None,
            input: Vec::new(),
            umask: None,
            user: None,
        }
    }

    /// Adds an argument.
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter();
        self.arguments
            .extend(arguments.map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.environment
            .insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Takes an environment variable over from this process, if it has it.
    pub fn inherit_env(self, name: &str) -> Self {
        match std::env::var_os(name) {
            Some(value) => self.env(name, value),
            None => self,
        }
    }

    /// The working directory; by default that of this process.
    pub fn current_dir(mut self, directory: impl AsRef<Path>) -> Self {
        self.directory = Some(directory.as_ref().to_owned());
        self
    }

    /// What the process reads from its standard input.
    pub fn stdin(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// The file mode creation mask, `0o000` say. Needs `/bin/sh`.
    pub fn umask(mut self, mask: u32) -> Self {
        self.umask = Some(mask);
        self
    }

    /// Runs as [`UNPRIVILEGED_USER`] when this process is root's; else nothing changes, as it is
    /// unprivileged already. Permissions bind such a process, which they don't root.
    pub fn unprivileged(mut self) -> Self {
        if rustix::process::geteuid().is_root() {
            self.user = Some(UNPRIVILEGED_USER);
        }
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    /// When the program can't be started.
    pub fn spawn(mut self) -> io::Result<Process> {
        super::signals::not_handed_on();
        let mut copy = None;
        // Programs without a full path are the system's: everybody reaches them.
        if self.user.is_some() && Path::new(&self.program).is_absolute() {
            let reachable = ReachableCopy::of(&self.program)?;
            self.program = reachable.program.clone().into();
            copy = Some(reachable);
        }
        let mut command = self.command();
        command
            .env_clear()
            .envs(&self.environment)
            .stdin(if self.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        let mut child = start(&mut command)?;
        if let Some(mut pipe) = child.stdin.take() {
            let input = self.input;
            // A thread, as the child may write more than a pipe holds before it reads. A child
            // that ends without reading is its own affair.
            std::thread::spawn(move || {
                let _ = pipe.write_all(&input);
            });
        }
        let stdout = Capture::start(child.stdout.take());
        let stderr = Capture::start(child.stderr.take());
        let pid = Pid::from_child(&child);
        Ok(Process {
            child,
            pid,
            stdout,
            stderr,
            _copy: copy,
        })
    }

    /// The umask has no setter between fork and exec without unsafe code, so a shell sets it.
    fn command(&self) -> Command {
        let Some(mask) = self.umask else {
            let mut command = Command::new(&self.program);
            command.args(&self.arguments);
            return command;
        };
        let mut command = Command::new("/bin/sh");
        command
            .arg("-c")
            .arg(format!("umask {mask:04o} && exec \"$@\""))
            .arg("sh")
            .arg(&self.program)
            .args(&self.arguments);
        command
    }
}

/// A program where every user can reach it: a build folder may stand below one that
/// only its owner may enter. Gone with the process.
#[derive(Debug)]
pub(super) struct ReachableCopy {
    folder: PathBuf,
    program: PathBuf,
}

impl ReachableCopy {
    fn of(program: &OsStr) -> io::Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let folder = loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("testkit-{}-{number}", std::process::id()));
            match std::fs::create_dir(&folder) {
                Ok(()) => break folder,
                // Of a process that had this id before, and was killed.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        };
        std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755))?;
        let name = Path::new(program).file_name().unwrap_or(program);
        let copy = Self {
            program: folder.join(name),
            folder,
        };
        std::fs::copy(program, &copy.program)?;
        std::fs::set_permissions(&copy.program, PermissionsExt::from_mode(0o755))?;
        Ok(copy)
    }
}

impl Drop for ReachableCopy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Values of the environment and the input may be secrets: only names are shown.
impl std::fmt::Debug for ProcessBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("ProcessBuilder")
            .field("program", &self.program)
            .field("environment", &self.environment.keys())
            .finish_non_exhaustive()
    }
}

/// A program that was copied just now may still be open for writing: in a child of another
/// thread, between its fork and its exec.
fn start(command: &mut Command) -> io::Result<Child> {
    let begun = Instant::now();
    loop {
        match command.spawn() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && begun.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(10));
            }
            started => return started,
        }
    }
}
