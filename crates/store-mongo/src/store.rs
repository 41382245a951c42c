//! The store: reads top-down as the contract does.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::clock::{Clock, SystemClock};
use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::store::{
    Capabilities, Lease, LeaseEnd, LeaseId, LeaseScope, Listing, Operation, Page, Persistence, RemoveIf, StoreError,
    StoreErrorKind, TokenStore, WriteIf,
};
use mongodb::bson::Document;
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::config::{MongoConfig, NAMESPACE, TIMEOUT, checked_namespace};
use crate::documents::{self, Names, VERSION, living};
use crate::error::{Doing, Fault};
use crate::home;
use crate::leases;
use crate::records::{self, Records};
use crate::server::{Need, Server};

/// The largest body. A document of MongoDB may have 16 MiB, but so much does not
/// reach the journals of a majority in the time that an operation has.
const LARGEST_RECORD: usize = 4 << 20;
const SELECTION: Duration = Duration::from_secs(2);
const CONNECT: Duration = Duration::from_secs(2);

/// Tokens in a collection of a MongoDB replica set. Clones share the connections.
#[derive(Clone)]
pub struct MongoStore {
    inner: Arc<Records>,
    clock: Arc<dyn Clock>,
    timeout: Duration,
    /// Where the client lives, if we opened it.
    home: Option<Handle>,
}

impl MongoStore {
    /// The store that a URL names; see [`MongoConfig::from_url`].
    ///
    /// Reads the URL, the files it names and, for `mongodb+srv`, the DNS. Servers are
    /// first asked by the first operation, so that a service can start before them.
    ///
    /// # Errors
    /// `Invalid` if the URL is, `Unavailable` if DNS does not answer.
    pub async fn connect(url: &str) -> Result<Self, StoreError> {
        Self::with_config(MongoConfig::from_url(url)?).await
    }

    /// The store that a configuration names.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub async fn with_config(config: MongoConfig) -> Result<Self, StoreError> {
        Self::open(config).await.map_err(|fault| fault.at(Operation::Open))
    }

    /// A collection of a client that is the caller's, who answers for its time-outs
    /// and that the runtime on which it was made keeps running. Read and write
    /// concern are ours, whatever the collection's are.
    pub fn from_client<T: Send + Sync>(collection: &Collection<T>) -> Self {
        Self::over(&collection.clone_with_type(), NAMESPACE, TIMEOUT, None)
    }

    /// The same under another namespace.
    ///
    /// # Errors
    /// `Invalid`, as [`MongoConfig::namespace`].
    pub fn with_namespace(mut self, name: impl Into<String>) -> Result<Self, StoreError> {
        let name = checked_namespace(name.into()).map_err(|fault| fault.at(Operation::Open))?;
        self.inner = Arc::new(Records {
            documents: self.inner.documents.clone(),
            names: Names::new(name),
            server: Server::default(),
            largest_time: self.inner.largest_time,
        });
        Ok(self)
    }

    /// The same, judging `keep_until` by this clock. Leases are judged by the
    /// server's.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The name under which records are bound to this store when they are sealed.
    pub fn namespace(&self) -> &str {
        self.inner.names.namespace()
    }
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore")
            .field("collection", &self.inner.documents.namespace().to_string())
            .field("namespace", &self.namespace())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl TokenStore for MongoStore {
    fn name(&self) -> &'static str {
        "mongodb"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::new(Persistence::DurableReplicated, LeaseScope::Shared, LeaseEnd::ByTime)
            .with_largest_record(LARGEST_RECORD)
    }

    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let (wanted, now) = (key.clone(), self.clock.now());
        let record = self.run(
            Operation::Load,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Records>| async move {
                let found = inner.find(&wanted, None).await?;
                found.map(|document| documents::record(document, &wanted)).transpose()
            },
        );
        Ok(record.await?.filter(|record| !record.is_past(now)))
    }

    async fn save(&self, record: &Record, when: WriteIf) -> Result<(), StoreError> {
        if record.body().len() > LARGEST_RECORD {
            let message = format!("{} bytes, at most {LARGEST_RECORD}", record.body().len());
            return Err(Fault::new(StoreErrorKind::TooLarge, message).at(Operation::Save));
        }
        let (record, now) = (record.clone(), self.clock.now());
        self.run(
            Operation::Save,
            Need::Sweeping,
            Doing::Write,
            move |inner: Arc<Records>| async move {
                match when.expected() {
                    None => inner.create(&record, now).await,
                    Some(version) => inner.replace(&record, version, now).await,
                }
            },
        )
        .await
    }

    async fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        self.run(
            Operation::Remove,
            Need::Majority,
            Doing::Write,
            move |inner: Arc<Records>| async move {
                let mut filter = living(inner.named(&key), now);
                if let RemoveIf::Matches(version) = when {
                    filter.insert(VERSION, version.to_string());
                }
                let deleted = inner.documents.delete_one(filter).await;
                let deleted = deleted.map_err(|error| Fault::of(&error, Doing::Write))?;
                if deleted.deleted_count > 0 {
                    return Ok(true);
                }
                match inner.stored(&key).await? {
                    Some((_, until)) if until.is_some_and(|until| until <= now) => Ok(false),
                    Some((version, _)) if !when.holds(version) => Err(Fault::conflict()),
                    // Any other was made since, and is not the one to remove.
                    _ => Ok(false),
                }
            },
        )
        .await
    }

    async fn list(&self, page: Page) -> Result<Listing, StoreError> {
        let now = self.clock.now();
        self.run(
            Operation::List,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Records>| async move { inner.page(&page, now).await },
        )
        .await
    }

    async fn try_lease(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<Lease, StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Leases,
            Doing::Ask,
            move |inner: Arc<Records>| async move { leases::take(&inner.documents, &name, &id, ttl).await },
        )
        .await
    }

    async fn renew(&self, key: &Key, id: &LeaseId, ttl: Duration) -> Result<bool, StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Records>| async move { leases::extend(&inner.documents, &name, &id, ttl).await },
        )
        .await
    }

    async fn release(&self, key: &Key, id: &LeaseId) -> Result<(), StoreError> {
        let (name, id) = (self.lease(key), id.clone());
        self.run(
            Operation::Lease,
            Need::Majority,
            Doing::Ask,
            move |inner: Arc<Records>| async move { leases::give_back(&inner.documents, &name, &id).await },
        )
        .await
    }
}

