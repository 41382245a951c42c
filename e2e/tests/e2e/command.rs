//! The built command, with an environment of its own.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use store_testkit::process::{Output, ProcessBuilder, workspace_binary};

pub(crate) const LIMIT: Duration = Duration::from_secs(300);

/// Where a test keeps its files, and how it calls the command.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    store: String,
    unprivileged: bool,
}

impl Home {
    /// With a JSON file as its store.
    pub(crate) fn new() -> Self {
        Self::with_store(|folder| format!("json:{}", folder.join("data/tokens.json").display()))
    }

    /// With the store that this URL names, given the folder.
    pub(crate) fn with_store(url: impl FnOnce(&Path) -> String) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = url(folder.path());
        Self {
            folder,
            store,
            unprivileged: false,
        }
    }

    /// With files in memory, where there is such a place: for very many writes that need not survive.
    pub(crate) fn in_memory() -> Self {
        let memory = Path::new("/dev/shm");
        if !memory.is_dir() {
            return Self::new();
        }
        Self {
            folder: tempfile::tempdir_in(memory).unwrap(),
            ..Self::new()
        }
    }

    /// The URL of its store.
    pub(crate) fn url(&self) -> &str {
        &self.store
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// One whose commands run without privileges, so that permissions bind them.
    pub(crate) fn unprivileged() -> Self {
        let home = Self {
            unprivileged: true,
            ..Self::new()
        };
        if std::process::Command::new("id")
            .arg("-u")
            .output()
            .unwrap()
            .stdout
            .starts_with(b"0")
        {
            std::os::unix::fs::chown(home.folder.path(), Some(65534), Some(65534)).unwrap();
        }
        home
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("data/tokens.json")
    }

    /// The command with these arguments; nothing of our environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> ProcessBuilder {
        let command = ProcessBuilder::new(binary())
            .env("HOME", self.folder.path())
            .env("TOKENKEEP_STORE", &self.store)
            .args(arguments);
        if self.unprivileged {
            command.unprivileged()
        } else {
            command
        }
    }

    /// A pipe with a name, in our folder.
    pub(crate) fn pipe(&self, name: &str) -> PathBuf {
        let pipe = self.folder.path().join(name);
        assert!(
            std::process::Command::new("mkfifo")
                .arg(&pipe)
                .status()
                .unwrap()
                .success()
        );
        pipe
    }

    /// The command with this file as its standard input.
    pub(crate) fn command_reading(&self, input: &Path, arguments: &[&str]) -> ProcessBuilder {
        ProcessBuilder::new("/bin/sh")
            .env("HOME", self.folder.path())
            .env("TOKENKEEP_STORE", &self.store)
            .args(["-c", "exec \"$@\" < \"$0\""])
            .arg(input)
            .arg(binary())
            .args(arguments)
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        finish(self.command(arguments))
    }

    /// What it prints; it must succeed.
    pub(crate) fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.code(), Some(0), "{arguments:?}\n{}", output.stderr());
        output.stdout().trim_end().to_owned()
    }
}

/// The URL of a Redis or Memcached with time-outs for a machine that is busy with other tests.
pub(crate) fn patient(url: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}connect_timeout=30000&answer_timeout=30000")
}

pub(crate) fn finish(command: ProcessBuilder) -> Output {
    command.spawn().unwrap().wait(LIMIT).unwrap()
}

pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| workspace_binary("tokenkeep-cli", "tokenkeep").unwrap())
}
