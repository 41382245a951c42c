//! Other processes: this test binary, started again to do one job.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, StoreErrorKind, TokenStore as _, WriteIf};
use store_sqlite::{SqliteConfig, SqliteStore};
use store_testkit::process::ProcessBuilder;
use store_testkit::{LONG_RUN, counting, extent};

use crate::given::{key, put, put_in, record};

const JOB: &str = "STORE_SQLITE_TEST_JOB";
const PATH: &str = "STORE_SQLITE_TEST_PATH";

/// How long any job may take.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(extent(600, 3_600))
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Counts by compare-and-swap.
    Count,
    /// Takes a lease, says so, and holds it until it is killed.
    HoldLease,
    /// Reads, but is not allowed to write.
    IsReader,
    /// Finds that the file can't be read.
    IsDenied,
    /// Saves without end, and says what was acknowledged.
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
        Job::IsReader,
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
    pub(crate) fn at(self, path: &Path) -> ProcessBuilder {
        ProcessBuilder::new(std::env::current_exe().unwrap())
            .args(["worker::arrives", "--exact", "--nocapture"])
            .env(JOB, format!("{self:?}"))
            .env(PATH, path)
            .inherit_env(LONG_RUN)
    }

    async fn done_at(self, path: &Path) {
        match self {
            Self::Count => counting::count(&patient(path), Duration::ZERO).await,
            Self::HoldLease => hold_lease(path).await,
            Self::IsReader => is_reader(path).await,
            Self::IsDenied => is_denied(path).await,
            Self::Rewrite => rewrite(path).await,
            Self::SaveAndLease => save_and_lease(path).await,
        }
    }
}

/// Runs a job to its end.
pub(crate) fn succeeds(job: ProcessBuilder) {
    let output = job.spawn().unwrap().wait(limit()).unwrap();
    assert!(output.success(), "{}\n{}", output.stdout(), output.stderr());
    assert!(
        output.stdout().contains("1 passed"),
        "the job was not found: {}",
        output.stdout()
    );
}

/// Nobody is next in turn: with sixteen writers and a slow disk one of them may come late.
fn patient(path: &Path) -> SqliteStore {
    SqliteStore::with_config(&SqliteConfig::new(path).patience(limit())).unwrap()
}

async fn hold_lease(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    let lease = store
        .try_lease(&key("a"), &LeaseId::random(), Duration::from_secs(1))
        .await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    say("held");
    // The suite's limit ends this, if nobody kills it.
    std::future::pending::<()>().await;
}

async fn is_reader(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
    assert!(store.load(&key("a")).await.unwrap().is_some());
    let error = store.save(&record("b", "{}", None), WriteIf::Absent).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Denied, "{error}");
}

async fn is_denied(path: &Path) {
    let store = SqliteStore::open(path).unwrap();
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

/// A record of its own, and one that all processes write.
async fn rewrite(path: &Path) {
    let store = patient(path);
    let own = format!("process{}", std::process::id());
    loop {
        let saved = put_in(&store, &own, vec![b'x'; 5_000]).await;
        say(&format!("saved {own} {}", saved.version().generation()));
        let read = store.load(&key("shared")).await.unwrap().map(|record| record.version());
        let next = record("shared", vec![b'y'; 20_000], read);
        match store.save(&next, WriteIf::unchanged(read)).await {
            Ok(()) => say(&format!("saved shared {}", next.version().generation())),
            Err(error) => assert_eq!(error.kind(), StoreErrorKind::Conflict, "{error}"),
        }
    }
}

async fn save_and_lease(path: &Path) {
    put(path, "a", "{}").await;
    let store = SqliteStore::open(path).unwrap();
    let lease = store
        .try_lease(&key("a"), &LeaseId::random(), Duration::from_secs(1))
        .await;
    assert_eq!(lease.unwrap(), Lease::Granted);
}

/// One write, so that a kill can't cut the line.
fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).unwrap();
}