impl MongoStore {
    async fn open(config: MongoConfig) -> Result<Self, Fault> {
        let home = home::handle().map_err(|error| {
            Fault::new(
                StoreErrorKind::Unavailable,
                format!("the operating system gives no thread: {}", error.kind()),
            )
        })?;
        let url = config.driver_url()?;
        let timeout = config.time_allowed();
        let opening = home.spawn(async move {
            let options = timeout_at(Instant::now() + timeout, ClientOptions::parse(url.expose())).await;
            let options = options.map_err(|_| late(Doing::Ask))?;
            options
                .and_then(|options| {
                    let database = options.default_database.clone();
                    Ok((Client::with_options(ours(options))?, database))
                })
                .map_err(|error| Fault::of(&error, Doing::Ask))
        });
        let (client, database) = opening.await.unwrap_or_else(|_| Err(late(Doing::Ask)))?;
        let (database, collection) = config.names(database.as_deref());
        let documents = client.database(&database).collection(&collection);
        Ok(Self::over(&documents, config.namespace_name(), timeout, Some(home)))
    }

    fn over(documents: &Collection<Document>, namespace: &str, timeout: Duration, home: Option<Handle>) -> Self {
        // The server gives up a little before we do, and says so.
        let largest_time = timeout.mul_f64(0.8);
        let namespaces = documents.namespace();
        let database = documents.client().database(&namespaces.db);
        Self {
            inner: Arc::new(Records {
                documents: database.collection_with_options(&namespaces.coll, records::concerns(largest_time)),
                names: Names::new(namespace.to_owned()),
                server: Server::default(),
                largest_time,
            }),
            clock: Arc::new(SystemClock),
            timeout,
            home,
        }
    }

    fn lease(&self, key: &Key) -> String {
        self.inner.names.lease(&key.to_string())
    }

    /// Finds out what is needed, then works; neither takes longer than it may. It
    /// runs to its end on our own runtime, even if the future is dropped.
    async fn run<T, F, W>(&self, operation: Operation, need: Need, doing: Doing, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(Arc<Records>) -> W + Send + 'static,
        W: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let (inner, timeout) = (self.inner.clone(), self.timeout);
        let task = async move {
            let end = Instant::now() + timeout;
            let checking = inner.server.check(need, &inner.documents, &inner.names);
            timeout_at(end, checking)
                .await
                .unwrap_or_else(|_| Err(late(Doing::Ask)))?;
            timeout_at(end, work(inner)).await.unwrap_or_else(|_| Err(late(doing)))
        };
        let outcome = match &self.home {
            None => task.await,
            Some(home) => home.spawn(task).await.unwrap_or_else(|_| Err(late(doing))),
        };
        outcome.map_err(|fault| fault.at(operation))
    }
}

/// What the URL leaves open, and what it may not decide.
fn ours(mut options: ClientOptions) -> ClientOptions {
    options.server_selection_timeout.get_or_insert(SELECTION);
    options.connect_timeout.get_or_insert(CONNECT);
    options.app_name.get_or_insert_with(|| "tokenkeep".to_owned());
    options
}

fn late(doing: Doing) -> Fault {
    Fault::unanswered(doing, "no answer in time")
}
