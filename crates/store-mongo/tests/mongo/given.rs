//! What the tests begin with.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, Record, Version};
use auth_core::store::{Capabilities, LeaseEnd, LeaseId, LeaseScope, Persistence};
use store_mongo::MongoStore;
use store_testkit::Subject;

/// The server of this run. `cargo xtask test --only mongo` starts one, unless the
/// variable is set: then it is the user's own.
pub(crate) fn url() -> &'static str {
    variable("TOKENKEEP_TEST_MONGODB_URL")
}

/// A server with SCRAM and TLS.
pub(crate) fn secured_url() -> &'static str {
    variable("TOKENKEEP_TEST_MONGODB_SECURED_URL")
}

/// A URL with these options, which is well-formed already.
pub(crate) fn with(url: &str, options: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{options}")
}

/// A namespace that nobody else has.
pub(crate) fn fresh_namespace() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let run = &LeaseId::random().as_str()[..16].to_owned();
    format!("{run}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn open(namespace: &str) -> MongoStore {
    MongoStore::connect(&with(url(), &format!("namespace={namespace}")))
        .await
        .unwrap()
}

pub(crate) async fn subject() -> Subject<MongoStore> {
    let namespace = fresh_namespace();
    let store = open(&namespace).await;
    Subject::in_real_time(store)
        .reopening(move || {
            let namespace = namespace.clone();
            async move { open(&namespace).await }
        })
        .expecting(
            Capabilities::new(Persistence::DurableReplicated, LeaseScope::Shared, LeaseEnd::ByTime)
                .with_largest_record(15 << 20),
        )
}

pub(crate) fn key(name: &str) -> Key {
    Key::grant(&Profile::from_parts([name]))
}

pub(crate) fn record(name: &str, body: impl AsRef<[u8]>, read: Option<Version>) -> Record {
    let body = body.as_ref().to_vec().into();
    Record::from_parts(key(name), Version::after(read), None, Hints::default(), body)
}

fn variable(name: &str) -> &'static str {
    static FOUND: OnceLock<std::sync::Mutex<std::collections::BTreeMap<String, &'static str>>> = OnceLock::new();
    let mut found = FOUND.get_or_init(Default::default).lock().unwrap();
    found.entry(name.to_owned()).or_insert_with(|| {
        let value =
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set; run: cargo xtask test --only mongo"));
        value.leak()
    })
}
