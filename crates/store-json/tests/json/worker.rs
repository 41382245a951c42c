//! Other processes: this test binary, started again to do one job.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use store_json::JsonStore;

use crate::given::{key, put, record};

const JOB: &str = "STORE_JSON_TEST_JOB";
const PATH: &str = "STORE_JSON_TEST_PATH";

/// How often one process counts.
pub(crate) fn times() -> u64 {
    store_testkit::extent(100, 1_000)
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Counts by compare-and-swap.
    Count,
    /// Takes a lease, says so, and holds it until it is killed.
    HoldLease,
    /// Finds that the file can't be read.
    IsDenied,
    /// Writes without end.
    Rewrite,
    /// Saves a record and takes a lease.
    SaveAndLease,
}

/// Where started processes arrive. In a plain run there is no job, and nothing to do.
#[test]
fn arrives() {
    let (Ok(job), Ok(path)) = (std::env::var(JOB), std::env::var(PATH)) else {
        return;
    };
    let job = [
        Job::Count,
        Job::HoldLease,
        Job::IsDenied,
        Job::Rewrite,
        Job::SaveAndLease,
    ]
    .into_iter()
    .find(|known| format!("{known:?}") == job)
    .unwrap();
    store_testkit::run(job.done_at(Path::new(&path)));
}

impl Job {
    /// Another process that does this job at this path.
    pub(crate) fn start(self, path: &Path) -> Child {
        let mut command = Command::new(this_program());
        self.describe(&mut command, path);
        command.stdout(Stdio::piped()).spawn().unwrap()
    }

    pub(crate) fn run_under_umask(self, path: &Path, umask: &str) {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"])
            .arg(this_program());
        self.describe(&mut shell, path);
        succeeds(shell);
    }

    /// As the user with this number, where this process may become one.
    pub(crate) fn run_as_plain_user(self, path: &Path, user: Option<u32>) {
        // A copy, for the way to this program may be closed to others.
        let program = path.with_file_name("program");
        std::fs::copy(this_program(), &program).unwrap();
        let mut command = Command::new(&program);
        self.describe(&mut command, path);
        if let Some(user) = user {
            std::os::unix::fs::chown(&program, Some(user), Some(user)).unwrap();
            command.uid(user).gid(user);
        }
        succeeds(command);
    }

    fn describe(self, command: &mut Command, path: &Path) {
        command
            .args(["worker::arrives", "--exact", "--nocapture"])
            .env(JOB, format!("{self:?}"))
            .env(PATH, path)
            .stdin(Stdio::null());
    }

    async fn done_at(self, path: &Path) {
        match self {
            Self::Count => count(path).await,
            Self::HoldLease => hold_lease(path).await,
            Self::IsDenied => is_denied(path).await,
            Self::Rewrite => rewrite(path).await,
            Self::SaveAndLease => save_and_lease(path).await,
        }
    }
}

async fn count(path: &Path) {
    let store = JsonStore::open(path).unwrap();
    let mut left = times();
    while left > 0 {
        let read = store.load(&key("counter")).await.unwrap().unwrap();
        let number: u64 = std::str::from_utf8(read.body().expose()).unwrap().parse().unwrap();
        let next = record("counter", (number + 1).to_string(), Some(read.version()));
        match store.save(&next, WriteIf::Matches(read.version())).await {
            Ok(()) => left -= 1,
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    }
}

async fn hold_lease(path: &Path) {
    let store = JsonStore::open(path).unwrap();
    let lease = store
        .try_lease(&key("a"), &LeaseId::random(), Duration::from_secs(1))
        .await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    std::io::stdout().write_all(b"held\n").unwrap();
    // The suite's limit ends this, if nobody kills it.
    std::future::pending::<()>().await;
}

async fn is_denied(path: &Path) {
    let store = JsonStore::open(path).unwrap();
    let saved = store.save(&record("b", "{}", None), WriteIf::Absent).await;
    for error in [store.load(&key("a")).await.unwrap_err(), saved.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
        let text = error.to_string();
        assert!(
            text.contains(path.to_str().unwrap()) && text.contains("run as its owner"),
            "{text}"
        );
    }
}

async fn rewrite(path: &Path) {
    for round in 0_u64.. {
        let letter = b'a' + u8::try_from(round % 26).unwrap();
        put(path, "a", vec![letter; 20_000]).await;
    }
}

async fn save_and_lease(path: &Path) {
    put(path, "a", "{}").await;
    let store = JsonStore::open(path).unwrap();
    let lease = store
        .try_lease(&key("a"), &LeaseId::random(), Duration::from_secs(1))
        .await;
    assert_eq!(lease.unwrap(), Lease::Granted);
}

fn succeeds(mut command: Command) {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(said.contains("1 passed"), "the job was not found: {said}");
}

fn this_program() -> PathBuf {
    std::env::current_exe().unwrap()
}
