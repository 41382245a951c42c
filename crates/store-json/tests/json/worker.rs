//! Other processes: this test binary, started again to do one job.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, RemoveIf, StoreErrorKind, TokenStore as _, WriteIf};
use store_json::JsonStore;
use store_testkit::process::ProcessBuilder;
use store_testkit::{LONG_RUN, counting, extent};

use crate::given::{key, put, record};

const JOB: &str = "STORE_JSON_TEST_JOB";
const PATH: &str = "STORE_JSON_TEST_PATH";

/// How long any job may take.
pub(crate) fn limit() -> Duration {
    Duration::from_secs(extent(300, 3_600))
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Counts by compare-and-swap.
    Count,
    /// Takes a lease, says so, and holds it until it is killed.
    HoldLease,
    /// Finds that the file can't be read.
    IsDenied,
    /// Removes a record where the folder can't be synced.
    RemoveUnsynced,
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
        Job::RemoveUnsynced,
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
            Self::Count => counting::count(&JsonStore::open(path).unwrap(), Duration::ZERO).await,
            Self::HoldLease => hold_lease(path).await,
            Self::IsDenied => is_denied(path).await,
            Self::RemoveUnsynced => remove_unsynced(path).await,
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

async fn remove_unsynced(path: &Path) {
    let store = JsonStore::open(path).unwrap();
    let set_mode = |mode| fs::set_permissions(path.parent().unwrap(), Permissions::from_mode(mode)).unwrap();
    for name in ["a", "b"] {
        put(path, name, "{}").await;
    }
    // Files in it can be replaced, but it can't be opened.
    set_mode(0o300);
    for attempt in ["the removal", "the same again"] {
        let error = store.remove(&key("a"), RemoveIf::Any).await.expect_err(attempt);
        assert_eq!(error.kind(), StoreErrorKind::Ambiguous, "{attempt}: {error}");
        assert_eq!(store.load(&key("a")).await.unwrap(), None, "it was replaced");
    }
    set_mode(0o700);
    assert!(!store.remove(&key("a"), RemoveIf::Any).await.unwrap());
    assert!(store.remove(&key("b"), RemoveIf::Any).await.unwrap());
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
