//! Other processes: this test binary, started again to do one job.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use auth_core::store::{Lease, LeaseId, TokenStore as _};
use store_mongo::MongoStore;
use store_testkit::counting;

use crate::given::{key, open_secured, run_long};

const JOB: &str = "STORE_MONGO_TEST_JOB";
const NAMESPACE: &str = "STORE_MONGO_TEST_NAMESPACE";

/// Else sixteen would keep one server busy with losing.
const PAUSE: Duration = Duration::from_millis(128);

/// Of the lease whose holder is killed: the one who killed it must look before it is over.
pub(crate) const SHORT: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Job {
    /// Counts by compare-and-swap.
    Count,
    /// Takes a lease for a short time, and holds it until it is killed.
    HoldLease,
}

/// Where started processes arrive. In a plain run there is no job, and nothing to do.
#[test]
fn arrives() {
    let (Ok(job), Ok(namespace)) = (std::env::var(JOB), std::env::var(NAMESPACE)) else {
        return;
    };
    let job = [Job::Count, Job::HoldLease]
        .into_iter()
        .find(|known| format!("{known:?}") == job)
        .unwrap();
    run_long(async move {
        let store = open_secured(&namespace).await;
        match job {
            Job::Count => counting::count(&store, PAUSE).await,
            Job::HoldLease => hold_lease(&store).await,
        }
    });
}

impl Job {
    /// Another process that does this job in this namespace.
    pub(crate) fn start(self, namespace: &str) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["worker::arrives", "--exact", "--nocapture"])
            .env(JOB, format!("{self:?}"))
            .env(NAMESPACE, namespace)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }
}

async fn hold_lease(store: &MongoStore) {
    let lease = store.try_lease(&key("a"), &LeaseId::random(), SHORT).await;
    assert_eq!(lease.unwrap(), Lease::Granted);
    std::io::stdout().write_all(b"held\n").unwrap();
    // The limit ends this, if nobody kills it.
    std::future::pending::<()>().await;
}
